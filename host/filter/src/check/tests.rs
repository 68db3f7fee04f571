use reeve_model::filter::{ConnectionState, Set, VerdictMap};
use reeve_model::network::{AddressRange, IpNetwork};

use super::*;

fn chain(name: &str, layer: Layer, entry: Option<Flow>, rules: Vec<Rule>) -> Chain {
    Chain { name: name.to_owned(), layer, entry, rules }
}

fn rule(matches: Vec<Match>, verdict: Verdict) -> Rule {
    Rule { matches, verdict, comment: None }
}

fn is(field: Field, operand: Operand) -> Match {
    Match { field, negated: false, operand }
}

fn jump(to: &str) -> Rule {
    rule(vec![], Verdict::Jump(to.to_owned()))
}

/// Why a rule is refused in layer connection; `Ok` when it is not.
fn judge(one: Match) -> Result<(), String> {
    judge_rule(rule(vec![one], Verdict::Drop))
}

fn judge_rule(one: Rule) -> Result<(), String> {
    let chains = vec![chain("c", Layer::Connection, Some(Flow::Out), vec![one])];
    refuse(Ruleset { chains, ..Ruleset::default() })
}

fn refuse(rules: Ruleset) -> Result<(), String> {
    check(rules, &Limits::default()).map(|_| ()).map_err(|error| error.to_string())
}

fn chains(chains: Vec<Chain>) -> Result<(), String> {
    refuse(Ruleset { chains, ..Ruleset::default() })
}

fn err(result: Result<(), String>) -> String {
    result.unwrap_err()
}

#[test]
fn operands_fit_their_fields() {
    let network = |text: &str, prefix| IpNetwork { address: text.parse().unwrap(), prefix };
    let range =
        |start: &str, end: &str| AddressRange { start: start.parse().unwrap(), end: end.parse().unwrap() };
    let good = [
        is(Field::EtherType, Operand::Number(0xffff)),
        is(Field::VlanId, Operand::Range(1, 4095)),
        is(Field::IpDscp, Operand::Masked { value: 0x30, mask: 0x3f }),
        is(Field::StpRootCost, Operand::Number(u64::from(u32::MAX))),
        is(Field::IpSource, Operand::Network(network("10.0.0.1", 32))),
        is(Field::Ip6Source, Operand::Addresses(range("fd00::1", "fd00::1"))),
        is(Field::ArpGratuitous, Operand::Number(1)),
        is(Field::State, Operand::States(vec![ConnectionState::New])),
        is(Field::HostSet, Operand::HostSet { name: "blocked_4".into(), sources: vec![true; 6] }),
    ];
    for one in good {
        judge(one.clone()).unwrap_or_else(|error| panic!("{one:?}: {error}"));
    }
    let host_set = |name: &str, count| {
        is(Field::HostSet, Operand::HostSet { name: name.to_owned(), sources: vec![true; count] })
    };
    let bad = [
        (is(Field::EtherType, Operand::Number(0x1_0000)), "EtherType is a number of 16 bits"),
        (is(Field::VlanId, Operand::Number(4096)), "VlanId is a number of 12 bits"),
        (is(Field::VlanId, Operand::Range(5, 4)), "VlanId is in an empty range, 5 to 4"),
        (is(Field::IpDscp, Operand::Masked { value: 0, mask: 64 }), "IpDscp is a number of 6 bits"),
        (
            is(Field::TcpFlags, Operand::Masked { value: 3, mask: 1 }),
            "TcpFlags is compared with bits outside",
        ),
        (is(Field::EtherSource, Operand::Number(1)), "EtherSource is a hardware address"),
        (is(Field::IpSource, Operand::Address("::1".parse().unwrap())), "IpSource is an IPv4 address"),
        (is(Field::Ip6Source, Operand::Network(network("10.0.0.0", 8))), "Ip6Source is an IPv6 address"),
        (is(Field::IpSource, Operand::Network(network("10.0.0.0", 33))), "prefix is too long"),
        (is(Field::IpSource, Operand::Addresses(range("10.0.0.2", "10.0.0.1"))), "an empty range"),
        (is(Field::IpSource, Operand::Addresses(range("10.0.0.2", "::1"))), "IpSource is an IPv4 address"),
        (is(Field::ArpGratuitous, Operand::Number(2)), "ArpGratuitous is 0 or 1"),
        (is(Field::State, Operand::States(vec![])), "State is one or more states"),
        (
            is(Field::ConnectionsAbove, Operand::Number(1 << 32)),
            "ConnectionsAbove is a number of connections",
        ),
        (is(Field::IpSource, Operand::Set("none".to_owned())), "there is no set 'none'"),
        (host_set("a;b", 1), "'a;b' can't be the name of a set of the host"),
        (host_set("p1-x", 1), "'p1-x' can't be the name of a set of the host"),
        (host_set("link-in", 1), "can't be the name of a set of the host"),
        (host_set("ok", 0), "HostSet looks up one to six fields"),
        (host_set("ok", 7), "HostSet looks up one to six fields"),
        (
            is(Field::SourcePort, Operand::Number(1)),
            "SourcePort needs a match of the protocol in the same rule",
        ),
    ];
    for (one, why) in bad {
        let error = judge(one.clone()).unwrap_err();
        assert!(error.starts_with("rule 0 of chain 'c': ") && error.contains(why), "{one:?}: {error}");
    }
}

#[test]
fn ports_stand_with_their_protocol() {
    let port = || is(Field::DestinationPort, Operand::Number(53));
    let protocol = |number| is(Field::IpProtocol, Operand::Number(number));
    judge_rule(rule(vec![port(), protocol(17)], Verdict::Drop)).unwrap();
    for other in [protocol(1), Match { negated: true, ..protocol(17) }] {
        assert!(err(judge_rule(rule(vec![other, port()], Verdict::Drop))).contains("needs a match"));
    }
}

#[test]
fn connections_belong_to_their_layer_and_end_a_rule() {
    let state = is(Field::State, Operand::States(vec![ConnectionState::New]));
    let above = || is(Field::ConnectionsAbove, Operand::Number(1));
    for one in [state, above()] {
        let link = chain("c", Layer::Link, Some(Flow::In), vec![rule(vec![one], Verdict::Drop)]);
        assert!(err(chains(vec![link])).contains("is known in layer connection only"));
    }
    let udp = || is(Field::IpProtocol, Operand::Number(17));
    judge_rule(rule(vec![udp(), above()], Verdict::Drop)).unwrap();
    assert!(err(judge_rule(rule(vec![above(), udp()], Verdict::Drop))).contains("is the last condition"));
    assert!(err(judge(Match { negated: true, ..above() })).contains("is not negated"));
    let set = is(Field::HostSet, Operand::HostSet { name: "s".to_owned(), sources: vec![true] });
    assert!(err(judge_rule(rule(vec![set, above()], Verdict::Drop))).contains("can't be counted by"));
    let many = vec![rule(vec![above()], Verdict::Drop); MAX_COUNTED + 1];
    let counted = chain("c", Layer::Connection, Some(Flow::In), many);
    assert_eq!(err(chains(vec![counted])), "6 rules count connections to the guest, and 5 can");
}

#[test]
fn names_are_plain_and_unique() {
    for name in ["", "a b", "a;flush ruleset", "é", "a{", &"x".repeat(65)] {
        let error = err(chains(vec![chain(name, Layer::Link, None, vec![])]));
        assert!(error.contains("can't be the name of a chain"), "{error}");
    }
    let one = || chain("a", Layer::Link, Some(Flow::In), vec![]);
    assert_eq!(err(chains(vec![one(), one()])), "there is a chain 'a' twice");
    let second = chain("b", Layer::Link, Some(Flow::In), vec![]);
    assert_eq!(err(chains(vec![one(), second])), "chain 'b' is a second entry of its layer and way");
    let set = Set { name: "s".to_owned(), elements: vec![] };
    let map = VerdictMap { name: "s".to_owned(), entries: vec![] };
    let both = Ruleset { sets: vec![set], maps: vec![map], ..Ruleset::default() };
    assert_eq!(err(refuse(both)), "there is a map 's' twice");
}

#[test]
fn jumps_lead_somewhere_end_and_are_not_too_many() {
    let link = |name: &str, rules| chain(name, Layer::Link, None, rules);
    assert!(err(chains(vec![link("a", vec![jump("b")])])).contains("there is no chain 'b'"));
    let other = chain("b", Layer::Connection, None, vec![]);
    assert!(err(chains(vec![link("a", vec![jump("b")]), other])).contains("is in the other layer"));
    let ring = vec![link("a", vec![jump("b")]), link("b", vec![jump("c")]), link("c", vec![jump("b")])];
    assert_eq!(err(chains(ring)), "chains jump in a loop: b -> c -> b");
    let row = |count: usize, times: usize| {
        let target = |n| if n + 1 < count { vec![jump(&format!("c{}", n + 1)); times] } else { vec![] };
        (0..count).map(|n| link(&format!("c{n}"), target(n))).collect::<Vec<_>>()
    };
    chains(row(13, 1)).unwrap();
    assert!(err(chains(row(14, 1))).contains("jumps lead more than 12 chains deep"));
    assert!(err(chains(row(12, 4))).contains("are visited more than 65536 times"));
}

#[test]
fn sets_and_maps_hold_one_type() {
    let set = |elements| Ruleset { sets: vec![Set { name: "s".to_owned(), elements }], ..Ruleset::default() };
    let address = |text: &str| Operand::Address(text.parse().unwrap());
    refuse(set(vec![Operand::Number(1), Operand::Range(2, 4)])).unwrap();
    assert!(err(refuse(set(vec![Operand::Number(1), address("10.0.0.1")]))).contains("element 1 of set 's'"));
    assert!(err(refuse(set(vec![address("::1"), address("10.0.0.1")]))).contains("another type"));
    assert!(err(refuse(set(vec![Operand::Set("t".to_owned())]))).contains("is no number"));
    assert!(err(refuse(set(vec![Operand::Range(2, 1)]))).contains("is empty"));
    let mut wide = set(vec![Operand::Number(300)]);
    let look = is(Field::StpType, Operand::Set("s".to_owned()));
    wide.chains = vec![chain("c", Layer::Link, None, vec![rule(vec![look], Verdict::Drop)])];
    assert!(err(refuse(wide)).contains("'s' does not hold values of StpType"));

    let map = |entries| Ruleset {
        chains: vec![
            chain("c", Layer::Link, None, vec![rule(vec![], look_up("m"))]),
            chain("d", Layer::Connection, None, vec![]),
        ],
        maps: vec![VerdictMap { name: "m".to_owned(), entries }],
        ..Ruleset::default()
    };
    let entry = |operand, verdict| (operand, verdict);
    refuse(map(vec![entry(Operand::Number(1), Verdict::Drop), entry(Operand::Range(2, 3), Verdict::Accept)]))
        .unwrap();
    let twice = vec![entry(Operand::Range(1, 3), Verdict::Drop), entry(Operand::Number(3), Verdict::Accept)];
    assert_eq!(err(refuse(map(twice))), "map 'm' has two verdicts for one value");
    let nested = vec![entry(Operand::Number(1), look_up("m"))];
    assert_eq!(err(refuse(map(nested))), "map 'm' has a map for a verdict");
    for target in ["d", "gone"] {
        let error = err(refuse(map(vec![entry(Operand::Number(1), Verdict::Jump(target.to_owned()))])));
        assert!(error.contains("is not in the layer it is used in"), "{error}");
    }
    assert!(err(judge_rule(rule(vec![], look_up("gone")))).contains("there is no map 'gone'"));
}

fn look_up(map: &str) -> Verdict {
    Verdict::Map { field: Field::EtherType, map: map.to_owned() }
}

#[test]
fn rulesets_are_bounded() {
    let limits = Limits { chains: 1, rules: 2, sets: 1, elements: 2, matches: 1, ..Limits::default() };
    let refuse = |rules: Ruleset| check(rules, &limits).unwrap_err().to_string();
    let plain = |name: &str, count| chain(name, Layer::Link, None, vec![rule(vec![], Verdict::Drop); count]);
    let set = |name: &str, count| Set { name: name.to_owned(), elements: vec![Operand::Number(1); count] };
    let rules = |chains, sets| Ruleset { chains, sets, maps: vec![] };
    assert_eq!(
        refuse(rules(vec![plain("a", 0), plain("b", 0)], vec![])),
        "a ruleset has 1 chains at most, not 2"
    );
    assert_eq!(refuse(rules(vec![plain("a", 3)], vec![])), "a ruleset has 2 rules at most, not 3");
    assert_eq!(
        refuse(rules(vec![], vec![set("a", 0), set("b", 0)])),
        "a ruleset has 1 sets and maps at most, not 2"
    );
    assert_eq!(refuse(rules(vec![], vec![set("a", 3)])), "a ruleset has 2 elements at most, not 3");
    let two = vec![is(Field::EtherType, Operand::Number(1)); 2];
    let error = refuse(rules(vec![chain("a", Layer::Link, None, vec![rule(two, Verdict::Drop)])], vec![]));
    assert_eq!(error, "rule 0 of chain 'a': it has 2 conditions, and 1 are allowed");
}
