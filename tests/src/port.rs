//! Ports for servers that a test starts later.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;

/// Below those that Linux gives to whoever asks for any: a connection of another test would have such a port in between.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port at an address that nobody has and that is given once; the number of the process says where to begin.
pub fn free_port(at: &str) -> anyhow::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(211);
    let mut ports =
        (0..COUNT).map(|_| FIRST + own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let port = ports.find_map(|port| {
        let port = u16::try_from(port).ok()?;
        TcpListener::bind((at, port)).ok().map(|_| port)
    });
    port.with_context(|| format!("no port of {at} from {FIRST} is free"))
}
