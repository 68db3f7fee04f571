//! The socket device against hostile rings, with a program of the host that talks to it; its dials stay within bounds.
#![no_main]

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::fuzz_target;
use reeve_fuzz::assault::Assault;
use reeve_vmm::virtio::vsock::Vsock;

static NUMBER: AtomicU64 = AtomicU64::new(0);

fuzz_target!(|assault: Assault| {
    let name = format!("reeve-fuzz-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let address = SocketAddr::from_abstract_name(name).expect("the name is short");
    let listener = UnixListener::bind_addr(&address).expect("the name is ours alone");
    let mut program = UnixStream::connect_addr(&address).expect("it listens");
    program.write_all(b"CONNECT 1\nhello").expect("a socket takes some bytes");
    let vsock = Vsock::new(3, OwnedFd::from(listener), Box::new(|| {})).expect("the host has an eventfd");
    let control = vsock.control();
    assault.run(Box::new(vsock));
    for dial in control.take_dials() {
        control.answer(dial.number, None);
    }
    assert!(control.take_dials().len() <= 128);
});
