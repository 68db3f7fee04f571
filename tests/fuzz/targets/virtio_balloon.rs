//! The balloon against hostile rings; what it believes of the guest stays within the guest's memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_fuzz::assault::Assault;
use reeve_fuzz::machine::MEMORY;
use reeve_vmm::virtio::balloon::Balloon;

fuzz_target!(|assault: Assault| {
    let balloon = Balloon::new(MEMORY, MEMORY / 2, true, Box::new(|bytes| assert!(bytes <= MEMORY)));
    let balloon = balloon.expect("an event can be made");
    let control = balloon.control();
    assault.run(Box::new(balloon));
    assert!(control.actual() <= MEMORY && control.target() <= MEMORY);
});
