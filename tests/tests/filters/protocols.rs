//! Every protocol of the guide's tables 18.3 to 18.14: a frame that a rule matches and one that it does not, under a rule that drops
//! and under one that accepts where nothing else passes.

use reeve_model::MacAddress;
use reeve_packets::{
    ACK, Arp, BROADCAST, Bpdu, Frame, Ipv4, Ipv6, SYN, Segment, ah, esp, icmp, icmp6, igmp, ipv4, ipv6, sctp,
    tcp, udp, udplite,
};

use crate::Outcome;
use crate::host::Filter;
use crate::rig::Way::{In, Out};
use crate::rig::{GUEST, OTHER, STRANGER, Way, back, back6, filtered, out, out6, pass, stop};

/// A node, a frame that it matches and one that it does not.
type Row = (&'static str, Way, Vec<u8>, Vec<u8>);

/// Each row with what else is dropped where it accepts.
fn table(rest: &str, rows: Vec<Row>) -> Outcome {
    let mut wrong = Vec::new();
    for (node, way, yes, no) in rows {
        let direction = if way == Out { "out" } else { "in" };
        let rule = |action| format!("<rule action='{action}' direction='{direction}'>{node}</rule>");
        let drops = format!("<filter name='test'>{}</filter>", rule("drop"));
        let accepts = format!(
            "<filter name='test'>{}<rule action='drop' direction='inout' priority='1000'>{rest}</rule></filter>",
            rule("accept")
        );
        let dropping = [stop("matched", way, yes.clone()), pass("not matched", way, no.clone())];
        let accepting = [stop("not matched", way, no), pass("matched", way, yes)];
        for (document, steps) in [(drops, dropping), (accepts, accepting)] {
            if let Err(error) = filtered(&Filter { documents: &[&document], ..Filter::default() }, &steps) {
                wrong.push(format!("{document}: {error:#}"));
            }
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn plain() -> Frame {
    Frame::new(OTHER, GUEST)
}

fn from(source: MacAddress) -> Frame {
    Frame::new(OTHER, source)
}

/// IPv4 from the guest with another header.
fn header(header: Ipv4, segment: &Segment) -> Vec<u8> {
    plain().ipv4(&header, segment)
}

fn header6(header: Ipv6, segment: &Segment) -> Vec<u8> {
    plain().ipv6(&header, segment)
}

/// To 10.0.1.2, which is in another network.
fn beyond(segment: &Segment) -> Vec<u8> {
    header(ipv4("10.0.0.1", "10.0.1.2"), segment)
}

/// To fd01::2, which is in another network.
fn beyond6(segment: &Segment) -> Vec<u8> {
    header6(ipv6("fd00::1", "fd01::2"), segment)
}

/// AH with something behind it: over IPv6 it is a header among others, and a packet of nothing else has no connection.
fn signed() -> Segment {
    let header = [50, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];
    Segment::raw(51, &[&header[..], &[0, 0, 1, 0, 0, 0, 0, 1, 9, 9, 9, 9]].concat())
}

#[test]
fn frames() -> Outcome {
    let raw = |frame: Frame, protocol| frame.carry(protocol, &[1; 46]);
    let vlan = |frame: Frame, id, protocol| frame.tagged(id, protocol, &[1; 46]);
    let stp = |change: fn(&mut Bpdu)| {
        let mut bpdu = Bpdu::sample();
        change(&mut bpdu);
        plain().stp(&bpdu)
    };
    let like = || plain().stp(&Bpdu::sample());
    table(
        "",
        vec![
            ("<mac srcmacaddr='52:54:00:00:00:0a'/>", Out, raw(plain(), 0x88b6), raw(from(STRANGER), 0x88b6)),
            (
                "<mac dstmacaddr='01:00:00:00:00:00' dstmacmask='01:00:00:00:00:00'/>",
                Out,
                raw(Frame::new(BROADCAST, GUEST), 0x88b6),
                raw(plain(), 0x88b6),
            ),
            ("<mac protocolid='0x88b6'/>", In, raw(Frame::new(GUEST, OTHER), 0x88b6), back(&udp(1, 2))),
            ("<mac protocolid='ipv6'/>", In, back6(&udp(1, 2)), back(&udp(1, 2))),
            ("<vlan vlanid='7'/>", Out, vlan(plain(), 7, 0x0806), vlan(plain(), 8, 0x0806)),
            ("<vlan encap-protocol='arp'/>", Out, vlan(plain(), 7, 0x0806), vlan(plain(), 7, 0x0800)),
            (
                "<vlan srcmacaddr='52:54:00:00:00:0a' vlanid='0x7'/>",
                Out,
                vlan(plain(), 7, 0x0800),
                vlan(from(STRANGER), 7, 0x0800),
            ),
            ("<stp type='0'/>", Out, like(), stp(|bpdu| bpdu.kind = 0x80)),
            ("<stp flags='1'/>", Out, like(), stp(|bpdu| bpdu.flags = 0)),
            (
                "<stp root-priority='0x8000' root-priority-hi='0x8002'/>",
                Out,
                like(),
                stp(|bpdu| bpdu.root_priority = 0x8003),
            ),
            (
                "<stp root-address='02:00:00:00:00:11'/>",
                Out,
                like(),
                stp(|bpdu| bpdu.root_address = STRANGER),
            ),
            ("<stp root-cost='0x10002'/>", Out, like(), stp(|bpdu| bpdu.root_cost = 3)),
            (
                "<stp sender-address='02:00:00:00:00:00' sender-address-mask='ff:ff:ff:ff:ff:00'/>",
                Out,
                like(),
                stp(|bpdu| bpdu.sender_address = STRANGER),
            ),
            ("<stp port='0x8004'/>", Out, like(), stp(|bpdu| bpdu.port = 1)),
            ("<stp max-age='0x1400' max-age-hi='0x1500'/>", Out, like(), stp(|bpdu| bpdu.max_age = 1)),
            ("<stp srcmacaddr='52:54:00:00:00:0a'/>", Out, like(), from(STRANGER).stp(&Bpdu::sample())),
        ],
    )
}

#[test]
fn addresses_of_hardware() -> Outcome {
    let request = Arp::request(GUEST, "10.0.0.1", "10.0.0.2");
    let arp = |arp: Arp| plain().arp(&arp);
    let same = Arp::request(GUEST, "10.0.0.1", "10.0.0.1");
    let reverse = Arp { operation: 3, ..request };
    table(
        "",
        vec![
            ("<arp/>", Out, arp(request), plain().rarp(&request)),
            ("<arp opcode='Request'/>", Out, arp(request), arp(Arp { operation: 2, ..request })),
            ("<arp opcode='10'/>", Out, arp(Arp { operation: 10, ..request }), arp(request)),
            ("<arp hwtype='1'/>", Out, arp(request), arp(Arp { hardware_type: 6, ..request })),
            ("<arp protocoltype='0x800'/>", Out, arp(request), arp(Arp { protocol_type: 0x86dd, ..request })),
            (
                "<arp arpsrcmacaddr='52:54:00:00:00:0a'/>",
                Out,
                arp(request),
                arp(Arp { sender_mac: STRANGER, ..request }),
            ),
            (
                "<arp arpdstmacaddr='52:54:00:00:00:0c'/>",
                Out,
                arp(Arp { target_mac: STRANGER, ..request }),
                arp(request),
            ),
            (
                "<arp arpsrcipaddr='10.0.0.1'/>",
                Out,
                arp(request),
                arp(Arp::request(GUEST, "10.0.0.9", "10.0.0.2")),
            ),
            (
                "<arp arpdstipaddr='10.0.0.0' arpdstipmask='24'/>",
                Out,
                arp(request),
                arp(Arp::request(GUEST, "10.0.0.1", "10.0.1.2")),
            ),
            ("<arp gratuitous='true'/>", Out, arp(same), arp(request)),
            (
                "<rarp opcode='Request_Reverse'/>",
                Out,
                plain().rarp(&reverse),
                plain().rarp(&Arp { operation: 4, ..request }),
            ),
            (
                "<rarp srcmacaddr='52:54:00:00:00:0a'/>",
                Out,
                plain().rarp(&reverse),
                from(STRANGER).rarp(&reverse),
            ),
            ("<rarp arpsrcipaddr='10.0.0.1'/>", Out, plain().rarp(&reverse), arp(reverse)),
        ],
    )
}

#[test]
fn packets_of_ip() -> Outcome {
    table(
        "",
        vec![
            ("<ip/>", Out, out(&udp(1, 2)), out6(&udp(1, 2))),
            (
                "<ip srcipaddr='10.0.0.2'/>",
                In,
                back(&udp(1, 2)),
                Frame::new(GUEST, OTHER).ipv4(&ipv4("10.0.0.3", "10.0.0.1"), &udp(1, 2)),
            ),
            (
                "<ip dstipaddr='10.0.0.9' dstipmask='255.255.255.0'/>",
                Out,
                out(&udp(1, 2)),
                beyond(&udp(1, 2)),
            ),
            ("<ip protocol='udp'/>", Out, out(&udp(1, 2)), out(&tcp(1, 2, SYN))),
            (
                "<ip protocol='tcp' dstportstart='80' dstportend='90'/>",
                Out,
                out(&tcp(1, 85, SYN)),
                out(&tcp(1, 91, SYN)),
            ),
            ("<ip protocol='17' srcportstart='1000'/>", Out, out(&udp(1000, 2)), out(&udp(1001, 2))),
            (
                "<ip dscp='10'/>",
                Out,
                header(Ipv4 { dscp: 10, ..ipv4("10.0.0.1", "10.0.0.2") }, &udp(1, 2)),
                out(&udp(1, 2)),
            ),
            (
                "<ip srcmacaddr='52:54:00:00:00:0a'/>",
                Out,
                out(&udp(1, 2)),
                from(STRANGER).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &udp(1, 2)),
            ),
            ("<ipv6/>", Out, out6(&udp(1, 2)), out(&udp(1, 2))),
            (
                "<ipv6 srcipaddr='fd00::2'/>",
                In,
                back6(&udp(1, 2)),
                Frame::new(GUEST, OTHER).ipv6(&ipv6("fd00::3", "fd00::1"), &udp(1, 2)),
            ),
            ("<ipv6 dstipaddr='fd00::' dstipmask='64'/>", Out, out6(&udp(1, 2)), beyond6(&udp(1, 2))),
            ("<ipv6 dstipaddr='fd00::' dstipmask='ffff::'/>", Out, out6(&udp(1, 2)), beyond6(&udp(1, 2))),
            ("<ipv6 protocol='icmpv6'/>", Out, out6(&icmp6(128, 0)), out6(&udp(1, 2))),
            ("<ipv6 protocol='icmpv6' type='128'/>", Out, out6(&icmp6(128, 0)), out6(&icmp6(129, 0))),
            (
                "<ipv6 protocol='udp' dstportstart='53'/>",
                Out,
                header6(Ipv6 { options: true, ..ipv6("fd00::1", "fd00::2") }, &udp(1, 53)),
                header6(Ipv6 { options: true, ..ipv6("fd00::1", "fd00::2") }, &udp(1, 54)),
            ),
            (
                "<ipv6 dscp='10'/>",
                Out,
                header6(Ipv6 { dscp: 10, ..ipv6("fd00::1", "fd00::2") }, &udp(1, 2)),
                out6(&udp(1, 2)),
            ),
        ],
    )
}

// Rules about UDPLITE say that no state is meant: where connection tracking looks at checksums, it takes those of UDPLITE for wrong and
// its connections for invalid.
#[test]
fn connections_over_ipv4() -> Outcome {
    let stranger = |segment: &Segment| from(STRANGER).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), segment);
    table(
        "<all/>",
        vec![
            ("<tcp dstportstart='80'/>", Out, out(&tcp(1000, 80, SYN)), out(&tcp(1000, 81, SYN))),
            (
                "<tcp srcportstart='1000' srcportend='1009'/>",
                In,
                back(&tcp(1009, 80, SYN)),
                back(&tcp(1010, 80, SYN)),
            ),
            ("<tcp flags='SYN,ACK/SYN'/>", Out, out(&tcp(1000, 80, SYN)), out(&tcp(1001, 80, SYN | ACK))),
            (
                "<tcp srcmacaddr='52:54:00:00:00:0a'/>",
                Out,
                out(&tcp(1000, 80, SYN)),
                stranger(&tcp(1001, 80, SYN)),
            ),
            ("<udp dstipaddr='10.0.0.0' dstipmask='24'/>", Out, out(&udp(1, 2)), beyond(&udp(1, 2))),
            ("<udp dstipfrom='10.0.0.1' dstipto='10.0.0.7'/>", Out, out(&udp(1, 2)), beyond(&udp(1, 2))),
            (
                "<udp dscp='10'/>",
                Out,
                header(Ipv4 { dscp: 10, ..ipv4("10.0.0.1", "10.0.0.2") }, &udp(1, 2)),
                out(&udp(3, 4)),
            ),
            ("<sctp dstportstart='5000'/>", Out, out(&sctp(1, 5000)), out(&sctp(1, 5001))),
            ("<icmp type='8' code='0'/>", Out, out(&icmp(8, 0)), out(&icmp(13, 0))),
            ("<icmp/>", In, back(&icmp(8, 0)), back(&udp(1, 2))),
            ("<igmp/>", Out, out(&igmp()), out(&udp(1, 2))),
            ("<esp/>", Out, out(&esp()), out(&ah())),
            ("<ah/>", Out, out(&ah()), out(&esp())),
            ("<udplite state='NONE'/>", Out, out(&udplite(1, 2)), out(&udp(1, 2))),
            (
                "<all srcipaddr='10.0.0.2'/>",
                In,
                back(&udp(1, 2)),
                Frame::new(GUEST, OTHER).ipv4(&ipv4("10.0.0.3", "10.0.0.1"), &udp(1, 2)),
            ),
            (
                "<all dstmacaddr='52:54:00:00:00:0b'/>",
                Out,
                out(&udp(1, 2)),
                Frame::new(BROADCAST, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &udp(3, 2)),
            ),
        ],
    )
}

#[test]
fn connections_over_ipv6() -> Outcome {
    let stranger = |segment: &Segment| from(STRANGER).ipv6(&ipv6("fd00::1", "fd00::2"), segment);
    table(
        "<all-ipv6/>",
        vec![
            ("<tcp-ipv6 dstportstart='80'/>", Out, out6(&tcp(1000, 80, SYN)), out6(&tcp(1000, 81, SYN))),
            (
                "<tcp-ipv6 flags='SYN,ACK/SYN'/>",
                In,
                back6(&tcp(1000, 80, SYN)),
                back6(&tcp(1001, 80, SYN | ACK)),
            ),
            ("<udp-ipv6 srcportstart='53'/>", In, back6(&udp(53, 1)), back6(&udp(54, 1))),
            ("<udp-ipv6 dstipfrom='fd00::1' dstipto='fd00::7'/>", Out, out6(&udp(1, 2)), beyond6(&udp(1, 2))),
            ("<udp-ipv6 srcmacaddr='52:54:00:00:00:0a'/>", Out, out6(&udp(1, 2)), stranger(&udp(3, 2))),
            ("<sctp-ipv6 dstportstart='5000'/>", Out, out6(&sctp(1, 5000)), out6(&sctp(1, 5001))),
            ("<icmpv6 type='128'/>", Out, out6(&icmp6(128, 0)), out6(&icmp6(139, 0))),
            ("<igmp-ipv6/>", Out, out6(&igmp()), out6(&udp(1, 2))),
            ("<esp-ipv6/>", Out, out6(&esp()), out6(&udp(1, 2))),
            ("<ah-ipv6/>", Out, out6(&signed()), out6(&udp(1, 2))),
            ("<udplite-ipv6 state='NONE'/>", Out, out6(&udplite(1, 2)), out6(&udp(1, 2))),
            ("<all-ipv6 dstipaddr='fd00::' dstipmask='64'/>", Out, out6(&udp(1, 2)), beyond6(&udp(1, 2))),
        ],
    )
}
