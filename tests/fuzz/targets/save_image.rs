//! Saved state that somebody made to hurt: sections, memory, and the state of a device, which then runs with it. No panic, no
//! large allocation; what is understood comes back the same; a device that took hostile state does no more than its driver could.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_fuzz::machine::{MEMORY, Machine};
use reeve_vmm::state::{BoardState, MachineState, Progress, StateError, read_memory, section};
use reeve_vmm::virtio::TransportState;
use reeve_vmm::virtio::balloon::Balloon;

/// A frame of pages with the right checksums, whatever is in it.
fn framed(kind: section::Kind, body: &[u8]) -> Vec<u8> {
    let header = section::Header { kind, length: body.len() as u64, checksum: section::checksum([body]) };
    [&header.to_bytes()[..], body].concat()
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(state) = MachineState::from_bytes(bytes) {
        let again = state.to_bytes().expect("memory takes what is written");
        let read = MachineState::from_bytes(&again).expect("own words are understood");
        assert_eq!(read.to_bytes().expect("memory takes what is written"), again);
    }
    let balloon = Balloon::new(MEMORY, MEMORY / 2, true, Box::new(|bytes| assert!(bytes <= MEMORY)));
    let balloon = balloon.expect("an event can be made");
    let control = balloon.control();
    let mut machine = Machine::new(Box::new(balloon));
    let _ = read_memory(&machine.memory, &mut &*bytes, &Progress::default());
    let pages = framed(section::Kind::Pages, bytes);
    let _: Result<(), StateError> = read_memory(&machine.memory, &mut pages.as_slice(), &Progress::default());
    let _: Result<BoardState, StateError> =
        section::read(&mut framed(section::Kind::Board, bytes).as_slice(), section::Kind::Board);
    if let Ok(state) = serde_json::from_slice::<TransportState>(bytes) {
        machine.go_on_from(&state);
    }
    assert!(control.actual() <= MEMORY && control.target() <= MEMORY);
});
