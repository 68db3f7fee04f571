//! Every step that can fail fails once, and nothing of those before it stays.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use reeve_model::network::{Bandwidth, IpConfig, IpNetwork, NetworkConfig, RateLimit, Route};
use reeve_network::{BridgeOptions, Host, HostInterfaces, Networks, PortRequest};
use reeve_sys::link::{Address, FakeLinks, Links, Route as Way};
use reeve_sys::nft::FakeNft;
use reeve_sys::sysctl::Sysctls;
use reeve_sys::traffic::FakeTraffic;
use uuid::Uuid;

use crate::bed::{Heard, name, network, processes};
use crate::ports::interface;

/// More than any of the operations has steps.
const MOST: usize = 60;

/// A host without a kernel.
struct Fakes {
    directory: tempfile::TempDir,
    links: Arc<FakeLinks>,
    nft: Arc<FakeNft>,
    traffic: Arc<FakeTraffic>,
    networks: Networks,
    interfaces: HostInterfaces,
}

fn fakes() -> Fakes {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    for setting in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        let path = root.join("sys").join(setting);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "0\n").unwrap();
    }
    // Says that it serves, and stays.
    let program = root.join("dnsmasq");
    let script = "#!/bin/sh\npid=$(sed -n 's/^pid-file=\"\\(.*\\)\"$/\\1/p' \"${2#--conf-file=}\")\n\
                  echo $$ > \"$pid\"\nexec tail -f \"${2#--conf-file=}\"\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let links = Arc::new(FakeLinks::with_hardware(&[&name("eth0"), &name("eth1")]));
    let (nft, traffic) = (Arc::new(FakeNft::default()), Arc::new(FakeTraffic::default()));
    let host = Host {
        links: links.clone(),
        nft: nft.clone(),
        traffic: traffic.clone(),
        sysctls: Sysctls::at(root.join("sys"), "/bin/false"),
        dnsmasq: program,
        net_class: root.join("class"),
        run: root.join("run"),
        state: root.join("lib"),
    };
    let interfaces = HostInterfaces::new(Arc::new(host.clone()));
    let networks = Networks::new(host, Arc::new(Heard::default()));
    Fakes { directory, links, nft, traffic, networks, interfaces }
}

impl Fakes {
    fn names(&self) -> Vec<String> {
        self.links.list().unwrap().into_iter().map(|link| link.name.to_string()).collect()
    }

    fn setting(&self, path: &str) -> String {
        std::fs::read_to_string(self.directory.path().join("sys").join(path)).unwrap().trim().to_owned()
    }

    fn assert_nothing_left(&self, what: &str) {
        assert_eq!(self.names(), ["eth0", "eth1"], "{what}");
        assert!(self.links.routes().unwrap().is_empty(), "{what}");
        assert!(self.traffic.shaped().is_empty(), "{what}");
        if let Some(rules) = self.nft.scripts().last() {
            assert!(!rules.contains("virbr"), "{what}: {rules}");
        }
        assert_eq!(self.setting("ipv4/ip_forward"), "0", "{what}");
        assert_eq!(self.setting("ipv6/conf/all/forwarding"), "0", "{what}");
        let processes = processes(&self.directory.path().join("run"));
        assert!(processes.is_empty(), "{what}: {processes:?}");
    }
}

fn limit(average_kib: u64) -> Bandwidth {
    let rate = RateLimit { average_kib, ..RateLimit::default() };
    Bandwidth { inbound: Some(rate), outbound: Some(rate) }
}

/// One of which every part has a step.
fn whole() -> NetworkConfig {
    network(|config| {
        config.mtu = Some(9000);
        config.bandwidth = limit(1000);
        config.ips.push(IpConfig {
            network: IpNetwork::new("fd00::1".parse().unwrap(), 64).unwrap(),
            netmask_form: false,
            local_ptr: false,
            tftp_root: None,
            dhcp: None,
        });
        config.routes.push(Route {
            destination: IpNetwork::new("10.8.0.0".parse().unwrap(), 16).unwrap(),
            netmask_form: false,
            gateway: "192.168.122.9".parse().unwrap(),
            metric: None,
        });
    })
}

/// Arms one of the fakes.
type Arm = fn(&Fakes, usize);

const ARMS: [(&str, Arm); 3] = [
    ("link", |fakes, nth| fakes.links.fail_at(nth)),
    ("rules", |fakes, nth| fakes.nft.fail_at(nth)),
    ("limits", |fakes, nth| fakes.traffic.fail_at(nth)),
];

#[test]
fn a_network_that_fails_at_any_step_leaves_nothing() {
    let config = whole();
    for (what, arm) in ARMS {
        let mut failed = 0;
        for nth in 1..MOST {
            let fakes = fakes();
            arm(&fakes, nth);
            if fakes.networks.start(&config).is_ok() {
                // A fault that is still to come belongs to nobody.
                arm(&fakes, usize::MAX);
                fakes.networks.stop(config.uuid).unwrap();
                break;
            }
            failed += 1;
            assert!(!fakes.networks.is_active(config.uuid));
            fakes.assert_nothing_left(&format!("{what} {nth}"));
        }
        assert!((1..MOST - 1).contains(&failed), "{what}: {failed} steps failed");
    }
}

#[test]
fn a_port_that_fails_at_any_step_leaves_nothing_and_its_name_free() {
    for (what, arm) in ARMS {
        let mut failed = 0;
        for nth in 1..MOST {
            let fakes = fakes();
            let config = whole();
            fakes.networks.start(&config).unwrap();
            let mut wanted = interface("network", &[("network", "default")], 1);
            (wanted.bandwidth, wanted.isolated) = (limit(500), true);
            wanted.bandwidth.inbound.as_mut().unwrap().floor_kib = Some(100);
            let request = PortRequest { domain: Uuid::nil(), domain_name: "web", interface: &wanted };
            let port = fakes.networks.plan(&request).unwrap();
            assert_eq!(fakes.networks.ports().len(), 1);
            arm(&fakes, nth);
            let made = fakes.networks.make(&port);
            let done = made.is_ok();
            if done {
                arm(&fakes, usize::MAX);
                assert_eq!(fakes.traffic.floors(&name("virbr0")).len(), 1);
                fakes.networks.unplug(&port).unwrap();
            } else {
                failed += 1;
            }
            assert!(fakes.networks.ports().is_empty());
            assert_eq!(fakes.names(), ["eth0", "eth1", "virbr0"], "{what} {nth}");
            assert_eq!(fakes.traffic.shaped(), [name("virbr0")], "{what} {nth}");
            fakes.networks.stop(config.uuid).unwrap();
            if done {
                break;
            }
        }
        let expected = if what == "rules" { 0..1 } else { 1..MOST - 1 };
        assert!(expected.contains(&failed), "{what}: {failed} steps failed");
    }
}

#[test]
fn a_port_that_fails_to_move_at_any_step_is_where_it_was() {
    let mut failed = 0;
    for (what, arm) in ARMS {
        for nth in 1..MOST {
            let fakes = fakes();
            fakes.networks.start(&whole()).unwrap();
            let mut other = network(|config| config.bandwidth = limit(1000));
            (other.uuid, other.name) = (Uuid::from_u128(2), "other".into());
            other.bridge.name = Some("virbr1".into());
            other.ips[0].network.address = "192.168.123.1".parse().unwrap();
            other.ips[0].dhcp = None;
            fakes.networks.start(&other).unwrap();
            let on = |network: &str, average_kib| {
                let mut wanted = interface("network", &[("network", network)], 1);
                wanted.bandwidth = limit(average_kib);
                wanted.bandwidth.inbound.as_mut().unwrap().floor_kib = Some(100);
                wanted
            };
            let (here, there) = (on("default", 500), on("other", 600));
            let asks = |interface| PortRequest { domain: Uuid::nil(), domain_name: "web", interface };
            let port = fakes.networks.plan(&asks(&here)).unwrap();
            fakes.networks.make(&port).unwrap();
            let state = || {
                let link = fakes.links.find(&name(&port.link)).unwrap().unwrap();
                let floors = ["virbr0", "virbr1"].map(|bridge| fakes.traffic.floors(&name(bridge)));
                (link.master, link.up, floors, fakes.traffic.shaped())
            };
            let before = state();
            let new = fakes.networks.plan_change(&port, &asks(&there)).unwrap().with_link(false);
            arm(&fakes, nth);
            let done = fakes.networks.change(&port, &new).is_ok();
            arm(&fakes, usize::MAX);
            if done {
                assert_eq!((state().0, state().1), (Some(name("virbr1")), false), "{what} {nth}");
                break;
            }
            failed += 1;
            assert_eq!(state(), before, "{what} {nth}");
            assert_eq!(fakes.networks.ports(), std::slice::from_ref(&port), "{what} {nth}");
        }
    }
    assert!(failed >= 4, "the bridge, the cable, the limits and the floors: {failed} steps failed");
}

#[test]
fn an_update_that_fails_at_any_step_leaves_the_old_network() {
    for (what, arm) in ARMS {
        for nth in 1..MOST {
            let fakes = fakes();
            let old = whole();
            fakes.networks.start(&old).unwrap();
            let state = |fakes: &Fakes| {
                let link = fakes.links.find(&name("virbr0")).unwrap().unwrap();
                let mut addresses: Vec<_> = link.addresses.iter().map(|has| has.ip.to_string()).collect();
                addresses.sort_unstable();
                let rules = fakes.nft.scripts().last().cloned();
                (link.mtu, link.bridge, addresses, fakes.links.routes().unwrap(), rules)
            };
            let before = state(&fakes);
            let mut new = old.clone();
            new.mtu = Some(1400);
            new.bridge.stp = Some(true);
            new.bandwidth = limit(2000);
            new.ips[1].network.address = "fd01::1".parse().unwrap();
            new.routes[0].gateway = "192.168.122.8".parse().unwrap();
            arm(&fakes, nth);
            let updated = fakes.networks.update(&new);
            arm(&fakes, usize::MAX);
            let done = updated.is_ok();
            if done {
                assert_ne!(state(&fakes), before);
            } else {
                assert_eq!(state(&fakes), before, "{what} {nth}");
                assert_eq!(fakes.networks.active(), std::slice::from_ref(&old));
            }
            fakes.networks.stop(old.uuid).unwrap();
            if done {
                break;
            }
            assert!(nth < MOST - 1);
        }
    }
}

#[test]
fn names_and_addresses_are_chosen_that_nobody_has() {
    let fakes = fakes();
    let mut first = network(|config| (config.bridge.name, config.mac) = (None, None));
    fakes.networks.fill(&mut first, &[]).unwrap();
    assert_eq!(first.bridge.name.as_deref(), Some("virbr0"));
    let mac = first.mac.unwrap();
    assert_eq!(mac.0[..3], [0x52, 0x54, 0x00]);
    let mut second = network(|config| (config.bridge.name, config.mac) = (None, None));
    fakes.networks.fill(&mut second, &[first.clone()]).unwrap();
    assert_eq!(second.bridge.name.as_deref(), Some("virbr1"));
    // What it has already stays.
    fakes.networks.fill(&mut first, &[second.clone()]).unwrap();
    assert_eq!((first.bridge.name.as_deref(), first.mac), (Some("virbr0"), Some(mac)));
    assert!(Path::new(&fakes.directory.path().join("run")).exists() || fakes.networks.active().is_empty());
}

/// Addresses and routes of `eth0`, and the way they are seen.
fn settled() -> Fakes {
    let fakes = fakes();
    for (ip, prefix) in [("10.9.0.2", 24), ("fd09::2", 64)] {
        fakes.links.add_address(&name("eth0"), &Address::new(ip.parse().unwrap(), prefix)).unwrap();
    }
    for gateway in ["10.9.0.1", "fd09::1"] {
        let gateway: std::net::IpAddr = gateway.parse().unwrap();
        let any = if gateway.is_ipv4() { "0.0.0.0" } else { "::" };
        let way = Way {
            destination: any.parse().unwrap(),
            prefix: 0,
            gateway: Some(gateway),
            link: Some(name("eth0")),
            metric: Some(50),
        };
        fakes.links.add_route(&way).unwrap();
    }
    fakes
}

/// Everything the host's interfaces have, a line each, in an order of its own.
fn seen(fakes: &Fakes) -> Vec<String> {
    let mut lines: Vec<String> =
        fakes.links.routes().unwrap().into_iter().map(|route| format!("{route:?}")).collect();
    for link in fakes.links.list().unwrap() {
        lines.push(format!("{} up {} in {:?}", link.name, link.up, link.master));
        let has = link.addresses.iter().map(|has| format!("{} {}/{}", link.name, has.ip, has.prefix));
        lines.extend(has);
    }
    lines.sort_unstable();
    lines
}

#[test]
fn an_interface_that_fails_to_move_at_any_step_is_where_it_was() {
    type Move = fn(&HostInterfaces) -> Result<(), reeve_network::NetworkError>;
    let bridge: Move = |interfaces| {
        interfaces
            .bridge("eth0", "br0", BridgeOptions::default())
            .map(|warnings| assert!(warnings.is_empty()))
    };
    let unbridge: Move = |interfaces| interfaces.unbridge("br0", true);
    let destroy: Move = |interfaces| interfaces.destroy("br0");
    for (what, prepare, change) in
        [("bridge", None, bridge), ("unbridge", Some(bridge), unbridge), ("destroy", Some(bridge), destroy)]
    {
        let mut failed = 0;
        for nth in 1..MOST {
            let fakes = settled();
            if let Some(prepare) = prepare {
                prepare(&fakes.interfaces).unwrap();
            }
            let before = seen(&fakes);
            fakes.links.fail_at(nth);
            if change(&fakes.interfaces).is_ok() {
                assert_ne!(seen(&fakes), before, "{what}");
                break;
            }
            failed += 1;
            assert_eq!(seen(&fakes), before, "{what} {nth}");
        }
        assert!((1..MOST - 1).contains(&failed), "{what}: {failed} steps failed");
    }
}
