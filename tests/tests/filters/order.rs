//! Where a rule stands: chains and priorities (guide 18.12.2, 18.12.3), and the two layers.

use reeve_packets::{Arp, Bpdu, Frame, SYN, ipv4, tcp, udp};

use crate::Outcome;
use crate::host::Filter;
use crate::rig::Way::{In, Out};
use crate::rig::{GUEST, OTHER, Step, arp_out, back, filtered, out, out6, pass, stop};

fn filter(documents: &[&str], steps: &[Step]) -> Outcome {
    filtered(&Filter { documents, ..Filter::default() }, steps)
}

fn request() -> Vec<u8> {
    arp_out(&Arp::request(GUEST, "10.0.0.1", "10.0.0.2"))
}

#[test]
fn lower_priorities_come_first_and_equal_ones_in_order() -> Outcome {
    let rule = |action, priority| {
        format!("<rule action='{action}' direction='out' priority='{priority}'><ip protocol='udp'/></rule>")
    };
    let document = |first: String, second: String| format!("<filter name='test'>{first}{second}</filter>");
    for (first, second, passes) in [
        (rule("drop", 500), rule("accept", 400), true),
        (rule("accept", 500), rule("drop", 400), false),
        (rule("accept", 500), rule("drop", 500), true),
        (rule("drop", 500), rule("accept", 500), false),
        (rule("drop", 0), rule("accept", -1), true),
        (rule("continue", 100), rule("drop", 500), false),
        (rule("return", 100), rule("drop", 500), true),
        (rule("reject", 100), rule("accept", 500), false),
    ] {
        let document = document(first, second);
        let step = if passes { pass } else { stop };
        filter(
            &[&document],
            &[step("a packet", Out, out(&udp(1, 2))), pass("another protocol", Out, request())],
        )
        .map_err(|error| error.context(document))?;
    }
    Ok(())
}

#[test]
fn chains_come_by_priority_and_hold_their_protocol() -> Outcome {
    let part = |chain: &str, priority: &str, action: &str| {
        let name = chain.replace('-', "");
        format!(
            "<filter name='{name}' chain='{chain}'{priority}>\
             <rule action='{action}' direction='inout'/></filter>"
        )
    };
    let root = "<filter name='test'><filterref filter='arp'/><filterref filter='mac'/></filter>";
    // The chain of hardware addresses stands before that of ARP whatever the order of references.
    filter(
        &[root, &part("arp", "", "accept"), &part("mac", "", "drop")],
        &[stop("ARP", Out, request()), stop("IPv4", In, back(&udp(1, 2)))],
    )?;
    filter(
        &[root, &part("arp", " priority='-900'", "accept"), &part("mac", "", "drop")],
        &[pass("ARP", Out, request()), stop("IPv4", In, back(&udp(1, 2)))],
    )?;
    // Two chains of one protocol, and one that returns.
    let root = "<filter name='test'><filterref filter='arpa'/><filterref filter='arpb'/></filter>";
    filter(
        &[root, &part("arp-a", " priority='-500'", "return"), &part("arp-b", " priority='-499'", "drop")],
        &[stop("ARP", Out, request()), pass("IPv4", Out, out(&udp(1, 2)))],
    )?;
    // A rule of root stands among the chains by its priority.
    let root = "<filter name='test'><filterref filter='ipv4'/>\
                <rule action='accept' direction='out' priority='-750'><ip protocol='udp'/></rule></filter>";
    filter(
        &[root, &part("ipv4", "", "drop")],
        &[
            pass("before the chain", Out, out(&udp(1, 2))),
            stop("in the chain", Out, out(&tcp(1, 2, SYN))),
            pass("no packet of the chain", Out, out6(&udp(1, 2))),
        ],
    )
}

#[test]
fn every_protocol_has_its_chain() -> Outcome {
    let tagged = Frame::new(OTHER, GUEST).tagged(7, 0x0800, &[1; 46]);
    let frames = [
        ("stp", Frame::new(OTHER, GUEST).stp(&Bpdu::sample())),
        ("vlan", tagged),
        ("ipv4", out(&udp(1, 2))),
        ("ipv6", out6(&udp(1, 2))),
        ("arp", request()),
        (
            "rarp",
            Frame::new(OTHER, GUEST).rarp(&Arp { operation: 3, ..Arp::request(GUEST, "0.0.0.0", "0.0.0.0") }),
        ),
    ];
    for (chain, _) in &frames {
        let document =
            format!("<filter name='test' chain='{chain}'><rule action='drop' direction='out'/></filter>");
        let steps: Vec<Step> = frames
            .iter()
            .map(
                |(of, frame)| {
                    if of == chain { stop(of, Out, frame.clone()) } else { pass(of, Out, frame.clone()) }
                },
            )
            .collect();
        filter(&[&document], &steps).map_err(|error| error.context(document))?;
    }
    Ok(())
}

#[test]
fn a_packet_passes_when_both_layers_let_it() -> Outcome {
    let document = "<filter name='test'>\
        <rule action='accept' direction='out' priority='100'><ip protocol='udp' dstportstart='53'/></rule>\
        <rule action='drop' direction='out' priority='200'><ip protocol='udp' dstportstart='54'/></rule>\
        <rule action='accept' direction='out' priority='100'><udp dstportstart='54'/></rule>\
        <rule action='accept' direction='out' priority='100'><udp dstportstart='55'/></rule>\
        <rule action='drop' direction='out' priority='200'><all/></rule></filter>";
    filter(
        &[document],
        &[
            stop("only the first lets it", Out, out(&udp(1, 53))),
            stop("only the second lets it", Out, out(&udp(1, 54))),
            pass("both let it", Out, out(&udp(1, 55))),
            pass("not of connections", Out, request()),
            stop(
                "neither accepts",
                Out,
                Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &udp(1, 56)),
            ),
        ],
    )
}
