//! Bridges and their ports.

use reeve_sys::link::{Bridge, Change, Forward, LinkError, Links, NewLink, PortOptions};

use crate::look::{all, cable, isolated, mac, name, output, shown, sysfs};

#[test]
fn a_bridge_is_made_as_described() {
    isolated(|links| {
        let described = Bridge {
            mac: Some(mac("52:54:00:aa:bb:cc")),
            stp: Some(false),
            forward_delay_ms: Some(0),
            ageing_s: Some(0),
            nf_call_iptables: Some(true),
            nf_call_ip6tables: Some(true),
            vlan_filtering: Some(false),
        };
        links.create(&name("br"), &NewLink::Bridge(described.clone())).unwrap();
        let link = links.find(&name("br")).unwrap().unwrap();
        assert_eq!((link.kind.as_deref(), link.bridge), (Some("bridge"), Some(described)));
        assert_eq!(sysfs("br", "address"), "52:54:00:aa:bb:cc");
        let files = ["stp_state", "forward_delay", "ageing_time", "nf_call_iptables", "nf_call_ip6tables"];
        assert_eq!(files.map(|file| sysfs("br", &format!("bridge/{file}"))), ["0", "0", "0", "1", "1"]);

        let change = Bridge { forward_delay_ms: Some(4000), stp: Some(true), ..Bridge::default() };
        links.change(&name("br"), &Change::Bridge(change)).unwrap();
        let files = ["stp_state", "forward_delay", "ageing_time"];
        assert_eq!(files.map(|file| sysfs("br", &format!("bridge/{file}"))), ["1", "400", "0"]);
        assert_eq!(sysfs("br", "address"), "52:54:00:aa:bb:cc");
        links.delete(&name("br")).unwrap();
        assert!(all().is_empty());
    });
}

#[test]
fn spanning_tree_has_a_shortest_delay() {
    isolated(|links| {
        let bridge = Bridge { stp: Some(true), forward_delay_ms: Some(0), ..Bridge::default() };
        links.create(&name("br"), &NewLink::Bridge(bridge)).unwrap();
        let bridge = links.find(&name("br")).unwrap().unwrap().bridge.unwrap();
        assert_eq!((bridge.stp, bridge.forward_delay_ms), (Some(true), Some(2000)));
        assert_eq!(sysfs("br", "bridge/forward_delay"), "200");
    });
}

#[test]
fn vlan_filtering_is_had_or_refused_clearly() {
    isolated(|links| {
        let bridge = Bridge { vlan_filtering: Some(true), ..Bridge::default() };
        match links.create(&name("br"), &NewLink::Bridge(bridge.clone())) {
            Ok(()) => assert_eq!(sysfs("br", "bridge/vlan_filtering"), "1"),
            Err(error) => {
                let refused = "network interface 'br' can't be had: this kernel has no VLAN filtering";
                assert_eq!(error.to_string(), refused);
                assert!(all().is_empty(), "a bridge was left behind");
                links.create(&name("br"), &NewLink::Bridge(Bridge::default())).unwrap();
                let error = links.change(&name("br"), &Change::Bridge(bridge)).unwrap_err();
                assert_eq!(error.to_string(), refused);
            }
        }
    });
}

#[test]
fn ports_come_change_and_go() {
    isolated(|links| {
        cable(links, "port", "far");
        links.create(&name("br"), &NewLink::Bridge(Bridge::default())).unwrap();
        let port = name("port");
        let options = PortOptions {
            isolated: Some(true),
            hairpin: Some(true),
            learning: Some(false),
            unicast_flood: Some(false),
            cost: Some(42),
        };
        let error = links.change(&port, &Change::Port(options)).unwrap_err();
        assert!(matches!(error, LinkError::Refused { .. }), "a link that is no port took options: {error}");

        links.change(&port, &Change::Master(Some(name("br")))).unwrap();
        assert_eq!(shown("port")["master"], "br");
        links.change(&port, &Change::Port(options)).unwrap();
        let files = ["isolated", "hairpin_mode", "learning", "unicast_flood", "path_cost"];
        assert_eq!(files.map(|file| sysfs("port", &format!("brport/{file}"))), ["1", "1", "0", "0", "42"]);
        // What is none is left as it is.
        links
            .change(&port, &Change::Port(PortOptions { isolated: Some(false), ..Default::default() }))
            .unwrap();
        assert_eq!(files.map(|file| sysfs("port", &format!("brport/{file}"))), ["0", "1", "0", "0", "42"]);
        let link = links.find(&port).unwrap().unwrap();
        assert_eq!(link.master, Some(name("br")));
        let has = link.port.unwrap();
        assert_eq!(
            (has.isolated, has.hairpin, has.learning, has.unicast_flood, has.cost),
            (false, true, false, false, 42)
        );

        links.change(&port, &Change::Master(None)).unwrap();
        let link = links.find(&port).unwrap().unwrap();
        assert_eq!((link.master, link.port), (None, None));
        assert!(shown("port").get("master").is_none());
    });
}

#[test]
fn a_managed_mac_table_has_what_it_is_told() {
    isolated(|links| {
        cable(links, "port", "far");
        let (br, port) = (name("br"), name("port"));
        links.create(&br, &NewLink::Bridge(Bridge::default())).unwrap();
        links.change(&port, &Change::Master(Some(br.clone()))).unwrap();
        links.change(&port, &Change::Port(PortOptions::MANAGED)).unwrap();
        let guest = mac("52:54:00:00:00:01");
        links.add_forward(&port, guest).unwrap();
        assert_eq!(links.forwards(&br).unwrap(), [Forward { mac: guest, port: port.clone() }]);
        let table = output("/usr/sbin/bridge", "fdb show br br");
        assert!(
            table.lines().any(|line| line.starts_with("52:54:00:00:00:01 dev port master br static")),
            "{table}"
        );
        assert!(links.add_forward(&port, guest).is_err());
        links.remove_forward(&port, guest).unwrap();
        assert!(links.forwards(&br).unwrap().is_empty());
        assert!(!output("/usr/sbin/bridge", "fdb show br br").contains("52:54:00:00:00:01"));
        let error = links.remove_forward(&port, guest).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'port' can't be freed of 52:54:00:00:00:01");
    });
}
