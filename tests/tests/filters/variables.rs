//! Variables (guide 18.12.4): lists, elements and iterators; and negation (18.12.10).

use reeve_model::filter::{Field, Operand, Ruleset};
use reeve_packets::{Frame, Segment, ipv4, udp};

use crate::Outcome;
use crate::host::{self, Filter};
use crate::rig::Way::{In, Out};
use crate::rig::{GUEST, OTHER, STRANGER, Step, back, back6, filtered, out, pass, stop};

const LISTS: [(&str, &str); 4] = [
    ("SRCIPADDRESSES", "10.0.0.1"),
    ("SRCIPADDRESSES", "11.1.2.3"),
    ("DSTPORTS", "80"),
    ("DSTPORTS", "8080"),
];

fn accepting(node: &str) -> String {
    format!(
        "<filter name='test'><rule action='accept' direction='in' priority='500'>{node}</rule>\
         <rule action='drop' direction='in' priority='1000'><all/></rule></filter>"
    )
}

fn from(source: &str, segment: &Segment) -> Vec<u8> {
    Frame::new(GUEST, OTHER).ipv4(&ipv4(source, "10.0.0.9"), segment)
}

/// Addresses and ports of the rules to the guest that have both, in order.
fn pairs(rules: &Ruleset) -> Vec<(String, u64)> {
    let chain =
        rules.chains.iter().find(|chain| chain.name == "connections-in").map(|chain| &chain.rules[..]);
    let pair = |rule: &reeve_model::filter::Rule| {
        let operand = |field| rule.matches.iter().find(|one| one.field == field).map(|one| &one.operand);
        match (operand(Field::IpSource), operand(Field::DestinationPort)) {
            (Some(Operand::Address(address)), Some(Operand::Number(port))) => {
                Some((address.to_string(), *port))
            }
            _ => None,
        }
    };
    chain.unwrap_or_default().iter().filter_map(pair).collect()
}

#[test]
fn lists_in_step_make_pairs() -> Outcome {
    let document = accepting("<udp srcipaddr='$SRCIPADDRESSES[@1]' dstportstart='$DSTPORTS[@1]'/>");
    let filter = Filter { documents: &[&document], parameters: &LISTS, ..Filter::default() };
    let rules = host::packet_filter()?.rules(&filter)?;
    assert_eq!(pairs(&rules), [("10.0.0.1".to_owned(), 80), ("11.1.2.3".to_owned(), 8080)]);
    filtered(
        &filter,
        &[
            pass("the first pair", In, from("10.0.0.1", &udp(1, 80))),
            pass("the second pair", In, from("11.1.2.3", &udp(1, 8080))),
            stop("no pair", In, from("10.0.0.1", &udp(1, 8080))),
            stop("no pair either", In, from("11.1.2.3", &udp(1, 80))),
        ],
    )
}

fn with(node: &str, parameters: &[(&str, &str)], steps: &[Step]) -> Outcome {
    filtered(&Filter { documents: &[&accepting(node)], parameters, ..Filter::default() }, steps)
}

#[test]
fn independent_iterators_make_every_pair() -> Outcome {
    with(
        "<udp srcipaddr='$SRCIPADDRESSES[@1]' dstportstart='$DSTPORTS[@2]'/>",
        &LISTS,
        &[
            pass("the first pair", In, from("10.0.0.1", &udp(1, 80))),
            pass("the second pair", In, from("10.0.0.1", &udp(1, 8080))),
            pass("the third pair", In, from("11.1.2.3", &udp(1, 80))),
            pass("the fourth pair", In, from("11.1.2.3", &udp(1, 8080))),
            stop("another port", In, from("10.0.0.1", &udp(1, 81))),
            stop("another address", In, from("12.0.0.1", &udp(1, 80))),
        ],
    )
}

#[test]
fn lists_and_their_elements() -> Outcome {
    with(
        "<udp srcipaddr='$IPS'/>",
        &[("IPS", "10.0.0.2"), ("IPS", "10.0.0.3"), ("IPS", "10.0.0.4")],
        &[
            pass("the first", In, from("10.0.0.2", &udp(1, 2))),
            pass("the second", In, from("10.0.0.3", &udp(1, 3))),
            pass("the third", In, from("10.0.0.4", &udp(1, 4))),
            stop("none of them", In, from("10.0.0.5", &udp(1, 5))),
        ],
    )?;
    with(
        "<udp dstportstart='$DSTPORTS[1]'/>",
        &LISTS,
        &[
            stop("the first element", In, back(&udp(1, 80))),
            pass("the second element", In, back(&udp(1, 8080))),
        ],
    )
}

#[test]
fn a_negated_node_matches_when_none_of_its_attributes_does() -> Outcome {
    let document = "<filter name='test'><rule action='drop' direction='out'>\
                    <ip match='no' dstipaddr='10.0.0.2' protocol='udp'/><ip dscp='10'/></rule></filter>";
    let packet = |destination: &str, dscp, udp_inside: bool| {
        let segment = if udp_inside { udp(1, 2) } else { reeve_packets::icmp(8, 0) };
        let header = reeve_packets::Ipv4 { dscp, ..ipv4("10.0.0.1", destination) };
        Frame::new(OTHER, GUEST).ipv4(&header, &segment)
    };
    filtered(
        &Filter { documents: &[document], ..Filter::default() },
        &[
            stop("nothing of the first, all of the second", Out, packet("10.0.0.3", 10, false)),
            pass("the address", Out, packet("10.0.0.2", 10, false)),
            pass("the protocol", Out, packet("10.0.0.3", 10, true)),
            pass("not the second", Out, packet("10.0.0.3", 11, false)),
        ],
    )?;
    let document = "<filter name='test'><rule action='drop' direction='in'>\
                    <mac match='no' srcmacaddr='$PEERS'/></rule></filter>";
    filtered(
        &Filter {
            documents: &[document],
            parameters: &[("PEERS", "52:54:00:00:00:0b"), ("PEERS", "52:54:00:00:00:0e")],
            ..Filter::default()
        },
        &[
            pass("one of a list", In, back6(&udp(1, 2))),
            stop("none of a list", In, Frame::new(GUEST, STRANGER).carry(0x88b6, &[1; 46])),
            pass("the other way", Out, out(&udp(1, 2))),
        ],
    )
}
