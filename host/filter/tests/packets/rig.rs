//! A bridge with two guests, in a namespace of its own: cables stand for taps, and a test holds the guests' ends.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_filter::{Binding, Bindings, Limits, check};
use reeve_model::MacAddress;
use reeve_model::filter::{Chain, Field, Flow, Layer, Match, Operand, Rule, Ruleset, Verdict};
use reeve_packets::Frame;
use reeve_sys::link::{Bridge, Change, KernelLinks, LinkName, Links, NewLink, OperState};
use reeve_sys::namespace::NetworkNamespace;
use reeve_sys::nft::KernelNft;
use reeve_sys::packet::PacketSocket;
use reeve_sys::sysctl::{Setting, Sysctls};

const PATIENCE: Duration = Duration::from_secs(5);

/// Frames of this kind mark the end of what a test waits for; every ruleset of [`rules`] lets them pass.
const SENTINEL: u16 = 0x88b5;

pub const GUEST: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 0x0a]);
pub const OTHER: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0, 0x0b]);

/// Which way a frame goes, seen from the guest whose link is `tap0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Out,
    In,
}

pub struct Rig {
    pub bindings: Bindings,
    guest: PacketSocket,
    other: PacketSocket,
    sent: Cell<u32>,
}

pub fn name(text: &str) -> LinkName {
    LinkName::new(text).unwrap()
}

/// Does something with a bridge and two guests that are there for it alone.
pub fn with(test: impl FnOnce(&Rig) + Send) {
    let namespace = NetworkNamespace::new().unwrap();
    namespace
        .run(|| {
            Sysctls::default().need_bridge_netfilter().unwrap();
            let bridge = Bridge { stp: Some(false), ..Bridge::default() };
            KernelLinks.create(&name("br0"), &NewLink::Bridge(bridge)).unwrap();
            up("br0");
            for (tap, end) in [("tap0", "end0"), ("tap1", "end1")] {
                plug(tap, end);
            }
            let open = |end: &str| PacketSocket::open(&name(end), None).unwrap();
            let bindings = Bindings::new(Arc::new(KernelNft::default()));
            let rig = Rig { bindings, guest: open("end0"), other: open("end1"), sent: Cell::new(0) };
            test(&rig);
        })
        .unwrap();
}

/// A cable whose one end is a port of the bridge.
pub fn plug(tap: &str, end: &str) {
    KernelLinks.create(&name(tap), &NewLink::Veth { peer: name(end) }).unwrap();
    KernelLinks.change(&name(tap), &Change::Master(Some(name("br0")))).unwrap();
    up(tap);
    up(end);
    wait_until_running(tap);
    wait_until_running(end);
}

/// A link that was just set up drops what is sent until the kernel has noticed its carrier.
fn wait_until_running(link: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while KernelLinks.find(&name(link)).unwrap().unwrap().state != OperState::Up {
        assert!(Instant::now() < deadline, "link '{link}' does not run");
        std::thread::yield_now();
    }
}

/// Up, and quiet: without IPv6 of its own nothing is sent that no test sends.
fn up(link: &str) {
    let _ = Sysctls::default().set(&Setting::DisableIpv6(name(link)), 1).unwrap();
    KernelLinks.change(&name(link), &Change::Up).unwrap();
}

impl Rig {
    /// Puts a ruleset into force on `tap0`.
    pub fn bind(&self, rules: Ruleset) {
        self.bindings.bind(binding("tap0", rules)).unwrap();
    }

    pub fn send(&self, way: Way, frame: &[u8]) {
        self.ends(way).0.send(frame).unwrap();
    }

    /// Whether a frame arrives at the other end.
    pub fn passes(&self, way: Way, frame: &[u8]) -> bool {
        self.send(way, frame);
        self.sent.set(self.sent.get() + 1);
        let (source, destination) = if way == Way::Out { (GUEST, OTHER) } else { (OTHER, GUEST) };
        let number = self.sent.get().to_be_bytes();
        let sentinel = Frame::new(destination, source).carry(SENTINEL, &[&number[..], &[0; 42]].concat());
        self.send(way, &sentinel);
        let deadline = Instant::now() + PATIENCE;
        let mut passed = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let seen = self.ends(way).1.receive(left).unwrap().expect("what marks the end arrives");
            if seen.outgoing {
                continue;
            }
            if seen.bytes == sentinel {
                return passed;
            }
            passed |= seen.bytes == frame;
        }
    }

    /// Whether the guest gets UDP over IPv4 to a port, from whomever, before long.
    pub fn guest_hears(&self, port: u16) -> bool {
        let deadline = Instant::now() + Duration::from_millis(300);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(seen) = self.guest.receive(left).unwrap() else { return false };
            let bytes = &seen.bytes;
            let udp = bytes.len() >= 42 && bytes[12..14] == [0x08, 0x00] && bytes[23] == 17;
            if udp && !seen.outgoing && bytes[36..38] == port.to_be_bytes() {
                return true;
            }
        }
    }

    fn ends(&self, way: Way) -> (&PacketSocket, &PacketSocket) {
        match way {
            Way::Out => (&self.guest, &self.other),
            Way::In => (&self.other, &self.guest),
        }
    }

    pub fn assert(&self, way: Way, frame: &[u8], passes: bool, what: &str) {
        assert_eq!(self.passes(way, frame), passes, "{what} {way:?}: {frame:02x?}");
    }
}

pub fn binding(link: &str, rules: Ruleset) -> Binding {
    Binding {
        link: name(link),
        bridge: Some(name("br0")),
        addresses: vec!["10.0.0.1".parse().unwrap()],
        filters: [link.to_owned()].into(),
        rules: Arc::new(check(rules, &Limits::default()).unwrap()),
    }
}

pub fn is(field: Field, operand: Operand) -> Match {
    Match { field, negated: false, operand }
}

pub fn number(field: Field, value: u64) -> Match {
    is(field, Operand::Number(value))
}

pub fn not(one: Match) -> Match {
    Match { negated: true, ..one }
}

pub fn rule(matches: Vec<Match>, verdict: Verdict) -> Rule {
    Rule { matches, verdict, comment: Some("of a test".to_owned()) }
}

/// The same rules both ways in one layer, behind one that lets the mark of the end pass.
pub fn rules(layer: Layer, rules: Vec<Rule>) -> Ruleset {
    let chain = |name: &str, flow| {
        let first = rule(vec![number(Field::EtherType, u64::from(SENTINEL))], Verdict::Accept);
        let rules = std::iter::once(first).chain(rules.clone()).collect();
        Chain { name: name.to_owned(), layer, entry: Some(flow), rules }
    };
    Ruleset { chains: vec![chain("from", Flow::Out), chain("to", Flow::In)], ..Ruleset::default() }
}
