//! Limits, measured by real transfers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use reeve_model::network::{Bandwidth, RateLimit};
use reeve_network::PortRequest;
use reeve_sys::link::Links;
use reeve_sys::namespace::NetworkNamespace;
use uuid::Uuid;

use crate::bed::{guest, isolated, name, network, output, wait};
use crate::guests::{HERE, within};
use crate::ports::{interface, plug};

const WARMING: Duration = Duration::from_millis(700);
const MEASURED: Duration = Duration::from_secs(2);

fn limit(average_kib: u64) -> Option<RateLimit> {
    Some(RateLimit { average_kib, ..RateLimit::default() })
}

/// Bytes per second of a TCP connection that sends as fast as it may.
fn transfer<'a>(
    from: impl Into<Option<&'a NetworkNamespace>>,
    to: impl Into<Option<&'a NetworkNamespace>>,
    address: &str,
) -> u64 {
    let listener = within(to.into(), || TcpListener::bind(address).unwrap());
    let mut sender = within(from.into(), || TcpStream::connect(address).unwrap());
    let (mut receiver, _) = listener.accept().unwrap();
    let writer = std::thread::spawn(move || while sender.write_all(&[0; 64 << 10]).is_ok() {});
    let (start, mut buffer) = (Instant::now(), vec![0; 64 << 10]);
    let mut begin: Option<(Instant, u64)> = None;
    let rate = loop {
        let read = receiver.read(&mut buffer).unwrap() as u64;
        match &mut begin {
            None if start.elapsed() > WARMING => begin = Some((Instant::now(), 0)),
            None => {}
            Some((at, sum)) => {
                *sum += read;
                if at.elapsed() > MEASURED {
                    break (*sum as f64 / at.elapsed().as_secs_f64()) as u64;
                }
            }
        }
    };
    drop(receiver);
    writer.join().unwrap();
    rate
}

fn assert_near(rate: u64, kib: u64) {
    // Headers of Ethernet, IP and TCP count for the limit, not for the transfer.
    let expected = (kib * 1024) as f64 * 1448.0 / 1514.0;
    let off = (rate as f64 - expected).abs() / expected;
    assert!(off < 0.15, "{rate} bytes/s instead of {expected:.0}: {:.1} % off", off * 100.0);
}

#[test]
fn a_networks_limits_hold_in_both_directions_and_change_while_it_runs() {
    isolated(|bed| {
        let mut config = network(|config| {
            config.bandwidth = Bandwidth { inbound: limit(2000), outbound: limit(1000) };
        });
        bed.networks.start(&config).unwrap();
        let inside = guest(&bed.links, "g0", "virbr0", Some(("192.168.122.50/24", "192.168.122.1")));
        assert_near(transfer(HERE, &inside, "192.168.122.50:9000"), 2000);
        assert_near(transfer(&inside, HERE, "192.168.122.1:9001"), 1000);
        config.bandwidth = Bandwidth { inbound: limit(4000), outbound: None };
        bed.networks.update(&config).unwrap();
        assert_near(transfer(HERE, &inside, "192.168.122.50:9002"), 4000);
        let free = transfer(&inside, HERE, "192.168.122.1:9003");
        assert!(free > 20_000_000, "still limited to {free} bytes/s");
        drop(inside);
        wait("the cable stays", || bed.links.find(&name("g0")).unwrap().is_none().then_some(()));
        bed.networks.stop(config.uuid).unwrap();
    });
}

#[test]
fn floors_are_shared_out_and_given_back() {
    isolated(|bed| {
        let config = network(|config| config.bandwidth = Bandwidth { inbound: limit(1000), outbound: None });
        bed.networks.start(&config).unwrap();
        let floor = |kib: u64, last: u8| {
            let mut wanted = interface("network", &[("network", "default")], last);
            let inbound = RateLimit { average_kib: 1000, floor_kib: Some(kib), ..RateLimit::default() };
            wanted.bandwidth.inbound = Some(inbound);
            wanted
        };
        let classes = || output("/usr/sbin/tc", "class show dev virbr0").lines().count();
        let before = classes();
        let one = plug(bed, &floor(600, 1)).unwrap();
        assert_eq!(classes(), before + 1);
        let error = plug(bed, &floor(400, 2)).unwrap_err().to_string();
        assert_eq!(
            error,
            "interface 52:54:00:00:00:02 of domain 'web': a floor of 400 KiB/s is too much: of 1000 KiB/s of network \
             'default' 600 are promised already"
        );
        let two = plug(bed, &floor(399, 2)).unwrap();
        assert_eq!(classes(), before + 2);
        let before_that = one;
        let one = bed.networks.plan_limits(&before_that, Bandwidth::default()).unwrap();
        bed.networks.change(&before_that, &one).unwrap();
        assert!(one.interface.bandwidth.is_empty());
        assert_eq!(classes(), before + 1);
        bed.networks.unplug(&two).unwrap();
        assert_eq!(classes(), before);
        bed.networks.unplug(&one).unwrap();
        // Only networks of ours can promise one.
        let mut bridged = floor(1, 3);
        (bridged.kind, bridged.source) =
            ("bridge".to_owned(), vec![("bridge".to_owned(), "virbr0".to_owned())]);
        let request = PortRequest { domain: Uuid::nil(), domain_name: "web", interface: &bridged };
        assert!(bed.networks.plan(&request).unwrap_err().to_string().contains("a floor needs a network"));
        bed.networks.stop(config.uuid).unwrap();
    });
}
