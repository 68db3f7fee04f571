//! Ports of domains: taps, macvtaps, names, moves.

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use reeve_model::domain::Interface;
use reeve_model::network::{Forward, ForwardMode, PortGroup};
use reeve_network::{Medium, NetworkError, PlannedPort, PortRequest};
use reeve_sys::link::{KernelLinks, LinkError, Links};
use reeve_sys::namespace::NetworkNamespace;
use reeve_sys::packet::PacketSocket;
use reeve_sys::tap::Tap;
use uuid::Uuid;

use crate::bed::{Bed, PATIENCE, cable, isolated, name, network, other, output, wait};

const DOMAIN: Uuid = Uuid::from_u128(7);

pub(crate) fn interface(kind: &str, source: &[(&str, &str)], last: u8) -> Interface {
    Interface {
        kind: kind.to_owned(),
        source: source.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        mac: Some(format!("52:54:00:00:00:{last:02x}")),
        ..Interface::default()
    }
}

pub(crate) fn plug(bed: &Bed, interface: &Interface) -> Result<PlannedPort, NetworkError> {
    bed.networks.plug(&PortRequest { domain: DOMAIN, domain_name: "web", interface })
}

/// A frame of the kind that is reserved for experiments.
fn frame(from: u8, to: [u8; 6]) -> Vec<u8> {
    [&to[..], &[0x52, 0x54, 0, 0, 0, from], &[0x88, 0xb5], &[from; 46]].concat()
}

/// Writes a frame as a guest does.
fn send(tap: &Tap, frame: &[u8]) {
    let file = std::fs::File::from(tap.fd.try_clone().unwrap());
    file.write_at(&[&[0; 12], frame].concat(), 0).unwrap();
}

/// True when the guest of a tap gets the frame in a while.
fn gets(tap: &Tap, frame: &[u8], patience: Duration) -> bool {
    let file = std::fs::File::from(tap.fd.try_clone().unwrap());
    let (deadline, mut buffer) = (Instant::now() + patience, [0; 2048]);
    while Instant::now() < deadline {
        match file.read_at(&mut buffer, 0) {
            Ok(length) if buffer[12..length] == *frame => return true,
            Ok(_) => {}
            Err(_) => crate::bed::pause(Duration::from_millis(2)),
        }
    }
    false
}

fn open(port: &PlannedPort) -> Tap {
    match port.medium {
        Medium::Macvtap { .. } => Tap::open_macvtap(&name(&port.link)).unwrap(),
        _ => Tap::open(&port.link, None).unwrap(),
    }
}

/// Frames reach the far end of a link that is not a tap.
fn sees(socket: &PacketSocket, frame: &[u8], patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while let Some(seen) = socket.receive(deadline.saturating_duration_since(Instant::now())).unwrap() {
        if seen.bytes == frame && !seen.outgoing {
            return true;
        }
    }
    false
}

#[test]
fn guests_of_a_network_talk_unless_they_are_isolated() {
    isolated(|bed| {
        let config = network(|config| {
            config.mtu = Some(1400);
            config.portgroups = vec![PortGroup {
                name: "slow".to_owned(),
                default: true,
                bandwidth: reeve_model::network::Bandwidth {
                    inbound: Some(reeve_model::network::RateLimit {
                        average_kib: 5000,
                        ..Default::default()
                    }),
                    outbound: None,
                },
                vlan: None,
                virtualport: None,
                extra: Default::default(),
            }];
        });
        bed.networks.start(&config).unwrap();
        let mut first = interface("network", &[("network", "default")], 1);
        first.target = Some("vnet9".to_owned());
        let one = plug(bed, &first).unwrap();
        assert_eq!(
            (one.link.as_str(), one.mtu, one.portgroup.as_deref()),
            ("vnet0", Some(1400), Some("slow"))
        );
        assert_eq!(one.warnings, ["target 'vnet9' is ignored: the host gives names of that kind itself"]);
        assert_eq!(one.view().source.as_deref(), Some("virbr0"));
        let shown = output("/usr/sbin/tc", "class show dev vnet0");
        assert!(shown.contains("rate 40960Kbit"), "{shown}");
        let mut named = interface("network", &[("network", "default")], 2);
        named.target = Some("web-tap".to_owned());
        named.isolated = true;
        let two = plug(bed, &named).unwrap();
        let mut third = interface("bridge", &[("bridge", "virbr0")], 3);
        third.isolated = true;
        let three = plug(bed, &third).unwrap();
        assert_eq!((two.link.as_str(), three.link.as_str()), ("web-tap", "vnet1"));
        let links = bed.links.list().unwrap();
        let link = links.iter().find(|link| link.name == name("web-tap")).unwrap();
        assert_eq!((link.master.clone(), link.mtu), (Some(name("virbr0")), 1400));
        assert!(link.alias.contains("web") && link.alias.contains(&DOMAIN.to_string()), "{}", link.alias);
        assert_ne!(link.mac, Some(two.mac), "the host's end has the guest's address");

        let (a, b, c) = (open(&one), open(&two), open(&three));
        let little = Duration::from_millis(300);
        wait("frames do not pass", || {
            send(&a, &frame(1, [0xff; 6]));
            gets(&b, &frame(1, [0xff; 6]), little).then_some(())
        });
        send(&b, &frame(2, [0xff; 6]));
        assert!(gets(&a, &frame(2, [0xff; 6]), PATIENCE));
        assert!(!gets(&c, &frame(2, [0xff; 6]), little), "isolated ports talk to each other");

        // The cable is pulled and plugged in again.
        let pulled = one.with_link(false);
        bed.networks.change(&one, &pulled).unwrap();
        assert_eq!((pulled.link_up, pulled.interface.link_up), (false, Some(false)));
        send(&b, &frame(2, [0xff; 6]));
        assert!(!gets(&a, &frame(2, [0xff; 6]), little));
        bed.networks.change(&pulled, &one).unwrap();
        wait("the cable is not plugged in", || {
            send(&b, &frame(2, [0xff; 6]));
            gets(&a, &frame(2, [0xff; 6]), little).then_some(())
        });
        drop((a, b, c));
        for port in [&one, &two, &three] {
            bed.networks.unplug(port).unwrap();
            bed.networks.unplug(port).unwrap();
        }
        bed.networks.stop(config.uuid).unwrap();
    });
}

#[test]
fn a_port_moves_to_another_network_while_its_guest_runs() {
    isolated(|bed| {
        let (first, second) = (network(|_| {}), other("second", "virbr1", 123, None));
        bed.networks.start(&first).unwrap();
        bed.networks.start(&second).unwrap();
        let port = plug(bed, &interface("network", &[("network", "default")], 1)).unwrap();
        let tap = open(&port);
        let moved = interface("network", &[("network", "second")], 1);
        let request = PortRequest { domain: DOMAIN, domain_name: "web", interface: &moved };
        let before = port;
        let port = bed.networks.plan_change(&before, &request).unwrap();
        bed.networks.change(&before, &port).unwrap();
        assert_eq!((port.link.as_str(), port.bridge()), ("vnet0", Some("virbr1")));
        let bridge = PacketSocket::open(&name("virbr1"), None).unwrap();
        wait("frames do not pass", || {
            send(&tap, &frame(1, [0xff; 6]));
            sees(&bridge, &frame(1, [0xff; 6]), Duration::from_millis(300)).then_some(())
        });
        let gone = interface("network", &[("network", "third")], 1);
        let request = PortRequest { domain: DOMAIN, domain_name: "web", interface: &gone };
        let error = bed.networks.plan_change(&port, &request).unwrap_err();
        assert_eq!(error.to_string(), "network 'third' is not active");
        assert_eq!(bed.links.find(&name("vnet0")).unwrap().unwrap().master, Some(name("virbr1")));
        drop(tap);
        bed.networks.unplug(&port).unwrap();
        bed.networks.stop(first.uuid).unwrap();
        bed.networks.stop(second.uuid).unwrap();
    });
}

#[test]
fn a_name_that_somebody_else_took_is_left_to_them() {
    isolated(|bed| {
        let config = network(|_| {});
        bed.networks.start(&config).unwrap();
        let mut wanted = interface("network", &[("network", "default")], 1);
        wanted.bandwidth.inbound =
            Some(reeve_model::network::RateLimit { average_kib: 1000, ..Default::default() });
        let request = PortRequest { domain: DOMAIN, domain_name: "web", interface: &wanted };
        let planned = bed.networks.plan(&request).unwrap();
        assert_eq!(planned.link, "vnet0");
        bed.links.create(&name("vnet0"), &reeve_sys::link::NewLink::Tap(Default::default())).unwrap();
        output("/usr/sbin/tc", "qdisc add dev vnet0 root tbf rate 1mbit burst 10kb latency 50ms");
        let error = bed.networks.make(&planned).unwrap_err();
        assert!(matches!(&error, NetworkError::Link(LinkError::Exists { name }) if name.as_str() == "vnet0"));
        bed.networks.unplug(&planned).unwrap();
        let shown = output("/usr/sbin/tc", "qdisc show dev vnet0");
        assert!(shown.contains("tbf"), "its limits are not ours: {shown}");
        let next = bed.networks.plan_besides(&request, &["vnet1".to_owned()]).unwrap();
        bed.networks.make(&next).unwrap();
        assert_eq!(next.link, "vnet2");
        bed.networks.unplug(&next).unwrap();
        KernelLinks.delete(&name("vnet0")).unwrap();
        bed.networks.stop(config.uuid).unwrap();
    });
}

fn lower(bed: &Bed, near: &str) -> NetworkNamespace {
    cable(&bed.links, near, None)
}

#[test]
fn macvtaps_reach_each_other_as_their_mode_says() {
    for (mode, reach) in [("bridge", true), ("private", false), ("vepa", false)] {
        isolated(|bed| {
            let far = lower(bed, "up0");
            let direct = |last| interface("direct", &[("dev", "up0"), ("mode", mode)], last);
            let (one, two) = (plug(bed, &direct(1)).unwrap(), plug(bed, &direct(2)).unwrap());
            assert_eq!((one.link.as_str(), two.link.as_str()), ("macvtap0", "macvtap1"));
            let (a, b) = (open(&one), open(&two));
            let to_two = frame(1, [0x52, 0x54, 0, 0, 0, 2]);
            let outside = far.run(|| PacketSocket::open(&name("eth0"), None).unwrap()).unwrap();
            send(&a, &frame(1, [0xff; 6]));
            assert!(sees(&outside, &frame(1, [0xff; 6]), PATIENCE), "{mode}: nothing gets outside");
            send(&a, &to_two);
            assert_eq!(gets(&b, &to_two, Duration::from_millis(500)), reach, "{mode}");
            // What comes from outside arrives in any mode.
            let back = frame(9, [0x52, 0x54, 0, 0, 0, 2]);
            outside.send(&back).unwrap();
            assert!(gets(&b, &back, PATIENCE), "{mode}: nothing comes in");
            drop((a, b));
            bed.networks.unplug(&one).unwrap();
            bed.networks.unplug(&two).unwrap();
            drop((outside, far));
        });
    }
}

#[test]
fn a_pool_gives_its_least_used_device_and_passthrough_gives_it_once() {
    isolated(|bed| {
        let far = [lower(bed, "up0"), lower(bed, "up1")];
        let pool = |label: &str, mode| {
            network(|config| {
                config.name = label.to_owned();
                config.bridge = Default::default();
                config.ips.clear();
                config.mac = None;
                let interfaces = vec!["up0".to_owned(), "up1".to_owned()];
                config.forward = Some(Forward { mode, interfaces, ..config.forward.take().unwrap() });
            })
        };
        let (bridged, through) =
            (pool("bridged", ForwardMode::Bridge), pool("through", ForwardMode::Passthrough));
        bed.networks.start(&bridged).unwrap();
        bed.networks.start(&through).unwrap();
        let of = |network: &str, last| plug(bed, &interface("network", &[("network", network)], last));
        let lower = |port: &PlannedPort| port.view().source.unwrap();
        let first = of("bridged", 1).unwrap();
        let second = of("bridged", 2).unwrap();
        assert_ne!(lower(&first), lower(&second));
        bed.networks.unplug(&second).unwrap();
        let alone = of("through", 3).unwrap();
        assert_eq!(lower(&alone), lower(&second));
        let error = of("through", 4).unwrap_err().to_string();
        assert_eq!(
            error,
            "interface 52:54:00:00:00:04 of domain 'web': all devices of network 'through' are in use"
        );
        bed.networks.unplug(&alone).unwrap();
        bed.networks.unplug(&first).unwrap();
        bed.networks.stop(bridged.uuid).unwrap();
        bed.networks.stop(through.uuid).unwrap();
        drop(far);
    });
}

#[test]
fn what_can_not_be_plugged_in_is_said() {
    isolated(|bed| {
        let refused = |interface: Interface| plug(bed, &interface).unwrap_err().to_string();
        assert!(
            refused(interface("user", &[], 1))
                .contains("type 'user' is a network stack inside of the emulator")
        );
        assert!(refused(interface("hostdev", &[], 1)).contains("type 'hostdev' hands a PCI function"));
        assert!(
            refused(interface("direct", &[("dev", "eth7")], 1))
                .contains("network interface 'eth7' is not there")
        );
        assert!(refused(interface("bridge", &[], 1)).contains("needs <source bridge='…'/>"));
        assert!(refused(interface("bridge", &[("bridge", "lo")], 1)).contains("'lo' is no bridge"));
        let mut tagged = interface("direct", &[("dev", "lo")], 1);
        tagged.vlan = Some(reeve_model::network::Vlan {
            trunk: None,
            tags: vec![reeve_model::network::VlanTag { id: 5, native_mode: None }],
        });
        assert!(refused(tagged).contains("<vlan> needs Open vSwitch or SR-IOV"));
        let tunnel =
            plug(bed, &interface("mcast", &[("address", "230.0.0.1"), ("port", "5558")], 1)).unwrap();
        assert_eq!((tunnel.medium.clone(), tunnel.has_link()), (Medium::Tunnel, false));
        bed.networks.unplug(&tunnel).unwrap();
        // A tap that is there is used and left alone.
        bed.links.create(&name("mytap"), &reeve_sys::link::NewLink::Tap(Default::default())).unwrap();
        let mut own = interface("ethernet", &[], 1);
        own.target = Some("mytap".to_owned());
        let port = plug(bed, &own).unwrap();
        assert_eq!((port.link.as_str(), port.medium.clone()), ("mytap", Medium::ForeignTap));
        bed.networks.unplug(&port).unwrap();
        KernelLinks.delete(&name("mytap")).unwrap();
        // And one that is not there is made.
        own.common.extra.elements.push("<script path='/etc/qemu-ifup'/>".to_owned());
        let port = plug(bed, &own).unwrap();
        assert_eq!(port.medium, Medium::LooseTap);
        assert_eq!(port.warnings.len(), 1);
        bed.networks.unplug(&port).unwrap();
    });
}
