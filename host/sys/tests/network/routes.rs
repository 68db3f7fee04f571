//! Addresses and routes.

use std::net::IpAddr;

use reeve_sys::link::{Address, Family, LinkError, Links, Route};
use serde_json::Value;

use crate::look::{cable, ip, isolated, name, output};

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn route(
    destination: &str,
    prefix: u8,
    gateway: Option<&str>,
    link: Option<&str>,
    metric: Option<u32>,
) -> Route {
    let (gateway, link) = (gateway.map(addr), link.map(name));
    Route { destination: addr(destination), prefix, gateway, link, metric }
}

/// The address `ip` shows, if it does.
fn shown(link: &str, address: &str) -> Option<Value> {
    let mut found = ip(&format!("addr show dev {link}"));
    let addresses = found[0]["addr_info"].as_array_mut()?;
    addresses.iter_mut().find(|info| info["local"] == address).map(Value::take)
}

#[test]
fn addresses_of_both_families_come_and_go() {
    isolated(|links| {
        cable(links, "one", "other");
        let one = name("one");
        let four = Address::new(addr("192.168.122.1"), 24);
        let six = Address { nodad: true, ..Address::new(addr("fd00:122::1"), 64) };
        links.add_address(&one, &four).unwrap();
        links.add_address(&one, &six).unwrap();
        let shown_four = shown("one", "192.168.122.1").unwrap();
        assert_eq!(
            (&shown_four["prefixlen"], &shown_four["broadcast"]),
            (&24.into(), &"192.168.122.255".into())
        );
        let shown_six = shown("one", "fd00:122::1").unwrap();
        assert_eq!((&shown_six["prefixlen"], &shown_six["nodad"]), (&64.into(), &true.into()));
        let has = links.find(&one).unwrap().unwrap().addresses;
        assert!(has.contains(&four) && has.contains(&six), "{has:?}");
        let prefixes: Vec<Route> = links.routes().unwrap();
        assert!(prefixes.contains(&route("192.168.122.0", 24, None, Some("one"), None)), "{prefixes:?}");
        assert!(prefixes.contains(&route("fd00:122::", 64, None, Some("one"), Some(256))), "{prefixes:?}");

        let error = links.add_address(&one, &four).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'one' can't be given address 192.168.122.1/24");
        links.remove_address(&one, four.ip, 24).unwrap();
        links.remove_address(&one, six.ip, 64).unwrap();
        assert!(shown("one", "192.168.122.1").is_none() && shown("one", "fd00:122::1").is_none());
        let error = links.remove_address(&one, four.ip, 24).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'one' can't be freed of address 192.168.122.1/24");
    });
}

#[test]
fn an_address_may_have_no_route_and_no_broadcast() {
    isolated(|links| {
        cable(links, "one", "other");
        let quiet =
            |ip| Address { broadcast: None, noprefixroute: true, nodad: true, ..Address::new(addr(ip), 24) };
        for ip in ["10.9.0.1", "fd00:9::1"] {
            links.add_address(&name("one"), &quiet(ip)).unwrap();
            assert_eq!(shown("one", ip).unwrap()["noprefixroute"], true);
        }
        assert!(shown("one", "10.9.0.1").unwrap().get("broadcast").is_none());
        let routes = links.routes().unwrap();
        assert!(!routes.iter().any(|route| route.prefix == 24), "{routes:?}");
    });
}

#[test]
fn routes_come_and_go_in_both_families() {
    isolated(|links| {
        cable(links, "one", "other");
        links.add_address(&name("one"), &Address::new(addr("10.0.0.1"), 24)).unwrap();
        let six = Address { nodad: true, ..Address::new(addr("fd00::1"), 64) };
        links.add_address(&name("one"), &six).unwrap();
        let routes = [
            (
                route("10.7.0.0", 16, Some("10.0.0.2"), Some("one"), Some(50)),
                "10.7.0.0/16 via 10.0.0.2 dev one",
            ),
            (route("10.8.0.0", 16, None, Some("one"), None), "10.8.0.0/16 dev one"),
            (
                route("fd00:7::", 48, Some("fd00::2"), Some("one"), Some(50)),
                "fd00:7::/48 via fd00::2 dev one",
            ),
            (route("fd00:8::", 48, None, Some("one"), Some(1024)), "fd00:8::/48 dev one"),
        ];
        let shown = || {
            output("/usr/sbin/ip", "-4 route show table main")
                + &output("/usr/sbin/ip", "-6 route show table main")
        };
        for (route, text) in &routes {
            links.add_route(route).unwrap();
            assert!(links.routes().unwrap().contains(route), "{route:?} {:?}", links.routes().unwrap());
            assert!(shown().contains(text), "'{text}' is not in:\n{}", shown());
            let error = links.add_route(route).unwrap_err();
            assert_eq!(error.to_string(), format!("route to {route} can't be added"));
        }
        for (route, text) in &routes {
            links.remove_route(route).unwrap();
            assert!(!shown().contains(text), "'{text}' is still in:\n{}", shown());
            let error = links.remove_route(route).unwrap_err();
            assert_eq!(error.to_string(), format!("route to {route} can't be removed"));
        }
        let error = links.add_route(&route("10.9.0.0", 16, Some("172.16.0.1"), None, None)).unwrap_err();
        assert!(matches!(error, LinkError::Route { .. }));
        // By the gateway alone.
        links.add_route(&route("10.9.0.0", 16, Some("10.0.0.9"), None, None)).unwrap();
        assert!(links.routes().unwrap().contains(&route(
            "10.9.0.0",
            16,
            Some("10.0.0.9"),
            Some("one"),
            None
        )));
    });
}

#[test]
fn the_default_route_is_the_one_with_the_lowest_metric() {
    isolated(|links| {
        cable(links, "one", "other");
        links.add_address(&name("one"), &Address::new(addr("10.0.0.1"), 24)).unwrap();
        assert_eq!(links.default_route(Family::V4).unwrap(), None);
        let slow = route("0.0.0.0", 0, Some("10.0.0.2"), Some("one"), Some(200));
        let fast = route("0.0.0.0", 0, Some("10.0.0.3"), Some("one"), Some(100));
        links.add_route(&slow).unwrap();
        links.add_route(&fast).unwrap();
        assert_eq!(links.default_route(Family::V4).unwrap(), Some(fast.clone()));
        assert_eq!(links.default_route(Family::V6).unwrap(), None);
        let link_local = route("::", 0, Some("fe80::1"), Some("one"), Some(10));
        links.add_route(&link_local).unwrap();
        assert_eq!(links.default_route(Family::V6).unwrap(), Some(link_local));
        links.remove_route(&fast).unwrap();
        assert_eq!(links.default_route(Family::V4).unwrap(), Some(slow));
    });
}
