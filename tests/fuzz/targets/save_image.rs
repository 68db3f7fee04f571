//! Saved state that somebody made to hurt: sections, memory, and the state of a device, which then runs with it. No panic, no
//! large allocation; what is understood comes back the same; a device that took hostile state does no more than its driver could.
#![no_main]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use reeve_fuzz::damage::Damage;
use reeve_fuzz::machine::{MEMORY, Machine};
use reeve_vmm::config::DiskLimits;
use reeve_vmm::console::Console;
use reeve_vmm::state::section::{HEADER, Header, Kind, MAX_BODY, checksum};
use reeve_vmm::state::{MachineState, Progress, StateError, read_memory};
use reeve_vmm::virtio::balloon::Balloon;
use reeve_vmm::virtio::block::{Block, Disk, DiskOptions};
use reeve_vmm::virtio::console::{ConsoleDevice, ConsolePort};
use reeve_vmm::virtio::rng::Rng;
use reeve_vmm::virtio::vsock::Vsock;
use reeve_vmm::virtio::{TransportState, VirtioDevice};
use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value;

const DISK: u64 = 256 << 10;

/// A state that an earlier version has written.
static SAVED: LazyLock<Vec<(Kind, Value)>> = LazyLock::new(|| {
    let mut input = &include_bytes!("../../../host/vmm/fixtures/state-1")[..];
    let mut sections = Vec::new();
    while !input.is_empty() {
        let header = Header::read(&mut input, MAX_BODY).expect("a header");
        let (body, rest) = input.split_at(header.length as usize);
        sections.push((header.kind, serde_json::from_slice(body).expect("a document")));
        input = rest;
    }
    sections
});
static NUMBER: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, Arbitrary)]
struct Image {
    /// Sections of the state that are damaged, and how.
    sections: Vec<(u8, Damage)>,
    /// A device, and its state's damage; what its driver took of its features, and what it writes to its registers afterwards.
    device: Device,
    damage: Vec<Damage>,
    features: u32,
    writes: Vec<(u8, [u8; 4])>,
    /// Bytes that are no state, or memory.
    bytes: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Device {
    Balloon,
    Block,
    Console,
    Rng,
    Vsock,
}

impl Device {
    fn make(&self) -> Box<dyn VirtioDevice> {
        match self {
            Self::Balloon => {
                let balloon =
                    Balloon::new(MEMORY, MEMORY / 2, true, Box::new(|bytes| assert!(bytes <= MEMORY)));
                Box::new(balloon.expect("an event can be made"))
            }
            Self::Block => {
                let file = File::from(memfd_create("disk", MemfdFlags::CLOEXEC).expect("a file in memory"));
                file.set_len(DISK).expect("the file can be sized");
                let options = DiskOptions { discard: true, ..DiskOptions::default() };
                let disk = Disk::new(file, options).expect("the file is a disk");
                Box::new(Block::new(disk, &DiskLimits::default()).expect("the host has descriptors"))
            }
            Self::Console => {
                let console = Console::new("console", None, Box::new(|| {}));
                let channel = Console::channel("agent", None, Box::new(|| {}));
                let ports = vec![
                    ConsolePort { console, name: None },
                    ConsolePort { console: channel, name: Some("agent".to_owned()) },
                ];
                Box::new(ConsoleDevice::new(ports).expect("an event can be made"))
            }
            Self::Rng => Box::new(Rng::new(File::open("/dev/urandom").expect("the host has entropy"), None)),
            Self::Vsock => {
                let number = NUMBER.fetch_add(1, Ordering::Relaxed);
                let name = format!("reeve-fuzz-saved-{}-{number}", std::process::id());
                let address = SocketAddr::from_abstract_name(name).expect("the name is short");
                let listener = UnixListener::bind_addr(&address).expect("the name is ours alone");
                let vsock = Vsock::new(3, OwnedFd::from(listener), Box::new(|| {}));
                Box::new(vsock.expect("the host has an eventfd"))
            }
        }
    }
}

/// A frame with the right checksums, whatever is in it.
fn framed(kind: Kind, body: &[u8]) -> Vec<u8> {
    let header = Header { kind, length: body.len() as u64, checksum: checksum([body]) };
    [&header.to_bytes()[..], body].concat()
}

fn read_state(bytes: &[u8]) {
    if let Ok(state) = MachineState::from_bytes(bytes) {
        let again = state.to_bytes().expect("memory takes what is written");
        let read = MachineState::from_bytes(&again).expect("own words are understood");
        assert_eq!(read.to_bytes().expect("memory takes what is written"), again);
    }
}

fuzz_target!(|image: Image| {
    read_state(&image.bytes);
    if !image.sections.is_empty() {
        let mut sections = SAVED.clone();
        for (section, damage) in &image.sections {
            let section = usize::from(*section) % sections.len();
            damage.apply(&mut sections[section].1);
        }
        let mut bytes = Vec::with_capacity(HEADER * sections.len());
        for (kind, body) in &sections {
            bytes.extend(framed(*kind, body.to_string().as_bytes()));
        }
        read_state(&bytes);
    }
    let mut before = Machine::new(image.device.make());
    before.start(image.features.into());
    let mut state = serde_json::to_value(before.save()).expect("state is a document");
    image.damage.iter().for_each(|damage| damage.apply(&mut state));
    let mut machine = Machine::new(image.device.make());
    let _ = read_memory(&machine.memory, &mut &*image.bytes, &Progress::default());
    let pages = framed(Kind::Pages, &image.bytes);
    let _: Result<(), StateError> = read_memory(&machine.memory, &mut pages.as_slice(), &Progress::default());
    if let Ok(state) = serde_json::from_value::<TransportState>(state) {
        machine.go_on_from(&state);
        for (offset, data) in &image.writes {
            // The registers of the transport and of the device, and the doorbells.
            machine.write(u64::from(offset >> 6) * 0x1000 + u64::from(offset & 0x3c), data);
        }
        (0..machine.queues).for_each(|queue| machine.notify(queue));
        machine.reset();
    }
    machine.start(image.features.into());
});
