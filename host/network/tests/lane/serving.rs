//! DHCP, DNS and TFTP of a network's dnsmasq, as guests get them.

use reeve_model::network::{Bootp, DhcpHost, DnsHost, DnsTxt, IpConfig, IpNetwork};
use reeve_network::NetworkError;

use crate::bed::{guest, isolated, name, network, pause, processes, wait};
use crate::guests::{ask, fetch, lease};
use reeve_sys::link::Links;

const A: u16 = 1;
const TXT: u16 = 16;

#[test]
fn a_guest_gets_address_router_and_names() {
    isolated(|bed| {
        let config = network(|config| {
            config
                .dns
                .hosts
                .push(DnsHost { ip: "192.168.122.9".parse().unwrap(), hostnames: vec!["db".to_owned()] });
            config
                .dns
                .txts
                .push(DnsTxt { name: "note".to_owned(), value: Some("a \"b\", c\\d # e".to_owned()) });
        });
        bed.networks.start(&config).unwrap();
        let guest = guest(&bed.links, "g0", "virbr0", None);
        let told = lease(bed, &guest, "web");
        assert_eq!(told[1..], ["192.168.122.1", "192.168.122.1", "none"]);
        let address = &told[0];
        assert!(address.starts_with("192.168.122."), "{address}");
        bed.heard.wait_for(&format!("acquired {address}"));
        let leases = bed.networks.leases(config.uuid).unwrap();
        assert_eq!(leases.len(), 1);
        assert_eq!((leases[0].ip.to_string(), leases[0].hostname.as_deref()), (address.clone(), Some("web")));
        assert_eq!(leases[0].prefix, 24);

        assert_eq!(ask(&guest, "192.168.122.1", "db", A), ["192.168.122.9"]);
        assert_eq!(ask(&guest, "192.168.122.1", "web", A), std::slice::from_ref(address));
        assert_eq!(ask(&guest, "192.168.122.1", "note", TXT), ["a \"b\", c\\d # e"]);
        drop(guest);
        wait("the cable stays", || bed.links.find(&name("g0")).unwrap().is_none().then_some(()));
        bed.networks.stop(config.uuid).unwrap();
        bed.networks.forget(config.uuid).unwrap();
    });
}

#[test]
fn a_running_network_takes_new_hosts_names_and_ranges() {
    isolated(|bed| {
        let mut config = network(|_| {});
        bed.networks.start(&config).unwrap();
        let before = processes(bed.directory.path());
        let guest = guest(&bed.links, "g0", "virbr0", None);
        let mac =
            guest.run(|| reeve_sys::link::KernelLinks.find(&name("eth0")).unwrap().unwrap().mac).unwrap();
        config.ips[0].dhcp.as_mut().unwrap().hosts.push(DhcpHost {
            mac,
            id: None,
            name: Some("fixed".to_owned()),
            ip: Some("192.168.122.77".parse().unwrap()),
            lease_s: None,
        });
        config
            .dns
            .hosts
            .push(DnsHost { ip: "192.168.122.8".parse().unwrap(), hostnames: vec!["new".to_owned()] });
        bed.networks.update(&config).unwrap();
        // It reads its hosts when it comes to it.
        pause(std::time::Duration::from_millis(300));
        assert_eq!(lease(bed, &guest, "web")[0], "192.168.122.77");
        assert_eq!(ask(&guest, "192.168.122.1", "new", A), ["192.168.122.8"]);
        assert_eq!(processes(bed.directory.path()), before, "it was restarted for what it reads anyway");

        let index = bed.links.find(&name("virbr0")).unwrap().unwrap().index;
        config.dns.txts.push(DnsTxt { name: "note".to_owned(), value: Some("later".to_owned()) });
        bed.networks.update(&config).unwrap();
        assert_eq!(ask(&guest, "192.168.122.1", "note", TXT), ["later"]);
        assert_eq!(bed.links.find(&name("virbr0")).unwrap().unwrap().index, index);

        let mut moved = config.clone();
        moved.bridge.name = Some("virbr9".to_owned());
        let error = bed.networks.update(&moved).unwrap_err().to_string();
        assert_eq!(error, "network 'default': the name of its bridge changes only when it is started again");
        drop(guest);
        wait("the cable stays", || bed.links.find(&name("g0")).unwrap().is_none().then_some(()));
        bed.networks.stop(config.uuid).unwrap();
    });
}

#[test]
fn dnsmasq_that_is_missing_or_does_not_come_up_leaves_nothing() {
    isolated(|bed| {
        let config = network(|_| {});
        for (program, expected) in [
            (
                "/no/such/dnsmasq",
                "network 'default': program '/no/such/dnsmasq' (Debian package dnsmasq-base) is not there",
            ),
            ("/bin/false", "dnsmasq of network 'default' can't be started: exit status 1"),
        ] {
            let host = reeve_network::Host { dnsmasq: program.into(), ..bed.host.clone() };
            let networks = reeve_network::Networks::new(host, bed.heard.clone());
            let error = networks.start(&config).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(!networks.is_active(config.uuid));
            assert!(bed.links.find(&name("virbr0")).unwrap().is_none());
        }
        // Without services it is not needed.
        let quiet = network(|config| {
            config.dns.enable = Some(false);
            config.ips[0].dhcp = None;
        });
        bed.networks.start(&quiet).unwrap();
        assert!(matches!(bed.networks.start(&quiet), Err(NetworkError::Active(_))));
        assert!(processes(bed.directory.path()).is_empty());
        bed.networks.stop(quiet.uuid).unwrap();
        assert!(matches!(bed.networks.stop(quiet.uuid), Err(NetworkError::NotActive(_))));
    });
}

#[test]
fn a_guest_boots_by_tftp_and_finds_its_ipv6_address() {
    isolated(|bed| {
        let root = bed.directory.path().join("tftp");
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("boot.bin"), "kernel").unwrap();
        let config = network(|config| {
            let ip = &mut config.ips[0];
            ip.tftp_root = root.to_str().map(str::to_owned);
            let bootp = Bootp { file: "boot.bin".to_owned(), server: None };
            ip.dhcp.as_mut().unwrap().bootp = Some(bootp);
            let network = IpNetwork::new("fd00:7::1".parse().unwrap(), 64).unwrap();
            config.ips.push(IpConfig { network, tftp_root: None, dhcp: None, ..config.ips[0].clone() });
        });
        bed.networks.start(&config).unwrap();
        let guest = guest(&bed.links, "g0", "virbr0", None);
        assert_eq!(lease(bed, &guest, "web")[3], "boot.bin");
        assert_eq!(fetch(&guest, "192.168.122.1", "boot.bin"), b"kernel");
        let found = || {
            let link =
                guest.run(|| reeve_sys::link::KernelLinks.find(&name("eth0"))).unwrap().unwrap().unwrap();
            link.addresses.iter().find(|has| has.ip.to_string().starts_with("fd00:7::")).copied()
        };
        assert_eq!(wait("no router is heard", found).prefix, 64);
        drop(guest);
        wait("the cable stays", || bed.links.find(&name("g0")).unwrap().is_none().then_some(()));
        bed.networks.stop(config.uuid).unwrap();
    });
}
