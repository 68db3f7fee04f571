//! The entropy device against hostile rings.
#![no_main]

use std::fs::File;

use libfuzzer_sys::fuzz_target;
use reeve_fuzz::assault::Assault;
use reeve_vmm::virtio::rng::Rng;

fuzz_target!(|assault: Assault| {
    let source = File::open("/dev/urandom").expect("the host has entropy");
    assault.run(Box::new(Rng::new(source, None)));
});
