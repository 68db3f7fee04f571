//! Interfaces of a domain as devices of a worker: what their frames travel on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use reeve_model::domain::{Interface, OffloadSwitches};
use reeve_vmm::config::{DeviceConfig, DeviceKind, NetBackend, NetConfig, Offloads, Segmentation};

use super::devices::{device, notified};
use super::plan::{Source, Sources};

/// Largest packet where the document names none.
const ETHERNET_MTU: u32 = 1500;

/// One interface.
pub(super) fn interface(interface: &Interface, sources: &mut Sources) -> Result<DeviceConfig, String> {
    let mac = interface.mac.as_deref().ok_or("an interface has no MAC address")?;
    let named = |sentence: String| format!("interface '{mac}' {sentence}");
    let bytes = parse_mac(mac).ok_or_else(|| named("has no valid MAC address".to_owned()))?;
    if let Some(model) = interface.model.as_deref().filter(|model| *model != "virtio") {
        return Err(named(format!("is a '{model}': only virtio is there")));
    }
    if let Some(name) = interface.driver.name.as_deref().filter(|name| *name != "qemu") {
        return Err(named(format!(
            "asks for driver '{name}': only the worker's own, 'qemu', is there; leave the name out to get what there is"
        )));
    }
    let queues = interface.queues();
    if !(1..=NetConfig::MAX_PAIRS as u32).contains(&queues) {
        return Err(named(format!("has {queues} queues: use 1 to {}", NetConfig::MAX_PAIRS)));
    }
    let backend = backend(interface, sources).map_err(named)?;
    if queues > 1 && !matches!(backend, NetBackend::Tap { .. }) {
        return Err(named(format!("has {queues} queues: of its type it can have one")));
    }
    let mtu = u16::try_from(interface.mtu.unwrap_or(ETHERNET_MTU));
    let mtu = mtu.map_err(|_| named("has an MTU above 65535".to_owned()))?;
    let link_up = interface.link_up.unwrap_or(true);
    let offloads = offloads(&interface.driver.host, &interface.driver.guest);
    let kind = DeviceKind::Net(NetConfig { backend, mac: bytes, mtu, link_up, offloads });
    let driver = &interface.driver;
    notified(device(&interface.common, kind)?, driver.ioeventfd, driver.event_idx)
}

/// What is not said is on; where the host's side can't do it, it is not offered.
fn offloads(host: &OffloadSwitches, guest: &OffloadSwitches) -> Offloads {
    let of = |switches: &OffloadSwitches| {
        let segments = switches.gso.unwrap_or(true);
        let on = |switch: Option<bool>| segments && switch.unwrap_or(true);
        Segmentation {
            csum: switches.csum.unwrap_or(true),
            tso4: on(switches.tso4),
            tso6: on(switches.tso6),
            ecn: on(switches.ecn),
            ufo: on(switches.ufo),
        }
    };
    Offloads { host: of(host), guest: of(guest), merge: host.mrg_rxbuf.unwrap_or(true) }
}

/// The tap of an interface that has one.
pub(super) fn tap(interface: &Interface) -> Option<String> {
    let has_tap = matches!(interface.kind.as_str(), "ethernet" | "bridge" | "network");
    interface.target.clone().filter(|_| has_tap)
}

/// The host's side; the rest of a sentence about the interface when there is none.
fn backend(interface: &Interface, sources: &mut Sources) -> Result<NetBackend, String> {
    let name = interface.target.clone().unwrap_or_else(|| "vnet%d".to_owned());
    let up = interface.link_up.unwrap_or(true);
    let multi_queue = interface.queues() > 1;
    let source = match interface.kind.as_str() {
        "ethernet" => Source::Tap { name, bridge: None, up, multi_queue },
        "bridge" => {
            let bridge = interface.source_attribute("bridge").ok_or("names no bridge")?.to_owned();
            Source::Tap { name, bridge: Some(bridge), up, multi_queue }
        }
        // Both are made before the machine is, by who knows the network or the host's interface; a network's may be a macvtap too.
        "network" => Source::PreparedTap { name, up },
        "direct" => Source::Macvtap { name },
        "mcast" => {
            let group = group(interface)?;
            let receive = sources.add(Source::MulticastReceiver { group });
            let send = sources.add(Source::MulticastSender { group });
            return Ok(NetBackend::Multicast { receive, send });
        }
        "server" => {
            let address = address(interface)?;
            return Ok(NetBackend::Server { fd: sources.add(Source::TunnelServer { address }) });
        }
        "client" => {
            let address = address(interface)?;
            return Ok(NetBackend::Client { fd: sources.add(Source::TunnelClient { address }) });
        }
        other => {
            return Err(format!(
                "is of type '{other}': use network, bridge, direct, ethernet, mcast, server or client"
            ));
        }
    };
    let fd = sources.add(source);
    let more = (1..interface.queues()).map(|_| sources.add(Source::TapQueue { first: fd })).collect();
    Ok(NetBackend::Tap { fd, more })
}

/// Address and port of a tunnel. Names are not looked up: whoever answers for them would choose where frames go.
fn address(interface: &Interface) -> Result<SocketAddr, String> {
    let address = interface.source_attribute("address").ok_or("has no source address")?;
    let parsed: IpAddr = address.parse().map_err(|_| format!("has '{address}', which is no IP address"))?;
    let port = interface.source_attribute("port").ok_or("has no source port")?;
    match port.parse() {
        Ok(number @ 1u16..) => Ok(SocketAddr::new(parsed, number)),
        _ => Err(format!("has '{port}', which is no port: those are 1 to 65535")),
    }
}

fn group(interface: &Interface) -> Result<SocketAddrV4, String> {
    match address(interface)? {
        SocketAddr::V4(group) if Ipv4Addr::is_multicast(group.ip()) => Ok(group),
        other => {
            Err(format!("has '{}', which is not in 224.0.0.0/4, where multicast groups are", other.ip()))
        }
    }
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Attributes<'a> = &'a [(&'a str, &'a str)];

    fn of(kind: &str, source: Attributes<'_>) -> Result<(DeviceConfig, Vec<Source>), String> {
        let text = format!(r#"{{"kind": "{kind}", "mac": "52:54:00:00:00:01", "target": "t0"}}"#);
        let mut made: Interface = serde_json::from_str(&text).unwrap();
        made.source = source.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut sources = Sources::default();
        interface(&made, &mut sources).map(|device| (device, sources.0))
    }

    #[test]
    fn every_kind_has_its_source() {
        let name = "t0".to_owned();
        let taps = [
            ("ethernet", Source::Tap { name: name.clone(), bridge: None, up: true, multi_queue: false }),
            ("network", Source::PreparedTap { name: name.clone(), up: true }),
            ("direct", Source::Macvtap { name }),
        ];
        for (kind, source) in taps {
            assert_eq!(of(kind, &[]).unwrap().1, [source]);
        }
        let at = [("address", "230.0.0.1"), ("port", "5558")];
        let (device, sources) = of("mcast", &at).unwrap();
        let DeviceKind::Net(NetConfig { backend: NetBackend::Multicast { receive, send }, .. }) = device.kind
        else {
            panic!("{device:?}")
        };
        let group = "230.0.0.1:5558".parse().unwrap();
        assert_eq!(sources[receive.0 as usize], Source::MulticastReceiver { group });
        assert_eq!(sources[send.0 as usize], Source::MulticastSender { group });
        let at = [("address", "::1"), ("port", "65535")];
        let address = "[::1]:65535".parse().unwrap();
        assert_eq!(of("server", &at).unwrap().1, [Source::TunnelServer { address }]);
        assert_eq!(of("client", &at).unwrap().1, [Source::TunnelClient { address }]);
    }

    #[test]
    fn a_driver_says_how_many_queues_there_are_and_what_is_left_to_whom() {
        let of = |kind: &str, driver: &str| {
            let text = format!(
                r#"{{"kind": "{kind}", "mac": "52:54:00:00:00:01", "target": "t0", "driver": {driver}}}"#
            );
            let mut made: Interface = serde_json::from_str(&text).unwrap();
            made.source = vec![("address".to_owned(), "::1".to_owned()), ("port".to_owned(), "1".to_owned())];
            let mut sources = Sources::default();
            interface(&made, &mut sources).map(|device| (device, sources.0))
        };
        let net = |driver: &str| match of("ethernet", driver).unwrap().0.kind {
            DeviceKind::Net(net) => net,
            other => panic!("{other:?}"),
        };
        let (device, sources) = of("ethernet", r#"{"name": "qemu", "queues": 3}"#).unwrap();
        let DeviceKind::Net(NetConfig { backend: NetBackend::Tap { fd, more }, offloads, .. }) = device.kind
        else {
            panic!("{device:?}")
        };
        assert_eq!((fd.0, more.len(), offloads), (0, 2, Offloads::ALL));
        let tap = Source::Tap { name: "t0".to_owned(), bridge: None, up: true, multi_queue: true };
        assert_eq!(sources, [tap, Source::TapQueue { first: fd }, Source::TapQueue { first: fd }]);
        let offloads =
            net(r#"{"host": {"gso": false, "mrg_rxbuf": false}, "guest": {"csum": false}}"#).offloads;
        let host = Segmentation { csum: true, ..Segmentation::NONE };
        let guest = Segmentation { csum: false, ..Segmentation::ALL };
        assert_eq!(offloads, Offloads { host, guest, merge: false });
        for (kind, driver, reason) in [
            ("ethernet", r#"{"name": "vhost"}"#, "asks for driver 'vhost'"),
            ("ethernet", r#"{"queues": 0}"#, "has 0 queues: use 1 to 32"),
            ("ethernet", r#"{"queues": 33}"#, "has 33 queues: use 1 to 32"),
            ("client", r#"{"queues": 2}"#, "of its type it can have one"),
        ] {
            let refused = of(kind, driver).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn what_can_not_be_reached_is_refused_with_the_reason() {
        let refused: [(&str, Attributes<'_>, &str); 9] = [
            ("user", &[], "is of type 'user': use network"),
            ("bridge", &[], "names no bridge"),
            ("mcast", &[("address", "192.0.2.1"), ("port", "1")], "not in 224.0.0.0/4"),
            ("mcast", &[("address", "ff02::1"), ("port", "1")], "not in 224.0.0.0/4"),
            ("mcast", &[("address", "230.0.0.1")], "has no source port"),
            ("server", &[("port", "5558")], "has no source address"),
            ("server", &[("address", "127.0.0.1"), ("port", "0")], "those are 1 to 65535"),
            ("client", &[("address", "127.0.0.1"), ("port", "65536")], "those are 1 to 65535"),
            ("client", &[("address", "host.example"), ("port", "1")], "which is no IP address"),
        ];
        for (kind, source, reason) in refused {
            let sentence = of(kind, source).unwrap_err();
            assert!(
                sentence.starts_with("interface '52:54:00:00:00:01' ") && sentence.contains(reason),
                "{sentence}"
            );
        }
    }
}
