//! A console and a channel against hostile rings, control messages included; somebody listens on the channel.
#![no_main]

use std::os::unix::net::UnixStream;

use libfuzzer_sys::fuzz_target;
use reeve_fuzz::assault::Assault;
use reeve_vmm::console::Console;
use reeve_vmm::virtio::console::{ConsoleDevice, ConsolePort};

fuzz_target!(|assault: Assault| {
    let (client, session) = UnixStream::pair().expect("a socket pair");
    session.set_nonblocking(true).expect("a socket can be made so");
    let console = Console::new("console", None, Box::new(|| {}));
    let channel = Console::channel("agent", None, Box::new(|| {}));
    channel.open(session);
    let ports = vec![
        ConsolePort { console, name: None },
        ConsolePort { console: channel, name: Some("agent".to_owned()) },
    ];
    assault.run(Box::new(ConsoleDevice::new(ports).expect("an event can be made")));
    drop(client);
});
