//! Frames through filtered interfaces: two ports of a bridge are cables with an end that frames are sent by, the others are names.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reeve_filter::{Binding, Bindings};
use reeve_model::MacAddress;
use reeve_packets::{Frame, ipv4, udp};
use reeve_sys::link::{Bridge, Change, KernelLinks, LinkName, Links, NewLink, OperState};
use reeve_sys::nft::KernelNft;
use reeve_sys::packet::PacketSocket;
use reeve_sys::sysctl::{Setting, Sysctls};

use super::maker::Tenant;

/// The bridge of all interfaces.
pub const BRIDGE: &str = "br0";

/// Where all frames go.
const SINK: MacAddress = MacAddress([0x52, 0x54, 0, 2, 0, 1]);
const ROUNDS: usize = 10;
const FRAMES: u64 = 20_000;
const PATIENCE: Duration = Duration::from_secs(10);

/// Frames a second.
pub struct Pace {
    /// Through the first interface.
    pub first: f64,
    /// Through the last.
    pub last: f64,
    /// Rounds behind each median.
    pub runs: usize,
}

/// Binds all interfaces and measures two of them in turns, so that a noisy moment hits both.
pub fn measure(bindings: Vec<Binding>, numbers: [u32; 2]) -> Result<Pace> {
    Sysctls::default().need_bridge_netfilter()?;
    let bridge = Bridge { stp: Some(false), ..Bridge::default() };
    KernelLinks.create(&name(BRIDGE)?, &NewLink::Bridge(bridge))?;
    up(BRIDGE)?;
    plug("sink", "drain")?;
    let ends = [("end0", numbers[0]), ("end1", numbers[1])];
    for (end, number) in ends {
        plug(&Tenant::new(number).link, end)?;
    }
    // The bridge learns where the sink is.
    let hello = Frame::new(MacAddress([0xff; 6]), SINK).carry(0x88b5, &[0; 46]);
    PacketSocket::open(&name("drain")?, None)?.send(&hello)?;
    Bindings::new(Arc::new(KernelNft::default())).apply_many(bindings)?;

    let mut paces = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for ((end, number), paces) in ends.iter().zip(&mut paces) {
            paces.push(round(end, &Tenant::new(*number))?);
        }
    }
    let [first, last] = paces.map(|mut paces| {
        paces.sort_by(f64::total_cmp);
        paces[ROUNDS / 2]
    });
    Ok(Pace { first, last, runs: ROUNDS })
}

/// Frames a second from one end to the sink. What is sent waits for room, so what arrives is what the way takes.
fn round(end: &str, tenant: &Tenant) -> Result<f64> {
    let header = ipv4(&tenant.ip.to_string(), "10.1.255.1");
    let frame = Frame::new(SINK, tenant.mac).ipv4(&header, &udp(1, 2));
    let socket = PacketSocket::open(&name(end)?, None)?;
    let drain = name("drain")?;
    let arrived = || -> Result<u64> { Ok(KernelLinks.counters(&drain)?.rx_packets) };
    let before = arrived()?;
    let start = Instant::now();
    for _ in 0..FRAMES {
        socket.send(&frame)?;
    }
    while arrived()? < before + FRAMES {
        ensure!(
            start.elapsed() < PATIENCE,
            "{} of {FRAMES} frames through '{}' arrive",
            arrived()? - before,
            tenant.link
        );
        std::thread::yield_now();
    }
    Ok(FRAMES as f64 / start.elapsed().as_secs_f64())
}

/// A cable whose one end is a port of the bridge.
fn plug(port: &str, end: &str) -> Result<()> {
    KernelLinks.create(&name(port)?, &NewLink::Veth { peer: name(end)? })?;
    KernelLinks.change(&name(port)?, &Change::Master(Some(name(BRIDGE)?)))?;
    for link in [port, end] {
        up(link)?;
    }
    // A link that was just set up drops what is sent until the kernel has noticed its carrier.
    for link in [port, end] {
        let start = Instant::now();
        while KernelLinks.find(&name(link)?)?.is_none_or(|found| found.state != OperState::Up) {
            ensure!(start.elapsed() < PATIENCE, "link '{link}' does not run");
            std::thread::yield_now();
        }
    }
    Ok(())
}

/// Up, and quiet: without IPv6 of its own nothing is sent that is not measured.
fn up(link: &str) -> Result<()> {
    let _before = Sysctls::default().set(&Setting::DisableIpv6(name(link)?), 1)?;
    KernelLinks.change(&name(link)?, &Change::Up)?;
    Ok(())
}

fn name(text: &str) -> Result<LinkName> {
    Ok(LinkName::new(text)?)
}
