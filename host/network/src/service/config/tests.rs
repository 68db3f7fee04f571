use std::path::PathBuf;

use reeve_model::network::{
    Bootp, DhcpHost, Dns, DnsDomain, DnsForwarder, DnsHost, DnsSrv, DnsTxt, IpConfig, IpNetwork,
    NetworkConfig,
};

use super::super::names::{check, quoted};
use super::super::program::Files;
use super::{conf, dhcp_hosts, names};
use crate::default_network;

fn files() -> Files {
    let path = |name: &str| PathBuf::from("/run/reeve/network").join(name);
    Files {
        conf: path("n.conf"),
        dhcp: path("n.dhcp"),
        hosts: path("n.hosts"),
        pid: path("n.pid"),
        log: path("n.log"),
        leases: "/var/lib/reeve/network/n.leases".into(),
    }
}

/// Who dnsmasq becomes depends on the machine.
fn without_user(text: String) -> String {
    text.lines().filter(|line| !line.starts_with("user=")).map(|line| format!("{line}\n")).collect()
}

fn full() -> NetworkConfig {
    let mut config = default_network();
    config.mtu = Some(9000);
    config.domain = Some(DnsDomain { name: "example.com".to_owned(), local_only: true });
    let forwarder = |address: Option<&str>, domain: Option<&str>| DnsForwarder {
        address: address.map(|address| address.parse().unwrap()),
        domain: domain.map(str::to_owned),
    };
    config.dns = Dns {
        enable: None,
        forward_plain_names: Some(false),
        forwarders: vec![
            forwarder(Some("8.8.8.8"), None),
            forwarder(Some("10.0.0.1"), Some("corp")),
            forwarder(None, Some("local.net")),
        ],
        txts: vec![DnsTxt { name: "example".to_owned(), value: Some("a \"b\", c\\d # e".to_owned()) }],
        hosts: vec![DnsHost {
            ip: "192.168.122.9".parse().unwrap(),
            hostnames: vec!["db".to_owned(), "db.example.com".to_owned()],
        }],
        srvs: vec![DnsSrv {
            service: "ldap".to_owned(),
            protocol: "tcp".to_owned(),
            domain: None,
            target: Some("db.example.com".to_owned()),
            port: Some(389),
            priority: Some(1),
            weight: None,
        }],
    };
    let ip = &mut config.ips[0];
    ip.local_ptr = true;
    ip.tftp_root = Some("/srv/tftp".to_owned());
    let dhcp = ip.dhcp.as_mut().unwrap();
    dhcp.bootp = Some(Bootp { file: "pxelinux.0".to_owned(), server: Some("192.168.122.7".to_owned()) });
    dhcp.ranges[0].lease_s = Some(0);
    dhcp.hosts = vec![
        DhcpHost {
            mac: Some("52:54:00:00:00:01".parse().unwrap()),
            id: None,
            name: Some("web".to_owned()),
            ip: Some("192.168.122.10".parse().unwrap()),
            lease_s: Some(600),
        },
        DhcpHost {
            mac: None,
            id: Some("0:1:2:f".to_owned()),
            name: None,
            ip: Some("fd00::10".parse().unwrap()),
            lease_s: None,
        },
    ];
    config.ips.push(IpConfig {
        network: IpNetwork::new("fd00::1".parse().unwrap(), 64).unwrap(),
        netmask_form: false,
        local_ptr: true,
        tftp_root: None,
        dhcp: None,
    });
    config
}

#[test]
fn the_default_network_is_served_as_the_guide_says() {
    insta::assert_snapshot!(without_user(conf(&default_network(), &files()).unwrap()));
}

#[test]
fn everything_a_document_says_is_told() {
    let config = full();
    check(&config).unwrap();
    let parts = [conf(&config, &files()).unwrap(), dhcp_hosts(&config), names(&config)];
    insta::assert_snapshot!(without_user(parts.join("---\n")));
}

#[test]
fn nobody_is_told_a_way_out_of_an_isolated_network() {
    let mut config = default_network();
    config.forward = None;
    let text = conf(&config, &files()).unwrap();
    for line in ["no-resolv", "dhcp-option=3", "ra-param=*,0,0"] {
        assert!(text.lines().any(|has| has == line), "{line}: {text}");
    }
}

#[test]
fn texts_can_not_become_options() {
    let evils = ["a\nport=0", "a b", "a,b", "a#b", "a/b", "", "-a", "a..b", "ä", "a\"b", "a\0"];
    for evil in evils {
        let set: [fn(&mut NetworkConfig, String); 8] = [
            |config, evil| config.domain = Some(DnsDomain { name: evil, local_only: true }),
            |config, evil| config.dns.forwarders[1].domain = Some(evil),
            |config, evil| config.dns.hosts[0].hostnames[0] = evil,
            |config, evil| config.dns.txts[0].name = evil,
            |config, evil| config.dns.srvs[0].service = evil,
            |config, evil| config.dns.srvs[0].target = Some(evil),
            |config, evil| config.ips[0].dhcp.as_mut().unwrap().hosts[0].name = Some(evil),
            |config, evil| config.ips[0].dhcp.as_mut().unwrap().hosts[1].id = Some(evil),
        ];
        for (number, set) in set.into_iter().enumerate() {
            let mut config = full();
            set(&mut config, evil.to_owned());
            assert!(check(&config).is_err(), "{evil:?} at {number}");
        }
    }
    for evil in ["a\nb", "a\rb", "a\0b", &"x".repeat(256)] {
        let set: [fn(&mut NetworkConfig, String); 3] = [
            |config, evil| config.dns.txts[0].value = Some(evil),
            |config, evil| config.ips[0].tftp_root = Some(format!("/{evil}")),
            |config, evil| config.ips[0].dhcp.as_mut().unwrap().bootp.as_mut().unwrap().file = evil,
        ];
        for set in set {
            let mut config = full();
            set(&mut config, evil.to_owned());
            assert!(check(&config).is_err(), "{evil:?}");
        }
    }
    // The name of the network is in no file at all.
    let mut config = full();
    config.name = "x\rport=0".to_owned();
    assert_eq!(conf(&config, &files()).unwrap(), conf(&full(), &files()).unwrap());
    assert_eq!(quoted("a\"b\\"), r#""a\"b\\""#);
}
