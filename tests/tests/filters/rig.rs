//! A bridge with two guests, in a namespace of its own: cables stand for taps, and a test holds the guests' ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reeve_filter::{Binding, Bindings, Limits, check};
use reeve_model::MacAddress;
use reeve_model::filter::{Field, Layer, Match, Operand, Rule, Ruleset, Verdict};
use reeve_packets::{Arp, Frame, Segment, ipv4, ipv6};
use reeve_sys::link::{Bridge, Change, KernelLinks, LinkName, Links, NewLink, OperState};
use reeve_sys::namespace::NetworkNamespace;
use reeve_sys::nft::{KernelNft, Nft};
use reeve_sys::packet::PacketSocket;
use reeve_sys::sysctl::{Setting, Sysctls};

use crate::Outcome;
use crate::host::{self, Filter};

const PATIENCE: Duration = Duration::from_secs(5);

/// Frames of this kind mark the end of what a test waits for.
const SENTINEL: u16 = 0x88b5;

/// The guest that is filtered, 10.0.0.1.
pub const GUEST: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 0x0a]);
/// Its peer, 10.0.0.2.
pub const OTHER: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 0x0b]);
/// A stranger's address.
pub const STRANGER: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 0x0c]);

/// Which way a frame goes, seen from the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From it.
    Out,
    /// To it.
    In,
}

/// A frame that is sent, and what has to become of it.
pub struct Step {
    what: &'static str,
    way: Way,
    frame: Vec<u8>,
    passes: bool,
}

/// A frame that arrives.
pub fn pass(what: &'static str, way: Way, frame: Vec<u8>) -> Step {
    Step { what, way, frame, passes: true }
}

/// A frame that does not.
pub fn stop(what: &'static str, way: Way, frame: Vec<u8>) -> Step {
    Step { what, way, frame, passes: false }
}

/// From the guest to its peer.
pub fn out(segment: &Segment) -> Vec<u8> {
    Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), segment)
}

/// From the peer to the guest.
pub fn back(segment: &Segment) -> Vec<u8> {
    Frame::new(GUEST, OTHER).ipv4(&ipv4("10.0.0.2", "10.0.0.1"), segment)
}

/// From the guest to its peer, over IPv6.
pub fn out6(segment: &Segment) -> Vec<u8> {
    Frame::new(OTHER, GUEST).ipv6(&ipv6("fd00::1", "fd00::2"), segment)
}

/// From the peer to the guest, over IPv6.
pub fn back6(segment: &Segment) -> Vec<u8> {
    Frame::new(GUEST, OTHER).ipv6(&ipv6("fd00::2", "fd00::1"), segment)
}

/// ARP of the guest.
pub fn arp_out(arp: &Arp) -> Vec<u8> {
    Frame::new(OTHER, GUEST).arp(arp)
}

/// ARP of the peer.
pub fn arp_back(arp: &Arp) -> Vec<u8> {
    Frame::new(GUEST, OTHER).arp(arp)
}

/// A filter by the policy `packet-filter` on the guest's port, and frames in order.
pub fn filtered(filter: &Filter<'_>, steps: &[Step]) -> Outcome {
    let rules = host::packet_filter()?.rules(filter)?;
    with(rules, steps)
}

/// The same on a host whose administrator has rules of their own.
pub fn filtered_beside(own: &str, filter: &Filter<'_>, steps: &[Step]) -> Outcome {
    run(own, host::packet_filter()?.rules(filter)?, steps)
}

/// Rules on the guest's port, and frames in order.
pub fn with(rules: Ruleset, steps: &[Step]) -> Outcome {
    run("", rules, steps)
}

fn run(own: &str, rules: Ruleset, steps: &[Step]) -> Outcome {
    let namespace = NetworkNamespace::new()?;
    namespace.run(|| {
        if !own.is_empty() {
            KernelNft::default().apply(own)?;
        }
        let rig = Rig::new(rules)?;
        let wrong = steps.iter().enumerate().filter_map(|(number, step)| {
            let passed = match rig.passes(number, step) {
                Ok(passed) => passed,
                Err(error) => return Some(Err(error)),
            };
            (passed != step.passes).then(|| Ok(format!("'{}' {:?} passed: {passed}", step.what, step.way)))
        });
        let wrong: Vec<String> = wrong.collect::<anyhow::Result<_>>()?;
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })?
}

struct Rig {
    guest: PacketSocket,
    other: PacketSocket,
}

impl Rig {
    fn new(mut rules: Ruleset) -> anyhow::Result<Self> {
        Sysctls::default().need_bridge_netfilter()?;
        let bridge = Bridge { stp: Some(false), ..Bridge::default() };
        KernelLinks.create(&name("br0")?, &NewLink::Bridge(bridge))?;
        up("br0")?;
        for (tap, end) in [("tap0", "end0"), ("tap1", "end1")] {
            KernelLinks.create(&name(tap)?, &NewLink::Veth { peer: name(end)? })?;
            KernelLinks.change(&name(tap)?, &Change::Master(Some(name("br0")?)))?;
            up(tap)?;
            up(end)?;
            wait_until_running(tap)?;
            wait_until_running(end)?;
        }
        // What marks the end passes before any rule of the filter is asked.
        for chain in &mut rules.chains {
            if chain.layer == Layer::Link && chain.entry.is_some() {
                let operand = Operand::Number(u64::from(SENTINEL));
                let matches = vec![Match { field: Field::EtherType, negated: false, operand }];
                chain.rules.insert(0, Rule { matches, verdict: Verdict::Accept, comment: None });
            }
        }
        Bindings::new(Arc::new(KernelNft::default())).bind(Binding {
            link: name("tap0")?,
            bridge: Some(name("br0")?),
            addresses: vec!["10.0.0.1".parse()?],
            filters: ["test".to_owned()].into(),
            rules: Arc::new(check(rules, &Limits::default())?),
        })?;
        let open = |end: &str| anyhow::Ok(PacketSocket::open(&name(end)?, None)?);
        Ok(Self { guest: open("end0")?, other: open("end1")? })
    }

    /// Whether a frame arrives at the other end before the mark that follows it.
    fn passes(&self, number: usize, step: &Step) -> anyhow::Result<bool> {
        let (from, to, source, destination) = match step.way {
            Way::Out => (&self.guest, &self.other, GUEST, OTHER),
            Way::In => (&self.other, &self.guest, OTHER, GUEST),
        };
        from.send(&step.frame)?;
        let mark = [&number.to_be_bytes()[..], &[0; 42]].concat();
        let sentinel = Frame::new(destination, source).carry(SENTINEL, &mark);
        from.send(&sentinel)?;
        let deadline = Instant::now() + PATIENCE;
        let mut passed = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let seen = to.receive(left)?.with_context(|| format!("no mark after '{}'", step.what))?;
            if !seen.outgoing && seen.bytes == sentinel {
                return Ok(passed);
            }
            passed |= !seen.outgoing && seen.bytes == step.frame;
        }
    }
}

fn name(text: &str) -> anyhow::Result<LinkName> {
    Ok(LinkName::new(text)?)
}

/// A link that was just set up drops what is sent until the kernel has noticed its carrier.
fn wait_until_running(link: &str) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(10);
    while KernelLinks.find(&name(link)?)?.is_none_or(|found| found.state != OperState::Up) {
        anyhow::ensure!(Instant::now() < deadline, "link '{link}' does not run");
        std::thread::yield_now();
    }
    Ok(())
}

/// Up, and quiet: without IPv6 of its own nothing is sent that no test sends.
fn up(link: &str) -> Outcome {
    let _ = Sysctls::default().set(&Setting::DisableIpv6(name(link)?), 1)?;
    KernelLinks.change(&name(link)?, &Change::Up)?;
    Ok(())
}
