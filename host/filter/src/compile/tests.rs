use reeve_model::filter::{ConnectionState, Field, Match, Operand, Rule, Set, VerdictMap};
use reeve_model::network::IpNetwork;

use super::*;
use crate::check::{Limits, check};

fn is(field: Field, operand: Operand) -> Match {
    Match { field, negated: false, operand }
}

fn rule(matches: Vec<Match>, verdict: Verdict) -> Rule {
    Rule { matches, verdict, comment: None }
}

fn chain(name: &str, layer: Layer, entry: Option<Flow>, rules: Vec<Rule>) -> Chain {
    Chain { name: name.to_owned(), layer, entry, rules }
}

fn compiled(rules: Ruleset, kernel: &Kernel) -> Compiled {
    let owner = Owner { port: 7, generation: 3 };
    compile(&check(rules, &Limits::default()).unwrap(), owner, kernel).unwrap()
}

/// The lines of one rule of layer connection, from the guest.
fn lines(one: Rule) -> String {
    let chains = vec![chain("c", Layer::Connection, Some(Flow::Out), vec![one])];
    let text = compiled(Ruleset { chains, ..Ruleset::default() }, &Kernel::default()).bridge;
    let inside = text.strip_prefix("chain p7-3-out-c {\n").and_then(|text| text.strip_suffix("}\n"));
    inside.unwrap().to_owned()
}

#[test]
fn a_whole_ruleset() {
    let four = |text: &str| Operand::Address(text.parse().unwrap());
    let arp = || is(Field::EtherType, Operand::Number(0x806));
    let mac = Operand::Mac("52:54:00:00:00:01".parse().unwrap());
    let set = is(Field::IpSource, Operand::Set("own".to_owned()));
    let network = IpNetwork { address: "10.1.0.0".parse().unwrap(), prefix: 16 };
    let above = is(Field::ConnectionsAbove, Operand::Number(3));
    let rules = Ruleset {
        chains: vec![
            chain(
                "root",
                Layer::Link,
                Some(Flow::Out),
                vec![
                    rule(vec![arp()], Verdict::Jump("arp".to_owned())),
                    rule(vec![Match { negated: true, ..set }], Verdict::Drop),
                    rule(vec![], Verdict::Map { field: Field::EtherType, map: "kinds".to_owned() }),
                ],
            ),
            chain(
                "arp",
                Layer::Link,
                None,
                vec![
                    rule(vec![Match { negated: true, ..is(Field::ArpSourceMac, mac) }, arp()], Verdict::Drop),
                    rule(vec![is(Field::ArpSourceIp, four("10.0.0.1"))], Verdict::Return),
                    rule(vec![is(Field::ArpGratuitous, Operand::Number(0))], Verdict::Accept),
                    rule(vec![], Verdict::Reject),
                ],
            ),
            chain("unused", Layer::Link, None, vec![]),
            chain(
                "states",
                Layer::Connection,
                Some(Flow::In),
                vec![
                    rule(vec![is(Field::IpProtocol, Operand::Number(6)), above], Verdict::Drop),
                    rule(
                        vec![is(
                            Field::State,
                            Operand::States(vec![ConnectionState::New, ConnectionState::Related]),
                        )],
                        Verdict::Reject,
                    ),
                ],
            ),
        ],
        sets: vec![Set {
            name: "own".to_owned(),
            elements: vec![four("10.0.0.1"), Operand::Network(network)],
        }],
        maps: vec![VerdictMap {
            name: "kinds".to_owned(),
            entries: vec![
                (Operand::Number(0x800), Verdict::Accept),
                (Operand::Number(0x8035), Verdict::Jump("arp".to_owned())),
            ],
        }],
    };
    let kernel = Kernel { reject: true, ..Kernel::default() };
    let all = compiled(rules, &kernel);
    insta::assert_snapshot!(all.bridge);
    assert_eq!(all.chains, ["p7-3-out-root", "p7-3-out-arp", "p7-3-in-states"]);
    assert_eq!((all.sets, all.maps), (vec!["p7-3-own-b4".to_owned()], vec!["p7-3-kinds-out-b2".to_owned()]));
    let entries = [
        ((Layer::Link, Flow::Out), "p7-3-out-root".to_owned()),
        ((Layer::Connection, Flow::In), "p7-3-in-states".to_owned()),
    ];
    assert_eq!(all.entries, entries.into());
    insta::assert_snapshot!(all.counting[&Flow::In]);
}

#[test]
fn each_operand_has_its_text() {
    let number = |field, value| is(field, Operand::Number(value));
    let not = |one| Match { negated: true, ..one };
    let udp = || number(Field::IpProtocol, 17);
    let masked = |value: &str, mask: &str| Operand::MacMasked {
        value: value.parse().unwrap(),
        mask: mask.parse().unwrap(),
    };
    let cases = [
        vec![is(Field::EtherSource, masked("52:54:00:00:00:00", "ff:ff:ff:00:00:00"))],
        vec![number(Field::VlanId, 5)],
        vec![not(is(Field::VlanId, Operand::Range(5, 7)))],
        vec![is(
            Field::IpSource,
            Operand::Network(IpNetwork { address: "10.0.0.9".parse().unwrap(), prefix: 8 }),
        )],
        vec![number(Field::IpDscp, 46)],
        vec![is(Field::Ip6Dscp, Operand::Masked { value: 2, mask: 0x3e })],
        vec![
            is(Field::Ip6Source, Operand::Address("fd00::1".parse().unwrap())),
            number(Field::Ip6Protocol, 58),
        ],
        vec![udp(), number(Field::SourcePort, 68), is(Field::DestinationPort, Operand::Range(1, 2))],
        vec![is(Field::TcpFlags, Operand::Masked { value: 2, mask: 0x12 })],
        vec![number(Field::IpProtocol, 6), is(Field::TcpFlags, Operand::Masked { value: 2, mask: 0x12 })],
        vec![number(Field::IcmpType, 8), number(Field::IcmpCode, 0)],
        vec![not(number(Field::Icmp6Type, 128))],
        vec![number(Field::StpRootCost, 1), number(Field::StpType, 0)],
        vec![number(Field::ArpOperation, 1), number(Field::ArpGratuitous, 1)],
        vec![not(is(Field::State, Operand::States(vec![ConnectionState::Established])))],
        vec![is(Field::TcpFlags, Operand::Masked { value: 0, mask: 0 })],
    ];
    let text: Vec<String> = cases.into_iter().map(|matches| lines(rule(matches, Verdict::Drop))).collect();
    insta::assert_snapshot!(text.join(""));
    let never = vec![not(is(Field::EtherSource, masked("00:00:00:00:00:00", "00:00:00:00:00:00")))];
    assert_eq!(lines(rule(never, Verdict::Drop)), "", "a rule that can't match is none");
}

#[test]
fn comments_lose_what_is_not_plain() {
    let mut one = rule(vec![], Verdict::Drop);
    one.comment = Some("web\" accept; } \n flush ruleset é - ok, 1.2:3".to_owned());
    assert_eq!(lines(one.clone()), " drop comment \"web_ accept_ _ _ flush ruleset _ - ok, 1.2:3\"\n");
    one.comment = Some("x".repeat(5000));
    assert_eq!(lines(one.clone()).len(), " drop comment \"\"\n".len() + 120);
    one.comment = Some("  ".to_owned());
    assert_eq!(lines(one), " drop\n");
}

#[test]
fn rejecting_needs_a_kernel_that_can_and_a_sender_on_the_bridge() {
    let text = |flow, reject| {
        let chains = vec![chain("c", Layer::Link, Some(flow), vec![rule(vec![], Verdict::Reject)])];
        compiled(Ruleset { chains, ..Ruleset::default() }, &Kernel { reject, ..Kernel::default() }).bridge
    };
    assert!(text(Flow::Out, true).contains(" reject\n"));
    for dropped in [text(Flow::Out, false), text(Flow::In, true)] {
        assert!(dropped.contains(" drop\n") && !dropped.contains("reject"), "{dropped}");
    }
}

#[test]
fn sets_of_the_host_are_read_from_a_listing() {
    let listing = "table bridge reeve {\n\tset same-bytes {\n\t\ttypeof @nh,112,8 . @nh,192,8\n\t}\n\n\tset blocked {\n\t\ttype \
                   ipv4_addr . inet_service\n\t\tflags interval\n\t}\n\n\tset odd {\n\t\ttype mark\n\t}\n\tchain c \
                   {\n\t\ttype filter hook input priority 0;\n\t}\n}\n";
    let sets = host_sets(listing);
    assert_eq!(sets.keys().collect::<Vec<_>>(), ["blocked", "odd"]);
    assert_eq!(sets["blocked"], [HostSetPart::Ipv4, HostSetPart::Port]);
    assert!(sets["odd"].is_empty());
}

#[test]
fn bits_of_the_mark_do_not_overlap() {
    let all = [marks::STATE, marks::PORT, marks::ABOVE_IN, marks::ABOVE_OUT];
    assert_eq!(all.iter().fold(0, |bits, some| bits | some), 0xffff_0000);
    assert_eq!(all.iter().map(|some| some.count_ones()).sum::<u32>(), 16);
    for flow in [Flow::In, Flow::Out] {
        assert!(marks::nth(flow, crate::check::MAX_COUNTED - 1).is_some());
        assert!(marks::nth(flow, crate::check::MAX_COUNTED).is_none());
    }
}
