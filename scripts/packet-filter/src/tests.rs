//! Small trees and the rules they become.

use reeve_sdk::filter::ruleset::{
    Chain, ConnectionState, Field, Flow, Layer, Match, Operand, Rule, Set, Verdict,
};
use reeve_sdk::filter::tree::{
    Access, Action, Condition, Direction, Entry, Parameter, ProtocolMatch, Rule as Written, Value, Variable,
};
use reeve_sdk::filter::{Filter, Rules};

use crate::generate;

fn filter(name: &str, chain: &str, priority: i32, entries: Vec<Entry>) -> Filter {
    let list = |name: &str, values: &[&str]| Parameter {
        name: name.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let variables = vec![
        list("MAC", &["52:54:00:00:00:0a"]),
        list("IP", &["10.0.0.1", "10.0.0.2"]),
        list("PORTS", &["80", "8080"]),
        list("THREE", &["1", "2", "3"]),
        list("NONE", &[]),
    ];
    Filter { name: name.into(), chain: chain.into(), priority, variables, entries }
}

fn rule(action: Action, direction: Direction, priority: i32, matches: Vec<ProtocolMatch>) -> Entry {
    Entry::Rule(Written { action, direction, priority, statematch: true, matches })
}

/// A node; a value with `$` is a variable, with `[@N]` or `[N]` behind it.
fn node(protocol: &str, conditions: &[(&str, &str)]) -> ProtocolMatch {
    let value = |text: &str| {
        let Some(name) = text.strip_prefix('$') else { return Value::Literal(text.to_owned()) };
        let (name, access) = name.split_once('[').unwrap_or((name, "@0]"));
        let access = access.trim_end_matches(']');
        let number = |text: &str| text.parse().expect("a number");
        let access = match access.strip_prefix('@') {
            Some(id) => Access::Iterator(number(id)),
            None => Access::Element(number(access)),
        };
        Value::Variable(Variable { name: name.into(), access })
    };
    let condition = |(attribute, text): &(&str, &str)| Condition {
        attribute: (*attribute).to_owned(),
        value: value(text),
    };
    ProtocolMatch {
        protocol: protocol.into(),
        negated: false,
        conditions: conditions.iter().map(condition).collect(),
    }
}

fn not(node: ProtocolMatch) -> ProtocolMatch {
    ProtocolMatch { negated: true, ..node }
}

fn is(field: Field, operand: Operand) -> Match {
    Match { field, negated: false, operand }
}

fn number(field: Field, value: u64) -> Match {
    is(field, Operand::Number(value))
}

fn made(filters: &[Filter]) -> Rules {
    generate(filters).expect("rules")
}

fn one(protocol: Vec<ProtocolMatch>, action: Action, direction: Direction) -> Rules {
    made(&[filter("test", "root", 0, vec![rule(action, direction, 500, protocol)])])
}

fn chain<'a>(rules: &'a Rules, name: &str) -> &'a Chain {
    rules.chains.iter().find(|chain| chain.name == name).expect("the chain")
}

fn matches(rules: &Rules, name: &str) -> Vec<Vec<Match>> {
    chain(rules, name).rules.iter().map(|rule| rule.matches.clone()).collect()
}

#[test]
fn a_rule_of_frames_stands_in_the_chain_of_its_direction() {
    let rules = one(vec![not(node("mac", &[("srcmacaddr", "$MAC")]))], Action::Drop, Direction::Out);
    let operand = Operand::Mac("52:54:00:00:00:0a".into());
    let source = Match { field: Field::EtherSource, negated: true, operand };
    let expected = Chain {
        name: "root-out".into(),
        layer: Layer::Link,
        entry: Some(Flow::Out),
        rules: vec![Rule { matches: vec![source], verdict: Verdict::Drop, comment: None }],
    };
    assert_eq!(rules.chains, [expected]);
}

#[test]
fn against_its_direction_an_inout_rule_has_source_and_destination_exchanged() {
    let rules = one(
        vec![node("ip", &[("srcipaddr", "10.0.0.9"), ("protocol", "udp"), ("dstportstart", "53")])],
        Action::Accept,
        Direction::Inout,
    );
    let expected = |address, port| {
        vec![vec![
            number(Field::EtherType, 0x800),
            is(address, Operand::Address("10.0.0.9".into())),
            number(Field::IpProtocol, 17),
            number(port, 53),
        ]]
    };
    assert_eq!(matches(&rules, "root-in"), expected(Field::IpSource, Field::DestinationPort));
    assert_eq!(matches(&rules, "root-out"), expected(Field::IpDestination, Field::SourcePort));
}

/// More rules than stand in root.
fn many() -> Vec<Entry> {
    vec![requests(); 7]
}

fn requests() -> Entry {
    rule(Action::Drop, Direction::In, 400, vec![node("arp", &[("opcode", "Request")])])
}

fn udp() -> Entry {
    rule(Action::Return, Direction::Inout, 400, vec![node("ip", &[("protocol", "udp")])])
}

#[test]
fn few_rules_of_a_chain_stand_in_root() {
    let of_chain = |chain, entries| {
        let tree =
            [filter("test", "root", 0, vec![Entry::Reference(1)]), filter("alone", chain, -500, entries)];
        made(&tree)
    };
    let accept = |matches| rule(Action::Accept, Direction::In, 500, matches);
    let arp = number(Field::EtherType, 0x806);

    let rules = of_chain("arp", vec![accept(Vec::new())]);
    assert_eq!(matches(&rules, "root-in"), [[arp.clone()]]);
    assert_eq!(rules.chains.len(), 1);
    // What the chain asks and the rule asks too is asked once.
    let rules = of_chain("arp", vec![accept(vec![node("arp", &[("opcode", "Request")])])]);
    assert_eq!(matches(&rules, "root-in"), [[arp, number(Field::ArpOperation, 1)]]);

    let rules = of_chain("arp", vec![requests(), accept(Vec::new())]);
    let arp = number(Field::EtherType, 0x806);
    assert_eq!(matches(&rules, "root-in"), [vec![arp.clone(), number(Field::ArpOperation, 1)], vec![arp]]);
    let verdicts: Vec<&Verdict> = chain(&rules, "root-in").rules.iter().map(|rule| &rule.verdict).collect();
    assert_eq!(verdicts, [&Verdict::Drop, &Verdict::Accept]);
    let rules = of_chain("arp", many());
    assert_eq!(chain(&rules, "root-in").rules[0].verdict, Verdict::Jump("arp-in".into()));
    // No packet comes behind a rule for all of them, so there is no more than that.
    let all = rule(Action::Accept, Direction::In, 100, Vec::new());
    let rules = of_chain("arp", [vec![all], many()].concat());
    assert_eq!(matches(&rules, "root-in"), [[number(Field::EtherType, 0x806)]]);

    // No packet is of both kinds; the kernel's tool would not take such a rule.
    let rules = of_chain("ipv4", vec![accept(vec![node("arp", &[])])]);
    assert_eq!(chain(&rules, "root-in").rules[0].verdict, Verdict::Jump("ipv4-in".into()));
    // It goes back to root, and in root it would leave it.
    let rules = of_chain("ipv4", vec![udp()]);
    assert_eq!(chain(&rules, "root-in").rules[0].verdict, Verdict::Jump("ipv4-in".into()));
}

#[test]
fn what_goes_back_to_root_is_the_opposite_of_what_is_dropped() {
    let of_chain = |chain, protocol, conditions: &[(&str, &str)]| {
        let entries = vec![
            rule(Action::Return, Direction::Out, 350, vec![node(protocol, conditions)]),
            rule(Action::Drop, Direction::Out, 500, Vec::new()),
        ];
        made(&[filter("test", "root", 0, vec![Entry::Reference(1)]), filter("own", chain, -800, entries)])
    };
    let rules = of_chain("mac", "mac", &[("srcmacaddr", "$MAC")]);
    let operand = Operand::Mac("52:54:00:00:00:0a".into());
    let other = Match { field: Field::EtherSource, negated: true, operand };
    assert_eq!(matches(&rules, "root-out"), [[other]]);
    assert_eq!((rules.chains.len(), &rules.chains[0].rules[0].verdict), (1, &Verdict::Drop));

    // Two conditions, and a field that a packet of the chain may not have: ARP need not be between Ethernet and IPv4.
    for (chain_name, protocol, conditions) in [
        ("mac", "mac", &[("srcmacaddr", "$MAC"), ("protocolid", "0x88b6")][..]),
        ("arp", "arp", &[("arpsrcipaddr", "10.0.0.1")]),
    ] {
        let rules = of_chain(chain_name, protocol, conditions);
        let jump = Verdict::Jump(format!("{chain_name}-out"));
        assert_eq!(chain(&rules, "root-out").rules[0].verdict, jump);
    }
}

#[test]
fn chains_are_jumped_to_by_priority_among_the_rules_of_root() {
    let tree = [
        filter(
            "test",
            "root",
            0,
            vec![
                rule(Action::Drop, Direction::In, 1000, Vec::new()),
                rule(Action::Accept, Direction::In, -600, vec![node("mac", &[("protocolid", "0x88b6")])]),
                Entry::Reference(1),
                Entry::Reference(2),
            ],
        ),
        filter("arps", "arp", -500, many()),
        filter("fours", "ipv4", -700, vec![udp(), rule(Action::Accept, Direction::Inout, 500, Vec::new())]),
    ];
    let rules = made(&tree);
    let root = chain(&rules, "root-in");
    let verdicts: Vec<&Verdict> = root.rules.iter().map(|rule| &rule.verdict).collect();
    let (four, arp) = (Verdict::Jump("ipv4-in".into()), Verdict::Jump("arp-in".into()));
    assert_eq!(verdicts, [&four, &Verdict::Accept, &arp, &Verdict::Drop]);
    assert_eq!(root.rules[2].matches, [number(Field::EtherType, 0x806)]);
    // From the guest nothing is said of ARP.
    assert_eq!(chain(&rules, "root-out").rules.len(), 1);
}

#[test]
fn an_accepted_connection_has_its_answers_accepted() {
    let rules = one(vec![node("tcp", &[("dstportstart", "22")])], Action::Accept, Direction::In);
    let expected = |port, states| {
        vec![vec![
            number(Field::EtherType, 0x800),
            number(Field::IpProtocol, 6),
            number(port, 22),
            is(Field::State, Operand::States(states)),
        ]]
    };
    let (new, established) = (ConnectionState::New, ConnectionState::Established);
    assert_eq!(matches(&rules, "connections-in"), expected(Field::DestinationPort, vec![new, established]));
    assert_eq!(matches(&rules, "connections-out"), expected(Field::SourcePort, vec![established]));
}

#[test]
fn types_counts_and_states_are_not_turned_round() {
    for node in [
        node("icmp", &[("type", "8")]),
        node("tcp", &[("connlimit-above", "1")]),
        node("tcp", &[("state", "RELATED")]),
    ] {
        let rules = one(vec![node], Action::Accept, Direction::Out);
        assert_eq!(rules.chains.len(), 1, "{:?}", rules.chains);
        assert_eq!(rules.chains[0].entry, Some(Flow::Out));
    }
}

#[test]
fn a_list_that_stands_alone_is_a_set_and_lists_in_step_are_rules() {
    let rules = one(vec![node("ip", &[("srcipaddr", "$IP")])], Action::Return, Direction::Out);
    let addresses = ["10.0.0.1", "10.0.0.2"].map(|address| Operand::Address(address.into()));
    assert_eq!(rules.sets, [Set { name: "set-0".into(), elements: addresses.to_vec() }]);
    assert_eq!(chain(&rules, "root-out").rules.len(), 1);

    let pair = [("srcipaddr", "$IP"), ("protocol", "udp"), ("dstportstart", "$PORTS")];
    let rules = one(vec![node("ip", &pair)], Action::Accept, Direction::In);
    let ports: Vec<&Match> = (chain(&rules, "root-in").rules.iter()).map(|rule| &rule.matches[3]).collect();
    let wanted = [80, 8080].map(|port| number(Field::DestinationPort, port));
    assert_eq!(ports, [&wanted[0], &wanted[1]]);
}

#[test]
fn independent_iterators_make_every_pair_and_the_first_is_the_slowest() {
    let range = [
        ("srcipaddr", "$IP[@1]"),
        ("srcipmask", "32"),
        ("protocol", "udp"),
        ("dstportstart", "$PORTS[@2]"),
        ("dstportend", "9000"),
    ];
    let rules = one(vec![node("ip", &range)], Action::Accept, Direction::In);
    let pairs: Vec<(Operand, Operand)> = (chain(&rules, "root-in").rules.iter())
        .map(|rule| (rule.matches[1].operand.clone(), rule.matches[3].operand.clone()))
        .collect();
    let pair = |address: &str, port| (Operand::Network((address.into(), 32)), Operand::Range((port, 9000)));
    let expected =
        [pair("10.0.0.1", 80), pair("10.0.0.1", 8080), pair("10.0.0.2", 80), pair("10.0.0.2", 8080)];
    assert_eq!(pairs, expected);
}

#[test]
fn no_packet_has_one_of_no_values() {
    let accept = |node| one(vec![node], Action::Accept, Direction::In);
    assert!(accept(node("ip", &[("srcipaddr", "$NONE")])).chains.is_empty());
    let rules = accept(not(node("ip", &[("srcipaddr", "$NONE")])));
    assert_eq!(matches(&rules, "root-in"), [[number(Field::EtherType, 0x800)]]);
}

#[test]
fn failures_name_the_filter_and_the_rule() {
    let fails = |conditions: &[(&str, &str)]| {
        let entry = rule(Action::Accept, Direction::In, 321, vec![node("udp", conditions)]);
        let Err(failure) = generate(&[filter("test", "root", 0, vec![entry])]) else {
            panic!("{conditions:?} has rules")
        };
        let expected = "filter 'test', rule of 'udp' with priority 321: ";
        let why = failure.message.strip_prefix(expected).map(str::to_owned);
        why.unwrap_or_else(|| panic!("{}", failure.message))
    };
    for (conditions, expected) in [
        (
            &[("srcipaddr", "$IP"), ("dstportstart", "$THREE")][..],
            "variables 'IP' and 'THREE' go in step (iterator 0) but have 2 and 3 values",
        ),
        (&[("dstportstart", "$PORTS[2]")], "variable 'PORTS' has 2 values, none at 2"),
        (&[("dstportstart", "$IP[0]")], "'10.0.0.1' is no value of 'dstportstart'"),
        (&[("dstportstart", "9"), ("dstportend", "8")], "'dstportstart' 9 is above 'dstportend' 8"),
        (&[("state", "OLD")], "'OLD' is no state of a connection"),
    ] {
        assert_eq!(fails(conditions), expected);
    }
}
