//! Every field of a packet, both ways: a rule with it, a rule with its opposite, and a packet that has no such field.

use reeve_model::MacAddress;
use reeve_model::filter::{Field, Layer, Match, Operand, Verdict};
use reeve_packets::{ACK, Arp, Bpdu, Frame, SYN, icmp, icmp6, ipv4, ipv6, sctp, tcp, udp, udplite};

use crate::rig::{self, GUEST, OTHER, Way, is, number, rule, rules};

/// A field with what it is compared with, a packet that is so, one that is not, and one that has no such field.
struct Case {
    /// What else the rule needs.
    with: Vec<Match>,
    one: Match,
    same: Vec<u8>,
    other: Vec<u8>,
    without: Option<Vec<u8>>,
}

fn frame() -> Frame {
    Frame::new(OTHER, GUEST)
}

fn mac(last: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, last])
}

fn arp() -> Arp {
    Arp::reply(mac(1), "10.0.0.1", mac(2), "10.0.0.2")
}

fn v4() -> reeve_packets::Ipv4 {
    ipv4("10.0.0.1", "10.0.0.2")
}

fn v6() -> reeve_packets::Ipv6 {
    ipv6("fd00::1", "fd00::2")
}

fn link() -> Vec<Case> {
    let plain = |one, same, other| Case { with: vec![], one, same, other, without: None };
    let experiment = |frame: Frame| frame.carry(0x88b6, &[7; 46]);
    let tagged = |vlan, kind| frame().tagged(vlan, kind, &[7; 46]);
    let masked = |value, mask| Operand::MacMasked { value, mask };
    let vlan = |one, same, other| Case { with: vec![], one, same, other, without: Some(experiment(frame())) };
    vec![
        plain(
            is(Field::EtherSource, Operand::Mac(mac(9))),
            experiment(Frame { source: mac(9), ..frame() }),
            experiment(frame()),
        ),
        plain(
            is(Field::EtherSource, masked(mac(0), MacAddress([0xff, 0xff, 0, 0, 0, 0]))),
            experiment(Frame { source: mac(9), ..frame() }),
            experiment(frame()),
        ),
        plain(
            is(Field::EtherDestination, Operand::Mac(mac(8))),
            experiment(Frame { destination: mac(8), ..frame() }),
            experiment(frame()),
        ),
        plain(number(Field::EtherType, 0x88b6), experiment(frame()), frame().carry(0x88b7, &[7; 46])),
        // What is inside of a VLAN is not what it is outside.
        plain(number(Field::EtherType, 0x8100), tagged(5, 0x88b6), experiment(frame())),
        plain(number(Field::EtherType, 0x88b6), experiment(frame()), tagged(5, 0x88b6)),
        vlan(number(Field::VlanId, 5), tagged(5, 0x88b6), tagged(4095, 0x88b6)),
        vlan(is(Field::VlanId, Operand::Range(5, 7)), tagged(0xe007, 0x88b6), tagged(8, 0x88b6)),
        vlan(number(Field::VlanType, 0x88b6), tagged(5, 0x88b6), tagged(5, 0x88b7)),
    ]
}

/// In ARP and in RARP.
fn arp_case(one: Match, bend: impl Fn(&mut Arp)) -> [Case; 2] {
    let mut bent = arp();
    bend(&mut bent);
    let without = Some(frame().ipv4(&v4(), &udp(1, 2)));
    let case = |kind, same, other| {
        let with = vec![number(Field::EtherType, kind)];
        Case { with, one: one.clone(), same, other, without: without.clone() }
    };
    [
        Case { with: vec![], ..case(0x806, frame().arp(&arp()), frame().arp(&bent)) },
        case(0x8035, frame().rarp(&arp()), frame().rarp(&bent)),
    ]
}

fn arps() -> Vec<Case> {
    let ip = |text: &str| Operand::Address(text.parse().unwrap());
    let mut cases: Vec<Case> = [
        arp_case(number(Field::ArpHardwareType, 1), |arp| arp.hardware_type = 6),
        arp_case(number(Field::ArpProtocolType, 0x800), |arp| arp.protocol_type = 0x86dd),
        arp_case(number(Field::ArpOperation, 2), |arp| arp.operation = 1),
        arp_case(is(Field::ArpSourceMac, Operand::Mac(mac(1))), |arp| arp.sender_mac = mac(3)),
        arp_case(is(Field::ArpTargetMac, Operand::Mac(mac(2))), |arp| arp.target_mac = mac(3)),
        arp_case(is(Field::ArpSourceIp, ip("10.0.0.1")), |arp| arp.sender_ip = [10, 0, 0, 3].into()),
        arp_case(is(Field::ArpTargetIp, ip("10.0.0.2")), |arp| arp.target_ip = [11, 0, 0, 2].into()),
        arp_case(number(Field::ArpGratuitous, 0), |arp| arp.sender_ip = arp.target_ip),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut own = arp();
    own.sender_ip = own.target_ip;
    // Addresses that differ in one byte each.
    for near in [[10, 0, 0, 3], [10, 0, 1, 2], [10, 1, 0, 2], [11, 0, 0, 2]] {
        let near = Arp { sender_ip: near.into(), ..own };
        let (same, other) = (frame().arp(&own), frame().arp(&near));
        cases.push(Case { with: vec![], one: number(Field::ArpGratuitous, 1), same, other, without: None });
    }
    // Hardware addresses of another length: the fields lie elsewhere.
    let odd = frame().arp(&Arp { hardware_length: 5, ..arp() });
    for case in &mut cases {
        if matches!(case.one.field, Field::ArpSourceMac | Field::ArpSourceIp | Field::ArpGratuitous) {
            case.without = Some(odd.clone());
        }
    }
    cases
}

fn ip() -> Vec<Case> {
    let tcp = || tcp(1000, 80, SYN);
    let address = |text: &str| Operand::Address(text.parse().unwrap());
    let network = |text: &str, prefix| {
        let address = text.parse().unwrap();
        Operand::Network(reeve_model::network::IpNetwork { address, prefix })
    };
    let between = |start: &str, end: &str| {
        let (start, end) = (start.parse().unwrap(), end.parse().unwrap());
        Operand::Addresses(reeve_model::network::AddressRange { start, end })
    };
    let four = |one: Match, source: &str, destination: &str| Case {
        with: vec![],
        one,
        same: frame().ipv4(&v4(), &tcp()),
        other: frame().ipv4(&ipv4(source, destination), &tcp()),
        // What is inside of a VLAN is not looked at.
        without: Some(frame().tagged(5, 0x800, &v4().carry(&tcp()))),
    };
    let six = |one: Match, source: &str, destination: &str| Case {
        with: vec![],
        one,
        same: frame().ipv6(&v6(), &tcp()),
        other: frame().ipv6(&ipv6(source, destination), &tcp()),
        without: Some(frame().tagged(5, 0x86dd, &v6().carry(&tcp()))),
    };
    let dscp4 = frame().ipv4(&reeve_packets::Ipv4 { dscp: 46, ..v4() }, &tcp());
    let dscp6 = frame().ipv6(&reeve_packets::Ipv6 { dscp: 46, ..v6() }, &tcp());
    let (near4, near6) = (
        frame().ipv4(&reeve_packets::Ipv4 { dscp: 47, ..v4() }, &tcp()),
        frame().ipv6(&reeve_packets::Ipv6 { dscp: 62, ..v6() }, &tcp()),
    );
    let case = |one, same: &[u8], other: &[u8], without: &[u8]| Case {
        with: vec![],
        one,
        same: same.to_vec(),
        other: other.to_vec(),
        without: Some(without.to_vec()),
    };
    vec![
        four(is(Field::IpSource, address("10.0.0.1")), "10.0.0.3", "10.0.0.2"),
        four(is(Field::IpSource, network("10.0.0.7", 29)), "10.0.0.8", "10.0.0.2"),
        four(is(Field::IpDestination, address("10.0.0.2")), "10.0.0.1", "10.0.0.3"),
        four(is(Field::IpDestination, between("10.0.0.2", "10.0.0.4")), "10.0.0.1", "10.0.0.5"),
        six(is(Field::Ip6Source, address("fd00::1")), "fd00::3", "fd00::2"),
        six(is(Field::Ip6Source, network("fd00::", 64)), "fd00:0:0:1::1", "fd00::2"),
        six(is(Field::Ip6Destination, address("fd00::2")), "fd00::1", "fd00::3"),
        six(is(Field::Ip6Destination, between("fd00::2", "fd00::ff")), "fd00::1", "fd00::1:0"),
        case(number(Field::IpDscp, 46), &dscp4, &near4, &dscp6),
        case(
            is(Field::IpDscp, Operand::Masked { value: 46, mask: 0x3e }),
            &near4,
            &frame().ipv4(&v4(), &tcp()),
            &dscp6,
        ),
        case(number(Field::Ip6Dscp, 46), &dscp6, &near6, &dscp4),
        case(is(Field::Ip6Dscp, Operand::Range(40, 50)), &dscp6, &near6, &dscp4),
    ]
}

fn protocols() -> Vec<Case> {
    let segments = [
        (1, icmp(8, 0)),
        (2, reeve_packets::igmp()),
        (6, tcp(1000, 80, SYN)),
        (17, udp(1000, 80)),
        (50, reeve_packets::esp()),
        (51, reeve_packets::ah()),
        (58, icmp6(128, 0)),
        (132, sctp(1000, 80)),
        (136, udplite(1000, 80)),
    ];
    let mut cases = Vec::new();
    for (protocol, segment) in &segments {
        let (_, next) = segments.iter().find(|(other, _)| other != protocol).unwrap();
        let (same, other) = (frame().ipv4(&v4(), segment), frame().ipv4(&v4(), next));
        let without = Some(frame().ipv6(&v6(), segment));
        let one = number(Field::IpProtocol, *protocol);
        cases.push(Case { with: vec![], one, same, other, without });
        // Behind a header of options too.
        let options = reeve_packets::Ipv6 { options: true, ..v6() };
        for header in [v6(), options] {
            let (same, other) = (frame().ipv6(&header, segment), frame().ipv6(&header, next));
            let without = Some(frame().ipv4(&v4(), segment));
            let one = number(Field::Ip6Protocol, *protocol);
            cases.push(Case { with: vec![], one, same, other, without });
        }
    }
    cases
}

fn ports() -> Vec<Case> {
    /// A segment between two ports.
    type Make = fn(u16, u16) -> reeve_packets::Segment;
    let kinds: [(u64, Make); 4] = [(6, |a, b| tcp(a, b, SYN)), (17, udp), (132, sctp), (136, udplite)];
    let mut cases = Vec::new();
    for (protocol, make) in kinds {
        let other_kind = if protocol == 17 { tcp(1000, 80, SYN) } else { udp(1000, 80) };
        let mut case = |one: Match, source, destination| {
            cases.push(Case {
                with: vec![number(Field::IpProtocol, protocol)],
                one: one.clone(),
                same: frame().ipv4(&v4(), &make(1000, 80)),
                other: frame().ipv4(&v4(), &make(source, destination)),
                without: Some(frame().ipv4(&v4(), &other_kind)),
            });
            cases.push(Case {
                with: vec![number(Field::Ip6Protocol, protocol)],
                one,
                same: frame().ipv6(&v6(), &make(1000, 80)),
                other: frame().ipv6(&v6(), &make(source, destination)),
                without: Some(frame().ipv6(&v6(), &other_kind)),
            });
        };
        case(number(Field::SourcePort, 1000), 1001, 80);
        case(is(Field::SourcePort, Operand::Range(900, 1000)), 1001, 80);
        case(number(Field::DestinationPort, 80), 1000, 81);
        case(is(Field::DestinationPort, Operand::Range(80, 90)), 1000, 79);
    }
    cases
}

fn headers() -> Vec<Case> {
    let four = |segment| frame().ipv4(&v4(), &segment);
    let six = |segment| frame().ipv6(&v6(), &segment);
    let syn = is(Field::TcpFlags, Operand::Masked { value: 0x02, mask: 0x12 });
    let case = |one, same, other, without| Case { with: vec![], one, same, other, without: Some(without) };
    vec![
        case(syn.clone(), four(tcp(1, 2, SYN)), four(tcp(1, 2, SYN | ACK)), four(udp(1, 2))),
        case(syn, six(tcp(1, 2, SYN)), six(tcp(1, 2, ACK)), six(udp(1, 2))),
        case(number(Field::IcmpType, 8), four(icmp(8, 0)), four(icmp(13, 0)), six(icmp6(8, 0))),
        case(number(Field::IcmpCode, 1), four(icmp(3, 1)), four(icmp(3, 2)), four(tcp(1, 2, SYN))),
        case(number(Field::Icmp6Type, 128), six(icmp6(128, 0)), six(icmp6(129, 0)), four(icmp(128, 0))),
        case(is(Field::Icmp6Code, Operand::Range(1, 3)), six(icmp6(1, 3)), six(icmp6(1, 4)), six(udp(1, 2))),
    ]
}

fn stp() -> Vec<Case> {
    let sample = Bpdu::sample();
    let case = |one: Match, bend: fn(&mut Bpdu)| {
        let mut bent = sample;
        bend(&mut bent);
        let notice = frame().stp(&Bpdu { kind: 0x80, ..sample });
        let without = if one.field == Field::StpType { frame().arp(&arp()) } else { notice };
        let (same, other) = (frame().stp(&sample), frame().stp(&bent));
        Case { with: vec![], one, same, other, without: Some(without) }
    };
    let address = |field, last| is(field, Operand::Mac(mac(last)));
    vec![
        case(number(Field::StpType, 0), |bpdu| bpdu.kind = 2),
        case(number(Field::StpFlags, 1), |bpdu| bpdu.flags = 2),
        case(number(Field::StpRootPriority, 0x8001), |bpdu| bpdu.root_priority = 1),
        case(address(Field::StpRootAddress, 0x11), |bpdu| bpdu.root_address.0[5] = 0),
        case(number(Field::StpRootCost, 0x0001_0002), |bpdu| bpdu.root_cost = 2),
        case(is(Field::StpRootCost, Operand::Range(1, 0x0001_0002)), |bpdu| bpdu.root_cost = u32::MAX),
        case(number(Field::StpSenderPriority, 0x8003), |bpdu| bpdu.sender_priority = 1),
        case(address(Field::StpSenderAddress, 0x22), |bpdu| bpdu.sender_address.0[5] = 0),
        case(number(Field::StpPort, 0x8004), |bpdu| bpdu.port = 4),
        case(number(Field::StpMessageAge, 0x0105), |bpdu| bpdu.message_age = 5),
        case(number(Field::StpMaxAge, 0x1406), |bpdu| bpdu.max_age = 6),
        case(number(Field::StpHelloTime, 0x0207), |bpdu| bpdu.hello_time = 7),
        case(number(Field::StpForwardDelay, 0x0f08), |bpdu| bpdu.forward_delay = 8),
    ]
}

fn check(cases: Vec<Case>) {
    rig::with(|rig| {
        for case in cases {
            for negated in [false, true] {
                let one = Match { negated: negated != case.one.negated, ..case.one.clone() };
                let what = format!("{one:?} with {:?}", case.with);
                let matches = [case.with.clone(), vec![one]].concat();
                rig.bind(rules(Layer::Link, vec![rule(matches, Verdict::Drop)]));
                for way in [Way::Out, Way::In] {
                    rig.assert(way, &turned(&case.same, way), negated, &what);
                    rig.assert(way, &turned(&case.other, way), !negated, &what);
                    if let Some(without) = &case.without {
                        rig.assert(way, &turned(without, way), true, &what);
                    }
                }
            }
        }
    });
}

/// A frame for the other way: from and to the other guest where it is the guests' own.
fn turned(frame: &[u8], way: Way) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if way == Way::In {
        for at in [0, 6] {
            let same = |mac: MacAddress| frame[at..at + 6] == mac.0;
            let turned = if same(GUEST) {
                Some(OTHER)
            } else if same(OTHER) {
                Some(GUEST)
            } else {
                None
            };
            if let Some(mac) = turned {
                frame[at..at + 6].copy_from_slice(&mac.0);
            }
        }
    }
    frame
}

#[test]
fn fields_of_frames() {
    check(link());
}

#[test]
fn fields_of_arp_and_rarp() {
    check(arps());
}

#[test]
fn fields_of_ip() {
    check(ip());
}

#[test]
fn protocols_over_ip() {
    check(protocols());
}

#[test]
fn ports_of_every_protocol_that_has_them() {
    check(ports());
}

#[test]
fn fields_of_tcp_and_icmp() {
    check(headers());
}

#[test]
fn fields_of_the_spanning_tree() {
    check(stp());
}

/// Every field is asked above or in `connections`.
#[test]
fn no_field_is_forgotten() {
    let cases = [link(), arps(), ip(), protocols(), ports(), headers(), stp()];
    let asked: std::collections::BTreeSet<Field> =
        cases.iter().flatten().map(|case| case.one.field).collect();
    let others = [Field::State, Field::ConnectionsAbove, Field::HostSet];
    // The last field of the enumeration says how many there are.
    assert_eq!(asked.len() + others.len(), Field::HostSet as usize + 1, "{asked:?}");
}
