//! Links of all kinds and what can be changed of them.

use reeve_sys::link::{Change, KernelLinks, LinkError, Links, Neighbour, NewLink, OperState};
use reeve_sys::namespace::NetworkNamespace;

use crate::look::{all, cable, isolated, mac, name, output, shown, sysfs};

#[test]
fn a_cable_has_two_ends_that_go_together() {
    isolated(|links| {
        links.create(&name("one"), &NewLink::Veth { peer: name("other") }).unwrap();
        assert_eq!(all(), ["one", "other"]);
        let one = links.find(&name("one")).unwrap().unwrap();
        assert_eq!((one.kind.as_deref(), one.lower), (Some("veth"), Some(name("other"))));
        assert!(!one.up && !one.carrier && one.state == OperState::Down);
        links.change(&name("one"), &Change::Up).unwrap();
        assert!(!links.find(&name("one")).unwrap().unwrap().carrier);
        links.change(&name("other"), &Change::Up).unwrap();
        let one = links.find(&name("one")).unwrap().unwrap();
        assert!(one.up && one.carrier && one.state == OperState::Up);
        assert_eq!((sysfs("one", "operstate").as_str(), sysfs("one", "carrier").as_str()), ("up", "1"));
        links.delete(&name("other")).unwrap();
        assert!(all().is_empty());
    });
}

#[test]
fn what_is_changed_is_seen_by_others() {
    isolated(|links| {
        cable(links, "one", "other");
        let one = name("one");
        links.change(&one, &Change::Mtu(1400)).unwrap();
        links.change(&one, &Change::Mac(mac("52:54:00:12:34:56"))).unwrap();
        links.change(&one, &Change::Alias("network 'default'".to_owned())).unwrap();
        links.change(&one, &Change::QueueLength(77)).unwrap();
        assert_eq!(sysfs("one", "mtu"), "1400");
        assert_eq!(sysfs("one", "address"), "52:54:00:12:34:56");
        assert_eq!(sysfs("one", "ifalias"), "network 'default'");
        assert_eq!(sysfs("one", "tx_queue_len"), "77");
        let link = links.find(&one).unwrap().unwrap();
        assert_eq!((link.mtu, link.queue_length, link.mac), (1400, 77, Some(mac("52:54:00:12:34:56"))));
        assert_eq!(link.alias, "network 'default'");
        links.change(&one, &Change::Alias(String::new())).unwrap();
        assert_eq!(sysfs("one", "ifalias"), "");
        assert_eq!(links.find(&one).unwrap().unwrap().alias, "");

        links.change(&one, &Change::Down).unwrap();
        assert_eq!(sysfs("one", "operstate"), "down");
        links.change(&one, &Change::Name(name("renamed"))).unwrap();
        assert_eq!(all(), ["other", "renamed"]);
        assert_eq!(links.find(&one).unwrap(), None);
    });
}

#[test]
fn listing_gives_what_finding_gives() {
    isolated(|links| {
        cable(links, "one", "other");
        links.create(&name("br"), &NewLink::Bridge(Default::default())).unwrap();
        links.change(&name("one"), &Change::Master(Some(name("br")))).unwrap();
        let listed = links.list().unwrap();
        assert!(listed.is_sorted_by_key(|link| link.index));
        assert!(listed.len() >= 4, "{listed:?}");
        for link in &listed {
            assert_eq!(links.find(&link.name).unwrap().as_ref(), Some(link));
            assert_eq!(link.index.to_string(), sysfs(link.name.as_str(), "ifindex"));
        }
        let lo = listed.iter().find(|link| link.name == name("lo")).unwrap();
        assert!(lo.up && lo.kind.is_none() && lo.addresses.iter().any(|address| address.ip.is_loopback()));
    });
}

#[test]
fn what_is_not_there_or_there_already_is_said() {
    isolated(|links| {
        let gone = name("gone");
        let missing = "network interface 'gone' is not there";
        assert_eq!(links.find(&gone).unwrap(), None);
        assert_eq!(links.delete(&gone).unwrap_err().to_string(), missing);
        assert_eq!(links.counters(&gone).unwrap_err().to_string(), missing);
        for change in
            [Change::Up, Change::Mtu(1400), Change::Name(name("other")), Change::Port(Default::default())]
        {
            let error = links.change(&gone, &change).unwrap_err();
            assert!(matches!(&error, LinkError::Missing { name } if *name == gone), "{change:?}: {error:?}");
        }
        cable(links, "one", "other");
        let exists = |new, taken: &str| {
            let error = links.create(&name("one"), &new).unwrap_err();
            assert_eq!(error.to_string(), format!("network interface '{taken}' is there already"));
        };
        exists(NewLink::Ifb, "one");
        exists(NewLink::Tap(Default::default()), "one");
        let error = links.create(&name("new"), &NewLink::Veth { peer: name("other") }).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'other' is there already");
        let error = links.change(&name("one"), &Change::Name(name("other"))).unwrap_err();
        assert!(matches!(error, LinkError::Exists { name } if name == crate::look::name("other")));
        let error = links.change(&name("one"), &Change::Master(Some(gone))).unwrap_err();
        assert_eq!(error.to_string(), missing);
        assert_eq!(all(), ["one", "other"]);
    });
}

#[test]
fn a_refusal_names_the_step_and_has_the_kernels_words() {
    isolated(|links| {
        cable(links, "one", "other");
        let error = links.change(&name("one"), &Change::Mtu(7)).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'one' can't be given an MTU of 7");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            source.contains("mtu less than device minimum") && source.contains("os error 22"),
            "{source}"
        );
        let error = links.change(&name("one"), &Change::Mac(mac("01:00:00:00:00:01"))).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'one' can't be given MAC address 01:00:00:00:00:01");
    });
}

#[test]
fn intermediate_links_and_dummies_are_had_or_refused_clearly() {
    isolated(|links| {
        links.create(&name("ifb"), &NewLink::Ifb).unwrap();
        assert_eq!(shown("ifb")["linkinfo"]["info_kind"], "ifb");
        match links.create(&name("nowhere"), &NewLink::Dummy) {
            Ok(()) => assert_eq!(shown("nowhere")["linkinfo"]["info_kind"], "dummy"),
            Err(error) => {
                let expected = "network interface 'nowhere' can't be had: this kernel has no dummy links";
                assert_eq!(error.to_string(), expected);
                assert_eq!(links.find(&name("nowhere")).unwrap(), None);
            }
        }
    });
}

#[test]
fn a_link_moves_to_another_namespace() {
    let (here, there) = (NetworkNamespace::new().unwrap(), NetworkNamespace::new().unwrap());
    here.run(|| {
        KernelLinks.create(&name("stays"), &NewLink::Veth { peer: name("goes") }).unwrap();
        KernelLinks.move_to(&name("goes"), there.fd()).unwrap();
        assert_eq!(all(), ["stays"]);
        let stays = KernelLinks.find(&name("stays")).unwrap().unwrap();
        assert_eq!(stays.lower, None, "the number of a link elsewhere is taken for one of here");
        let error = KernelLinks.move_to(&name("goes"), there.fd()).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'goes' is not there");
    })
    .unwrap();
    there.run(|| assert_eq!(all(), ["goes"])).unwrap();
}

#[test]
fn counters_count_what_passes() {
    isolated(|links| {
        cable(links, "one", "other");
        output("/usr/sbin/ip", "addr add 10.0.0.1/24 dev one");
        output("/usr/sbin/ip", "neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev one");
        let before = links.counters(&name("other")).unwrap();
        let socket = std::net::UdpSocket::bind("10.0.0.1:0").unwrap();
        for _ in 0..10 {
            socket.send_to(&[0; 958], "10.0.0.2:9").unwrap();
        }
        let (sent, received) =
            (links.counters(&name("one")).unwrap(), links.counters(&name("other")).unwrap());
        assert!(received.rx_packets >= before.rx_packets + 10, "{before:?} {received:?}");
        assert!(received.rx_bytes >= before.rx_bytes + 10_000, "{before:?} {received:?}");
        assert_eq!(sent.tx_bytes.to_string(), sysfs("one", "statistics/tx_bytes"));
        assert_eq!((received.rx_errors, received.rx_dropped), (0, 0));
    });
}

#[test]
fn neighbours_are_those_whose_hardware_address_is_known() {
    isolated(|links| {
        cable(links, "near", "far");
        links.change(&name("near"), &Change::Up).unwrap();
        assert_eq!(links.neighbours().unwrap(), []);
        for (ip, mac, state) in [
            ("10.9.0.2", "52:54:00:00:00:02", "reachable"),
            ("fd00::2", "52:54:00:00:00:02", "stale"),
            ("10.9.0.3", "52:54:00:00:00:03", "failed"),
        ] {
            output("/usr/sbin/ip", &format!("neigh add {ip} lladdr {mac} dev near nud {state}"));
        }
        let mut known = links.neighbours().unwrap();
        known.sort_by_key(|neighbour| neighbour.ip);
        let guest = mac("52:54:00:00:00:02");
        let expected = ["10.9.0.2", "fd00::2"].map(|ip| Neighbour { mac: guest, ip: ip.parse().unwrap() });
        assert_eq!(known, expected);
    });
}
