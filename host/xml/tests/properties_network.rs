//! What holds for every network, filter and host interface: what is written reads back as the same.

use std::net::{IpAddr, Ipv4Addr};

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use reeve_model::MacAddress;
use reeve_model::domain::Extra;
use reeve_model::filter::{
    Access, Attribute, Condition, FilterConfig, FilterEntry, FilterReference, FilterRule, Parameter,
    Protocol, ProtocolMatch, RuleAction, RuleDirection, Value,
};
use reeve_model::host_interface::{HostDhcp, HostInterfaceConfig, HostInterfaceKind, HostProtocol};
use reeve_model::network::{
    AddressRange, Bandwidth, Bootp, Bridge, Dhcp, DhcpHost, DhcpRange, Dns, DnsDomain, DnsForwarder, DnsHost,
    DnsSrv, DnsTxt, Forward, ForwardMode, IpConfig, IpNetwork, Nat, NetworkConfig, PortGroup, PortRange,
    RateLimit, Route, VirtualPort, Vlan, VlanTag,
};
use reeve_xml::{ParseOptions, filter, host_interface, network};

macro_rules! assert_reads_back {
    ($kind:ident, $config:expr) => {{
        let text = $kind::format(&$config);
        let parsed = $kind::parse(&text, &ParseOptions::default());
        let parsed = parsed.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&parsed.document, &$config, "{}", text);
        prop_assert_eq!($kind::format(&parsed.document), text);
    }};
}

proptest! {
    #[test]
    fn networks_read_back(config in networks()) {
        prop_assert_eq!(config.check(), Ok(()));
        assert_reads_back!(network, config);
        let live = network::format_live(&config, 3);
        prop_assert!(live.starts_with("<network connections='3'"), "{}", live);
        let parsed = network::parse(&live, &ParseOptions::default()).map(|parsed| parsed.document);
        prop_assert_eq!(parsed, Ok(config));
    }

    #[test]
    fn filters_read_back(config in filters()) {
        assert_reads_back!(filter, config);
    }

    #[test]
    fn host_interfaces_read_back(config in host_interface("br0")) {
        assert_reads_back!(host_interface, config);
    }
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,8}"
}

fn mac() -> impl Strategy<Value = MacAddress> {
    any::<[u8; 5]>().prop_map(|[a, b, c, d, e]| MacAddress([0x52, a, b, c, d, e]))
}

fn v4(third: u8, last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 9, third, last))
}

fn extra() -> impl Strategy<Value = Extra> {
    let attributes = of("[ -~é]{0,9}")
        .prop_map(|value| value.map(|value| ("x-note".to_owned(), value)).into_iter().collect());
    let elements = of(Just("<x-two a='b'>words &amp; more</x-two>".to_owned()))
        .prop_map(|element| element.into_iter().collect());
    (attributes, elements).prop_map(|(attributes, elements)| Extra { attributes, elements })
}

fn bandwidth() -> impl Strategy<Value = Bandwidth> {
    let limit = (1..1000_u64, of(0..9_u64), of(any::<u64>())).prop_map(|(average_kib, more, burst_kib)| {
        RateLimit { average_kib, peak_kib: more.map(|more| average_kib + more), burst_kib, floor_kib: None }
    });
    (of(limit.clone()), of(limit)).prop_map(|(inbound, outbound)| Bandwidth { inbound, outbound })
}

fn vlan() -> impl Strategy<Value = Vlan> {
    let tag = (0..4096_u16, of(prop::sample::select(vec!["tagged", "untagged"])))
        .prop_map(|(id, mode)| VlanTag { id, native_mode: mode.map(str::to_owned) });
    (of(Just(true)), vec(tag, 1..3)).prop_map(|(trunk, tags)| Vlan { trunk, tags })
}

fn virtualport() -> impl Strategy<Value = VirtualPort> {
    (of(name()), of("[ -~]{0,9}")).prop_map(|(kind, value)| VirtualPort {
        kind,
        parameters: value.map(|value| ("profileid".to_owned(), value)).into_iter().collect(),
    })
}

fn portgroups() -> impl Strategy<Value = Vec<PortGroup>> {
    let group = (bandwidth(), of(vlan()), of(virtualport()), extra()).prop_map(
        |(bandwidth, vlan, virtualport, extra)| PortGroup {
            name: String::new(),
            default: false,
            bandwidth,
            vlan,
            virtualport,
            extra,
        },
    );
    vec(group, 0..3).prop_map(|mut groups| {
        for (index, group) in groups.iter_mut().enumerate() {
            group.name = format!("group.{index}");
            group.default = index == 1;
        }
        groups
    })
}

fn dns() -> impl Strategy<Value = Dns> {
    let forwarder = (of(Just(v4(9, 9))), name())
        .prop_map(|(address, domain)| DnsForwarder { address, domain: Some(domain) });
    let txt = (name(), of("[ -~é]{0,20}")).prop_map(|(name, value)| DnsTxt { name, value });
    let host =
        (any::<u8>(), vec(name(), 1..3)).prop_map(|(last, hostnames)| DnsHost { ip: v4(9, last), hostnames });
    let srv =
        (name(), of(name()), of(name()), 1..u16::MAX).prop_map(|(service, domain, target, port)| DnsSrv {
            service,
            protocol: "tcp".to_owned(),
            domain,
            port: target.as_ref().map(|_| port),
            priority: target.as_ref().map(|_| port),
            weight: None,
            target,
        });
    (
        of(any::<bool>()),
        of(any::<bool>()),
        vec(forwarder, 0..2),
        vec(txt, 0..2),
        vec(host, 0..2),
        vec(srv, 0..2),
    )
        .prop_map(|(enable, forward_plain_names, forwarders, txts, hosts, srvs)| Dns {
            enable,
            forward_plain_names,
            forwarders,
            txts,
            hosts,
            srvs,
        })
}

fn ips() -> impl Strategy<Value = Vec<IpConfig>> {
    let lease = || of(prop_oneof![Just(0_u64), 120..90_000_u64]);
    let range = (2..100_u8, 100..255_u8, lease()).prop_map(|(start, end, lease_s)| DhcpRange {
        addresses: AddressRange { start: v4(0, start), end: v4(0, end) },
        lease_s,
    });
    let host = (of(mac()), name(), of(2..255_u8), lease()).prop_map(|(mac, name, last, lease_s)| DhcpHost {
        mac,
        id: None,
        name: Some(name),
        ip: last.map(|last| v4(0, last)),
        lease_s,
    });
    let bootp = (name(), of(name())).prop_map(|(file, server)| Bootp { file, server });
    let dhcp = (vec(range, 0..2), vec(host, 0..3), of(bootp)).prop_map(|(ranges, hosts, bootp)| Dhcp {
        ranges,
        hosts,
        bootp,
    });
    let first = (any::<bool>(), any::<bool>(), of(Just("/srv/tftp".to_owned())), of(dhcp)).prop_map(
        |(netmask_form, local_ptr, tftp_root, dhcp)| IpConfig {
            network: IpNetwork { address: v4(0, 1), prefix: 24 },
            netmask_form,
            local_ptr,
            tftp_root,
            dhcp,
        },
    );
    (first, any::<bool>()).prop_map(|(first, six)| {
        let second = six.then(|| IpConfig {
            network: IpNetwork { address: "fd09::1".parse().expect("an address"), prefix: 64 },
            netmask_form: false,
            local_ptr: false,
            tftp_root: None,
            dhcp: None,
        });
        [Some(first), second].into_iter().flatten().collect()
    })
}

fn forwards() -> impl Strategy<Value = Option<Forward>> {
    let nat = (any::<bool>(), any::<bool>(), of(1..u16::MAX)).prop_map(|(ipv6, addresses, port)| Nat {
        ipv6,
        addresses: addresses.then(|| AddressRange { start: v4(7, 1), end: v4(7, 9) }),
        ports: port.map(|start| PortRange { start, end: u16::MAX }),
    });
    let forward = (of(nat), of(Just("eth0".to_owned())), of(any::<bool>()), extra()).prop_map(
        |(nat, dev, managed, extra)| Forward {
            mode: if nat.is_some() { ForwardMode::Nat } else { ForwardMode::Route },
            interfaces: dev.iter().cloned().collect(),
            dev,
            managed,
            nat,
            pf: None,
            extra,
        },
    );
    of(forward)
}

fn networks() -> impl Strategy<Value = NetworkConfig> {
    let bridge = (of(name()), of(any::<bool>()), of(0..31_u32), extra()).prop_map(
        |(name, stp, delay_s, mut extra)| {
            // A bridge has no children.
            extra.elements.clear();
            Bridge { name, stp, delay_s, extra }
        },
    );
    let domain = (name(), any::<bool>()).prop_map(|(name, local_only)| DnsDomain { name, local_only });
    let route = of(1..9_u32).prop_map(|metric| Route {
        destination: IpNetwork { address: v4(64, 0), prefix: 24 },
        netmask_form: metric.is_some(),
        gateway: v4(0, 9),
        metric,
    });
    let identity = (name(), any::<[u8; 16]>(), any::<[bool; 2]>(), of(mac()), of(68..65536_u32));
    let ports = (bandwidth(), of(vlan()), of(virtualport()), portgroups());
    (identity, forwards(), bridge, of(domain), dns(), ports, ips(), vec(route, 0..2), extra()).prop_map(
        |(
            (name, uuid, [guest_ipv6, port_isolated], mac, mtu),
            forward,
            bridge,
            domain,
            dns,
            ports,
            ips,
            routes,
            extra,
        )| {
            let (bandwidth, vlan, virtualport, portgroups) = ports;
            NetworkConfig {
                name,
                uuid: uuid::Uuid::from_bytes(uuid),
                metadata: None,
                guest_ipv6,
                forward,
                bridge,
                mac,
                mtu,
                domain,
                dns,
                bandwidth,
                vlan,
                virtualport,
                port_isolated,
                portgroups,
                ips,
                routes,
                extra,
            }
        },
    )
}

fn matches() -> impl Strategy<Value = Vec<ProtocolMatch>> {
    let variable = (0..9_u32, any::<bool>()).prop_map(|(number, element)| Value::Variable {
        name: format!("LIST_{number}"),
        access: if element { Access::Element(number) } else { Access::Iterator(number) },
    });
    let node = (any::<bool>(), variable, of("[ -~é]{0,40}")).prop_map(|(negated, value, comment)| {
        let address = Condition { attribute: Attribute::SrcMacAddr, value };
        let comment = comment
            .map(|comment| Condition { attribute: Attribute::Comment, value: Value::Literal(comment) });
        let conditions = [Some(address), comment].into_iter().flatten().collect();
        ProtocolMatch { protocol: Protocol::Mac, negated, conditions }
    });
    (prop::sample::select(Protocol::ALL), vec(node, 0..3)).prop_map(|(protocol, mut nodes)| {
        nodes.iter_mut().for_each(|node| node.protocol = protocol);
        nodes
    })
}

fn filters() -> impl Strategy<Value = FilterConfig> {
    let parameter = ("[A-Z_0-9]{1,9}", "[ -~]{0,20}").prop_map(|(name, value)| Parameter { name, value });
    let reference = ("[A-Z]{1,9}", vec(parameter, 0..3))
        .prop_map(|(filter, parameters)| FilterEntry::Reference(FilterReference { filter, parameters }));
    let action = prop::sample::select(vec![RuleAction::Drop, RuleAction::Reject, RuleAction::Continue]);
    let direction = prop::sample::select(vec![RuleDirection::In, RuleDirection::Out, RuleDirection::Inout]);
    let rule = (action, direction, -1000..1001_i32, any::<bool>(), matches()).prop_map(
        |(action, direction, priority, statematch, matches)| {
            FilterEntry::Rule(FilterRule { action, direction, priority, statematch, matches })
        },
    );
    let entries = vec(prop_oneof![reference, rule], 0..6);
    (name(), any::<[u8; 16]>(), of(-1000..1001_i32), entries, extra()).prop_map(
        |(name, uuid, priority, entries, extra)| FilterConfig {
            name,
            uuid: uuid::Uuid::from_bytes(uuid),
            chain: "root".to_owned(),
            priority,
            entries,
            extra,
        },
    )
}

fn host_interface(name: &'static str) -> impl Strategy<Value = HostInterfaceConfig> {
    let member = |name: &'static str| {
        (of(mac()), of(68..65536_u32), extra()).prop_map(move |(mac, mtu, extra)| HostInterfaceConfig {
            name: name.to_owned(),
            kind: HostInterfaceKind::Ethernet,
            start_mode: None,
            mac,
            mtu,
            protocols: vec![],
            extra,
        })
    };
    let kind = prop_oneof![
        Just(HostInterfaceKind::Ethernet),
        (of(any::<bool>()), of(Just("0.01".to_owned())), of(member("eth0"))).prop_map(
            |(stp, delay, port)| {
                HostInterfaceKind::Bridge { stp, delay, ports: port.into_iter().collect() }
            }
        ),
        (of(Just("802.3ad".to_owned())), member("eth0"), member("eth1"))
            .prop_map(|(mode, one, two)| HostInterfaceKind::Bond { mode, members: vec![one, two] }),
        (1..4095_u16).prop_map(|tag| HostInterfaceKind::Vlan { tag, lower: "eth0".to_owned() }),
    ];
    let protocols = (any::<bool>(), any::<bool>(), of(of(any::<bool>())), any::<bool>()).prop_map(
        |(any, autoconf, dhcp, address)| {
            let protocol = HostProtocol {
                six: false,
                autoconf,
                dhcp: dhcp.map(|peer_dns| HostDhcp { peer_dns }),
                addresses: address.then(|| IpNetwork { address: v4(0, 1), prefix: 24 }).into_iter().collect(),
                gateways: address.then(|| v4(0, 9)).into_iter().collect(),
            };
            any.then_some(protocol).into_iter().collect::<Vec<_>>()
        },
    );
    (member(name), kind, of(Just("onboot".to_owned())), protocols).prop_map(
        |(base, kind, start_mode, protocols)| HostInterfaceConfig { kind, start_mode, protocols, ..base },
    )
}
