//! The network device against hostile rings, with a real tap in a network namespace of its own (needs root).
#![no_main]

use std::fs::File;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use reeve_fuzz::assault::Assault;
use reeve_fuzz::tap::tap;
use reeve_vmm::config::Offloads;
use reeve_vmm::virtio::net::{Backend, Net, NetOptions};

static TAP: LazyLock<File> = LazyLock::new(|| tap().expect("this target needs the right to make a tap"));

const OPTIONS: NetOptions =
    NetOptions { mac: [0x52, 0x54, 0, 1, 2, 3], mtu: 1500, link_up: true, offloads: Offloads::ALL };

fuzz_target!(|assault: Assault| {
    let tap = Backend::tap(TAP.try_clone().expect("a second descriptor")).expect("the file is a tap");
    assault.run(Box::new(Net::new(tap, OPTIONS).expect("the host has an eventfd")));
});
