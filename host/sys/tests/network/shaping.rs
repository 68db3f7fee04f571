//! Limits on what passes a link, measured.

use std::time::{Duration, Instant};

use reeve_sys::link::{Bridge, Change, KernelLinks, LinkError, Links, Mac};
use reeve_sys::packet::PacketSocket;
use reeve_sys::traffic::{Floor, KernelTraffic, Rate, Shape, Traffic, TrafficError};

use crate::look::{all, cable, isolated, mac, name, output};

const MEGABYTE: u64 = 1_000_000;
/// How long a rate is measured after its burst is over.
const MEASURED: Duration = Duration::from_millis(1500);
const WARMING: Duration = Duration::from_millis(300);

fn limit(average: u64) -> Rate {
    Rate { average, peak: None, burst: None }
}

/// Sends full frames as fast as they are taken and gives the bytes per second that arrive, by the counter of each receiver.
fn measure<const N: usize>(senders: [(&PacketSocket, Mac); N], received: impl Fn() -> [u64; N]) -> [u64; N] {
    let frames = senders.map(|(_, to)| [&to.0[..], &[2, 0, 0, 0, 0, 1], &[0x88, 0xb5], &[0; 1486]].concat());
    let mut begin = None;
    let start = Instant::now();
    loop {
        for ((socket, _), frame) in senders.iter().zip(&frames) {
            // A full queue is what this is about.
            let _ = socket.send(frame);
        }
        match begin {
            None if start.elapsed() > WARMING => begin = Some((Instant::now(), received())),
            Some((at, before)) if at.elapsed() > MEASURED => {
                let (seconds, after) = (at.elapsed().as_secs_f64(), received());
                return std::array::from_fn(|one| ((after[one] - before[one]) as f64 / seconds) as u64);
            }
            _ => std::thread::yield_now(),
        }
    }
}

fn assert_near(rate: u64, expected: u64) {
    let off = rate.abs_diff(expected) as f64 / expected as f64;
    assert!(off < 0.15, "{rate} bytes/s instead of {expected}: {:.1} % off", off * 100.0);
}

/// A guest's link in a bridge.
fn guest(links: &KernelLinks, port: &str, inside: &str) {
    cable(links, port, inside);
    links.change(&name(port), &Change::Master(Some(name("br")))).unwrap();
}

fn bridge(links: &KernelLinks) {
    let new = Bridge { forward_delay_ms: Some(0), ..Bridge::default() };
    links.create(&name("br"), &reeve_sys::link::NewLink::Bridge(new)).unwrap();
    links.change(&name("br"), &Change::Up).unwrap();
}

#[test]
fn both_directions_of_a_guest_keep_their_limits() {
    isolated(|links| {
        bridge(links);
        guest(links, "vnet0", "inside");
        let traffic = KernelTraffic::default();
        let shape = Shape { inbound: Some(limit(2 * MEGABYTE)), outbound: Some(limit(MEGABYTE)) };
        traffic.set(&name("vnet0"), &shape).unwrap();

        let host = PacketSocket::open(&name("vnet0"), None).unwrap();
        let inside = || [links.counters(&name("inside")).unwrap().rx_bytes];
        let [inbound] = measure([(&host, mac("ff:ff:ff:ff:ff:ff"))], inside);
        assert_near(inbound, 2 * MEGABYTE);
        let sender = PacketSocket::open(&name("inside"), None).unwrap();
        let outside = || [links.counters(&name("br")).unwrap().rx_bytes];
        let [outbound] = measure([(&sender, mac("ff:ff:ff:ff:ff:ff"))], outside);
        assert_near(outbound, MEGABYTE);

        traffic.clear(&name("vnet0")).unwrap();
        let [free] = measure([(&sender, mac("ff:ff:ff:ff:ff:ff"))], outside);
        assert!(free > 5 * MEGABYTE, "still limited to {free} bytes/s");
        assert_eq!(all(), ["br", "inside", "vnet0"]);
    });
}

#[test]
fn a_floor_is_had_while_others_want_everything() {
    isolated(|links| {
        bridge(links);
        guest(links, "vnet0", "inside0");
        guest(links, "vnet1", "inside1");
        let (first, second) = (mac("52:54:00:00:00:01"), mac("52:54:00:00:00:02"));
        links.add_forward(&name("vnet0"), first).unwrap();
        links.add_forward(&name("vnet1"), second).unwrap();
        let traffic = KernelTraffic::default();
        let shape = Shape { inbound: Some(limit(2 * MEGABYTE)), outbound: None };
        let floor = Floor { id: 7, mac: first, rate: 3 * MEGABYTE / 2 };
        traffic.set_bridge(&name("br"), &shape, &[floor]).unwrap();
        let filters = output("/usr/sbin/tc", "filter show dev br");
        assert!(filters.contains("flowid 1:7") || filters.contains("1:7"), "{filters}");

        let (one, two) =
            (PacketSocket::open(&name("br"), None).unwrap(), PacketSocket::open(&name("br"), None).unwrap());
        let received =
            || ["inside0", "inside1"].map(|inside| links.counters(&name(inside)).unwrap().rx_bytes);
        let [promised, rest] = measure([(&one, first), (&two, second)], received);
        assert_near(promised, 3 * MEGABYTE / 2);
        assert_near(promised + rest, 2 * MEGABYTE);

        // Without the first, the second has everything.
        let [_, alone] = measure([(&two, second), (&two, second)], received);
        assert_near(alone, 2 * MEGABYTE);
    });
}

#[test]
fn limits_are_read_back_and_replaced() {
    isolated(|links| {
        cable(links, "vnet0", "inside");
        let (link, traffic) = (name("vnet0"), KernelTraffic::default());
        assert_eq!(traffic.read(&link).unwrap(), Shape::default());
        let inbound = Rate { average: 1_234_567, peak: Some(2_345_678), burst: Some(100_000) };
        let outbound = Rate { average: 6_000_000_000, peak: None, burst: None };
        traffic.set(&link, &Shape { inbound: Some(inbound), outbound: Some(outbound) }).unwrap();
        let has = traffic.read(&link).unwrap();
        let (in_now, out_now) = (has.inbound.unwrap(), has.outbound.unwrap());
        assert_eq!((in_now.average, in_now.peak), (1_234_567, Some(2_345_678)));
        assert!(in_now.burst.unwrap().abs_diff(100_000) < 1000, "{in_now:?}");
        assert_eq!((out_now.average, out_now.peak), (6_000_000_000, None));
        let shown = output("/usr/sbin/tc", "class show dev vnet0");
        assert!(shown.contains("rate 9876Kbit ceil 18765Kbit"), "{shown}");

        traffic.set(&link, &Shape { inbound: None, outbound: Some(limit(MEGABYTE)) }).unwrap();
        let has = traffic.read(&link).unwrap();
        assert_eq!((has.inbound, has.outbound.unwrap().average), (None, MEGABYTE));
        assert_eq!(output("/usr/sbin/tc", "class show dev vnet0"), "");
        traffic.clear(&link).unwrap();
        traffic.clear(&link).unwrap();
        assert_eq!(traffic.read(&link).unwrap(), Shape::default());
        assert_eq!(all(), ["inside", "vnet0"]);
    });
}

#[test]
fn an_intermediate_link_does_not_outlive_a_sweep() {
    isolated(|links| {
        cable(links, "vnet0", "inside");
        cable(links, "vnet1", "inside1");
        let traffic = KernelTraffic::default();
        let shape = Shape { inbound: None, outbound: Some(limit(MEGABYTE)) };
        traffic.set(&name("vnet0"), &shape).unwrap();
        traffic.set(&name("vnet1"), &shape).unwrap();
        links.delete(&name("vnet0")).unwrap();
        assert_eq!(all().len(), 4);
        assert_eq!(traffic.sweep().unwrap(), 1);
        assert_eq!(all().len(), 3);
        assert_eq!(traffic.sweep().unwrap(), 0);
        assert_eq!(traffic.read(&name("vnet1")).unwrap().outbound.unwrap().average, MEGABYTE);
    });
}

#[test]
fn what_can_not_be_limited_is_said_and_leaves_nothing() {
    isolated(|links| {
        cable(links, "vnet0", "inside");
        let (link, shape) =
            (name("vnet0"), Shape { inbound: Some(limit(MEGABYTE)), outbound: Some(limit(MEGABYTE)) });
        let error = KernelTraffic::default().set(&name("gone"), &shape).unwrap_err();
        assert!(matches!(error, TrafficError::Link(LinkError::Missing { .. })), "{error}");

        let broken = KernelTraffic::at("/bin/false").set(&link, &shape).unwrap_err();
        assert_eq!(
            broken.to_string(),
            "traffic of network interface 'vnet0' can't be limited: exit status 1"
        );
        assert_eq!(all(), ["inside", "vnet0"], "the intermediate link was left behind");

        output("/usr/sbin/tc", "qdisc add dev vnet0 root handle 5: tbf rate 1mbit burst 10kb latency 10ms");
        let error = KernelTraffic::default().set(&link, &shape).unwrap_err().to_string();
        let foreign = "it has a queue discipline 'tbf' of somebody else";
        assert_eq!(error, format!("traffic of network interface 'vnet0' can't be limited: {foreign}"));
        assert!(output("/usr/sbin/tc", "qdisc show dev vnet0").contains("tbf 5:"));
        assert_eq!(all(), ["inside", "vnet0"]);
    });
}
