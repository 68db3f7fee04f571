//! The host's own interfaces, and the way back.

use std::sync::Arc;

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceKind, HostProtocol};
use reeve_network::{BridgeOptions, HostInterfaces, HostSnapshot};
use reeve_sys::link::{Change, Links, NewLink};
use reeve_sys::namespace::NetworkNamespace;

use crate::bed::{Bed, all, cable, isolated, name, network, output, processes, wait};
use crate::guests::{HERE, connect};

/// An uplink with addresses and routes of both families; who is at its other end.
fn uplink(bed: &Bed) -> NetworkNamespace {
    let far = cable(&bed.links, "up0", Some(("10.9.0.1/24", "")));
    for line in [
        "addr add 10.9.0.2/24 dev up0",
        "addr add fd09::2/64 dev up0 nodad",
        "route add default via 10.9.0.1 dev up0 metric 50",
        "route add 10.77.0.0/16 via 10.9.0.1 dev up0",
        "-6 route add default via fd09::1 dev up0",
    ] {
        output("/usr/sbin/ip", line);
    }
    far
}

/// Addresses and routes as iproute2 shows them, with the interface's name left out.
fn shown(link: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for args in ["-4 route show", "-6 route show", "-4 -o addr show", "-6 -o addr show"] {
        let text = output("/usr/sbin/ip", &format!("{args} dev {link}"));
        let words = |line: &str| {
            // The state of the link, and who made a route, may differ; its way may not.
            let other = ["linkdown", link, "proto", "kernel", "static", "pref", "medium", "nodad"];
            let words = line.split_whitespace().map(|word| word.trim_end_matches('\\'));
            let words = words.filter(|word| !word.ends_with(':') && !other.contains(word));
            words.collect::<Vec<_>>().join(" ")
        };
        lines.extend(text.lines().map(words).filter(|line| !line.contains("fe80") && !line.contains("ff00")));
    }
    lines.sort_unstable();
    lines
}

#[test]
fn a_bridge_takes_over_and_gives_back_what_its_port_had() {
    isolated(|bed| {
        let far = uplink(bed);
        let interfaces = HostInterfaces::new(Arc::new(bed.host.clone()));
        let before = shown("up0");
        let found = interfaces.current("up0").unwrap();
        let planned = interfaces.bridged(found, "br0", BridgeOptions::default()).unwrap();
        assert_eq!(planned.protocols.len(), 2);
        assert_eq!(all(), ["up0"]);

        let options = BridgeOptions { stp: false, ..BridgeOptions::default() };
        assert!(interfaces.bridge("up0", "br0", options).unwrap().is_empty());
        let bridged = interfaces.current("br0").unwrap();
        let HostInterfaceKind::Bridge { ports, .. } = &bridged.kind else { panic!("{bridged:?}") };
        assert_eq!(ports[0].name, "up0");
        assert_eq!(shown("br0"), before);
        assert!(shown("up0").is_empty(), "{:?}", shown("up0"));
        assert!(connect(HERE, &far, "10.9.0.1:80").is_some());
        let kinds: Vec<_> =
            interfaces.list(&[]).unwrap().into_iter().map(|one| (one.name, one.kind)).collect();
        assert!(kinds.contains(&("br0".to_owned(), "bridge".to_owned())), "{kinds:?}");

        let error = interfaces.bridge("up0", "br1", options).unwrap_err().to_string();
        assert!(error.contains("no port of one"), "{error}");
        let back = interfaces.released(bridged).unwrap();
        assert_eq!((back.name.as_str(), &back.protocols), ("up0", &planned.protocols));
        interfaces.unbridge("br0", true).unwrap();
        assert_eq!(shown("up0"), before);
        assert_eq!(all(), ["up0"]);
        assert!(connect(HERE, &far, "10.9.0.1:81").is_some());
        drop(far);
        wait("the cable stays", || bed.links.find(&name("up0")).unwrap().is_none().then_some(()));
    });
}

#[test]
fn a_change_rolls_back_to_what_was_there_when_it_began() {
    isolated(|bed| {
        let far = uplink(bed);
        let interfaces = HostInterfaces::new(Arc::new(bed.host.clone()));
        let before = shown("up0");
        let kept = serde_json::to_string(&interfaces.snapshot().unwrap()).unwrap();
        interfaces.bridge("up0", "br0", BridgeOptions::default()).unwrap();
        output("/usr/sbin/ip", "addr add 10.10.0.1/24 dev br0");
        output("/usr/sbin/ip", "link set up0 mtu 1300");
        // By a daemon that was started again meanwhile.
        let snapshot: HostSnapshot = serde_json::from_str(&kept).unwrap();
        HostInterfaces::new(Arc::new(bed.host.clone())).rollback(&snapshot).unwrap();
        assert_eq!(shown("up0"), before);
        assert_eq!(all(), ["up0"]);
        assert_eq!(bed.links.find(&name("up0")).unwrap().unwrap().mtu, 1500);
        assert_eq!(interfaces.snapshot().unwrap(), snapshot);

        // Also when the interface itself was taken down.
        interfaces.destroy("up0").unwrap();
        assert!(shown("up0").is_empty());
        interfaces.rollback(&snapshot).unwrap();
        assert_eq!(shown("up0"), before);
        drop(far);
        wait("the cable stays", || bed.links.find(&name("up0")).unwrap().is_none().then_some(()));
    });
}

#[test]
fn a_defined_bridge_is_started_and_destroyed_and_a_bad_one_leaves_nothing() {
    isolated(|bed| {
        let far = cable(&bed.links, "up0", None);
        let interfaces = HostInterfaces::new(Arc::new(bed.host.clone()));
        let plain = |name: &str| HostInterfaceConfig {
            name: name.to_owned(),
            kind: HostInterfaceKind::Ethernet,
            start_mode: None,
            mac: None,
            mtu: None,
            protocols: Vec::new(),
            extra: Default::default(),
        };
        let mut config = plain("br0");
        config.kind = HostInterfaceKind::Bridge {
            stp: Some(false),
            delay: Some("0".to_owned()),
            ports: vec![plain("up0")],
        };
        let net =
            |text: &str, prefix| reeve_model::network::IpNetwork::new(text.parse().unwrap(), prefix).unwrap();
        config.protocols = vec![HostProtocol {
            addresses: vec![net("10.9.0.2", 24)],
            gateways: vec!["10.9.0.1".parse().unwrap()],
            ..HostProtocol::default()
        }];
        interfaces.start(&config).unwrap();
        let current = interfaces.current("br0").unwrap();
        assert_eq!(current.protocols, config.protocols);
        interfaces.destroy("br0").unwrap();
        assert_eq!(all(), ["up0"]);

        config.protocols[0].gateways = vec!["172.16.0.1".parse().unwrap()];
        interfaces.start(&config).unwrap_err();
        assert_eq!(all(), ["up0"]);
        assert_eq!(bed.links.find(&name("up0")).unwrap().unwrap().master, None);
        let mut tagged = plain("up0.5");
        tagged.kind = HostInterfaceKind::Vlan { tag: 5, lower: "up0".to_owned() };
        assert!(
            interfaces.start(&tagged).unwrap_err().to_string().contains("a VLAN interface can't be made")
        );
        drop(far);
        wait("the cable stays", || bed.links.find(&name("up0")).unwrap().is_none().then_some(()));
    });
}

#[test]
fn an_interface_gets_its_address_by_dhcp_and_its_client_ends_with_it() {
    isolated(|bed| {
        // The client writes to /etc, which is a copy as far as this thread can see.
        let etc = bed.directory.path().join("etc");
        output("/bin/cp", &format!("-a /etc {}", etc.display()));
        output("/bin/mount", &format!("--bind {} /etc", etc.display()));
        let config = network(|_| {});
        bed.networks.start(&config).unwrap();
        bed.links.create(&name("up0"), &NewLink::Veth { peer: name("up1") }).unwrap();
        bed.links.change(&name("up1"), &Change::Master(Some(name("virbr0")))).unwrap();
        bed.links.change(&name("up1"), &Change::Up).unwrap();
        let interfaces = HostInterfaces::new(Arc::new(bed.host.clone()));
        let mut asking = interfaces.current("up0").unwrap();
        asking.protocols = vec![HostProtocol { dhcp: Some(Default::default()), ..HostProtocol::default() }];
        interfaces.start(&asking).unwrap();
        let has = interfaces.current("up0").unwrap();
        assert!(has.protocols[0].addresses[0].to_string().starts_with("192.168.122."), "{has:?}");
        // A client that waited too long has asked twice.
        let leases = bed.networks.leases(config.uuid).unwrap();
        let address = has.protocols[0].addresses[0].to_string();
        assert!(
            leases.iter().any(|lease| address.starts_with(&format!("{}/", lease.ip))),
            "{leases:?} {has:?}"
        );
        assert_eq!(processes(bed.directory.path()).len(), 2);
        interfaces.destroy("up0").unwrap();
        assert_eq!(processes(bed.directory.path()).len(), 1);
        bed.links.delete(&name("up0")).unwrap();
        bed.networks.stop(config.uuid).unwrap();
        output("/bin/umount", "/etc");
    });
}
