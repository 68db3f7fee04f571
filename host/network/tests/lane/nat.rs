//! Who reaches whom, and under which address.

use reeve_model::network::{AddressRange, ForwardMode, Nat, PortRange};
use reeve_sys::link::{KernelLinks, Links};
use reeve_sys::namespace::NetworkNamespace;

use crate::bed::{Bed, cable, guest, isolated, name, network, other, output, wait};
use crate::guests::{HERE, connect};

/// What is beyond the host's uplink.
fn outside(links: &KernelLinks) -> NetworkNamespace {
    let outside = cable(links, "up0", Some(("203.0.113.2/24", "")));
    output("/usr/sbin/ip", "addr add 203.0.113.1/24 dev up0");
    outside
}

fn unplug(bed: &Bed, guests: Vec<NetworkNamespace>, ends: &[&str]) {
    drop(guests);
    for end in ends {
        wait("a cable stays", || bed.links.find(&name(end)).unwrap().is_none().then_some(()));
    }
}

#[test]
fn guests_of_a_nat_network_go_out_under_the_hosts_address() {
    isolated(|bed| {
        let outside = outside(&bed.links);
        let config = network(|_| {});
        bed.networks.start(&config).unwrap();
        let inside = guest(&bed.links, "g0", "virbr0", Some(("192.168.122.50/24", "192.168.122.1")));
        let peer = connect(&inside, &outside, "203.0.113.2:8080").expect("no way out");
        assert_eq!(peer.ip().to_string(), "203.0.113.1");
        assert!(peer.port() >= 1024);
        // Nobody comes in, though the host would know the way.
        outside.run(|| output("/usr/sbin/ip", "route add 192.168.122.0/24 via 203.0.113.1")).unwrap();
        assert_eq!(connect(&outside, &inside, "192.168.122.50:8081"), None);
        // The host itself reaches guests.
        assert!(connect(HERE, &inside, "192.168.122.50:8082").is_some());
        bed.networks.stop(config.uuid).unwrap();
        unplug(bed, vec![inside, outside], &["g0", "up0"]);
    });
}

#[test]
fn addresses_and_ports_of_a_nat_network_are_the_documents() {
    isolated(|bed| {
        let outside = outside(&bed.links);
        outside.run(|| output("/usr/sbin/ip", "route add 198.51.100.0/24 via 203.0.113.1")).unwrap();
        let ip = |last| [198, 51, 100, last].into();
        let config = network(|config| {
            config.forward.as_mut().unwrap().nat = Some(Nat {
                ipv6: false,
                addresses: Some(AddressRange { start: ip(8), end: ip(9) }),
                ports: Some(PortRange { start: 2000, end: 2009 }),
            });
        });
        bed.networks.start(&config).unwrap();
        let inside = guest(&bed.links, "g0", "virbr0", Some(("192.168.122.50/24", "192.168.122.1")));
        for port in 8080..8083 {
            let peer = connect(&inside, &outside, &format!("203.0.113.2:{port}")).expect("no way out");
            assert!([ip(8), ip(9)].contains(&peer.ip()), "{peer}");
            assert!((2000..=2009).contains(&peer.port()), "{peer}");
        }
        bed.networks.stop(config.uuid).unwrap();
        unplug(bed, vec![inside, outside], &["g0", "up0"]);
    });
}

#[test]
fn networks_are_apart_and_a_routed_one_shows_its_addresses() {
    isolated(|bed| {
        let outside = outside(&bed.links);
        outside.run(|| output("/usr/sbin/ip", "route add 192.168.0.0/16 via 203.0.113.1")).unwrap();
        let nat = network(|_| {});
        let second = other("second", "virbr1", 123, Some(ForwardMode::Nat));
        let alone = other("alone", "virbr2", 124, None);
        let routed = other("routed", "virbr3", 125, Some(ForwardMode::Route));
        for config in [&nat, &second, &alone, &routed] {
            bed.networks.start(config).unwrap();
        }
        let inside = |end: &str, bridge: &str, third: u8| {
            let (address, gateway) = (format!("192.168.{third}.50/24"), format!("192.168.{third}.1"));
            guest(&bed.links, end, bridge, Some((&address, &gateway)))
        };
        let one = inside("g0", "virbr0", 122);
        let two = inside("g1", "virbr1", 123);
        let three = inside("g2", "virbr2", 124);
        let four = inside("g3", "virbr3", 125);
        assert_eq!(connect(&one, &two, "192.168.123.50:80"), None, "from NAT to NAT");
        assert_eq!(connect(&two, &one, "192.168.122.50:80"), None, "from NAT to NAT");
        assert_eq!(connect(&one, &three, "192.168.124.50:80"), None, "into an isolated network");
        assert_eq!(connect(&three, &one, "192.168.122.50:80"), None, "out of an isolated network");
        assert_eq!(connect(&three, &outside, "203.0.113.2:80"), None, "out of an isolated network");
        let peer = connect(&four, &outside, "203.0.113.2:80").expect("no way out of a routed network");
        assert_eq!(peer.ip().to_string(), "192.168.125.50");
        assert!(connect(&outside, &four, "192.168.125.50:81").is_some(), "no way into a routed network");
        // Two guests of one network.
        let five = guest(&bed.links, "g4", "virbr2", Some(("192.168.124.51/24", "")));
        assert!(connect(&five, &three, "192.168.124.50:82").is_some(), "guests of an isolated network");
        for config in [&nat, &second, &alone, &routed] {
            bed.networks.stop(config.uuid).unwrap();
        }
        unplug(bed, vec![one, two, three, four, five, outside], &["g0", "g1", "g2", "g3", "g4", "up0"]);
    });
}

#[test]
fn what_is_in_the_way_is_said_before_anything_is_made() {
    isolated(|bed| {
        let outside = outside(&bed.links);
        let config = network(|_| {});
        bed.networks.start(&config).unwrap();
        let refused = |config: &reeve_model::network::NetworkConfig| {
            bed.networks.start(config).unwrap_err().to_string()
        };
        let twin = other("twin", "virbr1", 122, Some(ForwardMode::Nat));
        assert_eq!(
            refused(&twin),
            "network 'twin': 192.168.122.1/24 overlaps 192.168.122.1/24 of network 'default'"
        );
        let mut uplink = other("uplink", "virbr1", 123, Some(ForwardMode::Nat));
        uplink.ips[0].network.address = [203, 0, 113, 77].into();
        uplink.ips[0].dhcp = None;
        assert_eq!(
            refused(&uplink),
            "network 'uplink': 203.0.113.77/24 overlaps 203.0.113.1/24 of network interface 'up0'"
        );
        output("/usr/sbin/ip", "route add 10.7.0.0/24 via 203.0.113.2");
        uplink.ips[0].network.address = [10, 7, 0, 1].into();
        assert_eq!(
            refused(&uplink),
            "network 'uplink': 10.7.0.1/24 overlaps the host's route to 10.7.0.0/24 by 'up0'"
        );
        let taken = other("taken", "virbr0", 123, None);
        assert!(refused(&taken).starts_with("network 'taken': a link 'virbr0' is there already"));
        let mut gone = other("gone", "virbr1", 123, Some(ForwardMode::Nat));
        gone.forward.as_mut().unwrap().dev = Some("eth7".to_owned());
        assert_eq!(refused(&gone), "network 'gone': network interface 'eth7' is not there");
        let mut odd = other("odd", "vir\"br", 123, None);
        assert!(refused(&odd).contains("can't be named in packet filter rules"));
        odd.bridge.name = Some("br0".to_owned());
        odd.forward = config.forward.clone();
        odd.forward.as_mut().unwrap().mode = ForwardMode::Bridge;
        odd.ips.clear();
        assert_eq!(refused(&odd), "network 'odd': bridge 'br0' is not there");
        odd.forward.as_mut().unwrap().mode = ForwardMode::Hostdev;
        assert!(refused(&odd).contains("mode 'hostdev' hands PCI functions to guests"));
        bed.networks.stop(config.uuid).unwrap();
        unplug(bed, vec![outside], &["up0"]);
    });
}
