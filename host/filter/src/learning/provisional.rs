//! The rules of a port whose address is to be learned.

use std::net::IpAddr;

use reeve_model::MacAddress;
use reeve_model::filter::{Chain, Field, Flow, Layer, Match, Operand, Rule, Ruleset, Verdict};

/// Lets nothing pass but what a guest needs to get an address by DHCP: its requests with its own hardware address, and the answers of
/// servers, where some are trusted only theirs.
pub fn provisional(mac: MacAddress, servers: &[IpAddr]) -> Ruleset {
    let number = |field, value| Match { field, negated: false, operand: Operand::Number(value) };
    let between = |source, destination| {
        vec![
            number(Field::IpProtocol, 17),
            number(Field::SourcePort, source),
            number(Field::DestinationPort, destination),
        ]
    };
    let rule = |matches, verdict| Rule { matches, verdict, comment: None };
    let chain = |name: &str, flow, rules| Chain {
        name: name.to_owned(),
        layer: Layer::Link,
        entry: Some(flow),
        rules,
    };
    let spoofed = Match { field: Field::EtherSource, negated: true, operand: Operand::Mac(mac) };
    let out = vec![
        rule(vec![spoofed], Verdict::Drop),
        rule(between(68, 67), Verdict::Accept),
        rule(Vec::new(), Verdict::Drop),
    ];
    let from = |server: &IpAddr| Match {
        field: Field::IpSource,
        negated: false,
        operand: Operand::Address(*server),
    };
    let mut answers: Vec<Rule> = match servers {
        [] => vec![rule(between(67, 68), Verdict::Accept)],
        servers => servers
            .iter()
            .filter(|server| server.is_ipv4())
            .map(|server| rule([vec![from(server)], between(67, 68)].concat(), Verdict::Accept))
            .collect(),
    };
    answers.push(rule(Vec::new(), Verdict::Drop));
    Ruleset {
        chains: vec![chain("ask", Flow::Out, out), chain("answer", Flow::In, answers)],
        ..Ruleset::default()
    }
}
