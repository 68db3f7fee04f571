use reeve_model::network::{
    AddressRange, Forward, ForwardMode, IpConfig, IpNetwork, Nat, NetworkConfig, PortRange,
};

use super::{owner, render};
use crate::default_network;

const MARK: &str = "reeve-0badcafe";

pub(crate) fn network(name: &str, bridge: &str, mode: Option<ForwardMode>, ips: &[&str]) -> NetworkConfig {
    let mut config = default_network();
    config.name = name.to_owned();
    config.bridge.name = Some(bridge.to_owned());
    let forward = config.forward.take();
    config.forward = mode.map(|mode| Forward { mode, ..forward.unwrap() });
    let ip = |text: &&str| {
        let (address, prefix) = text.split_once('/').unwrap();
        IpConfig {
            network: IpNetwork::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap(),
            netmask_form: false,
            local_ptr: false,
            tftp_root: None,
            dhcp: None,
        }
    };
    config.ips = ips.iter().map(ip).collect();
    config
}

fn forward(config: &mut NetworkConfig) -> &mut Forward {
    config.forward.as_mut().unwrap()
}

#[test]
fn every_mode_has_its_rules() {
    let nat = network("default", "virbr0", Some(ForwardMode::Nat), &["192.168.122.1/24", "fd00:1::1/64"]);
    let mut held = network("held", "virbr1", Some(ForwardMode::Nat), &["192.168.123.1/24"]);
    forward(&mut held).dev = Some("eth0".to_owned());
    let mut public = network("public", "virbr2", Some(ForwardMode::Nat), &["10.1.0.1/16", "fd00:2::1/64"]);
    let addresses = AddressRange { start: "192.0.2.1".parse().unwrap(), end: "192.0.2.10".parse().unwrap() };
    let ports = PortRange { start: 500, end: 1000 };
    forward(&mut public).nat = Some(Nat { ipv6: false, addresses: Some(addresses), ports: Some(ports) });
    let mut six = network("six", "virbr3", Some(ForwardMode::Nat), &["10.2.0.1/16", "fd00:3::1/64"]);
    forward(&mut six).nat = Some(Nat { ipv6: true, ..Nat::default() });
    let mut routed = network("routed", "virbr4", Some(ForwardMode::Route), &["10.3.0.1/16", "fd00:4::1/64"]);
    forward(&mut routed).interfaces = vec!["eth0".to_owned(), "eth1".to_owned()];
    let isolated = network("isolated", "virbr5", None, &["10.4.0.1/16"]);
    let open = network("open", "virbr6", Some(ForwardMode::Open), &["10.5.0.1/16"]);
    let host = network("host", "br0", Some(ForwardMode::Bridge), &[]);
    // The order in which they are active is of no matter.
    let all = [&isolated, &open, &host, &routed, &six, &public, &held, &nat];
    insta::assert_snapshot!(render(MARK, all));
}

#[test]
fn without_networks_the_table_goes() {
    assert_eq!(render(MARK, []), "add table inet reeve\ndelete table inet reeve\n");
    let open = network("open", "virbr6", Some(ForwardMode::Open), &["10.5.0.1/16"]);
    assert_eq!(render(MARK, [&open]), render(MARK, []));
    assert_eq!(owner(MARK), "owner_reeve_0badcafe");
}
