//! Protocols of connections (guide 18.12.11): one chain a direction.
//!
//! An accepting rule lets new connections through in its direction and, source and destination exchanged, the answers in the other. It
//! stands in both chains, with a state in each:
//!
//! | rule | in its direction | against it |
//! |---|---|---|
//! | accept, `in` or `out` | NEW, ESTABLISHED | ESTABLISHED |
//! | accept, `inout`, or `statematch='false'` | any state | any state |
//! | drop or reject | any state | any state |
//! | with a `state` | that state | not there |
//!
//! A rule about types of ICMP is not turned round, because answers have other types; neither is one that counts connections.

use reeve_sdk::Failure;
use reeve_sdk::filter::Rules;
use reeve_sdk::filter::ruleset::{
    Chain, ConnectionState, Field, Flow, HostSet, Layer, Match, Operand, Rule, Verdict,
};
use reeve_sdk::filter::tree::{Action, Direction};

use crate::convert::{Matches, number, plain, tcp_flags};
use crate::gather::{Gathering, Placed};
use crate::link::verdict;
use crate::variables::{Node, expand, failure};

/// Adds the chains of connections.
pub(crate) fn chains(gathering: &Gathering<'_>, rules: &mut Rules) -> Result<(), Failure> {
    for flow in [Flow::Out, Flow::In] {
        let mut list = Vec::new();
        for placed in &gathering.connections {
            rule(*placed, flow, rules, &mut list)?;
        }
        if !list.is_empty() {
            let name = format!("connections-{}", if flow == Flow::In { "in" } else { "out" });
            rules.chains.push(Chain { name, layer: Layer::Connection, entry: Some(flow), rules: list });
        }
    }
    Ok(())
}

fn rule(placed: Placed<'_>, flow: Flow, rules: &mut Rules, list: &mut Vec<Rule>) -> Result<(), Failure> {
    let direction = placed.rule.direction;
    let with = matches!((direction, flow), (Direction::In, Flow::In) | (Direction::Out, Flow::Out));
    let both = direction == Direction::Inout;
    // `inout` is written as a packet to the guest has it.
    let reversed = if both { flow == Flow::Out } else { !with };
    for nodes in expand(placed)? {
        let said = nodes.iter().find_map(|node| node.one("state"));
        let counts = nodes.iter().any(|node| node.one("connlimit-above").is_some());
        let types = nodes.iter().any(|node| node.one("type").is_some() || node.one("code").is_some());
        let explicit = said.filter(|state| *state != "NONE" && placed.rule.statematch);
        if reversed && (types || counts || (explicit.is_some() && !both)) {
            continue;
        }
        let stateless =
            !placed.rule.statematch || said == Some("NONE") || placed.rule.action != Action::Accept;
        let states = match explicit {
            Some(states) => Some(read_states(placed, states)?),
            None if both || stateless => None,
            None if with => Some(vec![ConnectionState::New, ConnectionState::Established]),
            None => Some(vec![ConnectionState::Established]),
        };
        let mut matches = Matches::new(placed, rules, reversed);
        for node in &nodes {
            add(&mut matches, node, reversed)?;
        }
        if let Some(states) = states {
            matches.push(Field::State, false, Operand::States(states));
        }
        if let Some(most) = nodes.iter().find_map(|node| node.one("connlimit-above")) {
            let most = number(most).ok_or_else(|| matches.wrong("connlimit-above", most))?;
            matches.push(Field::ConnectionsAbove, false, Operand::Number(most));
        }
        let Matches { list: matches, comment, .. } = matches;
        list.push(Rule { matches, verdict: passing(placed.rule.action), comment });
    }
    Ok(())
}

/// In the one chain of a direction, the calling filter is the layer itself.
fn passing(action: Action) -> Verdict {
    match action {
        Action::Return => Verdict::Accept,
        other => verdict(other),
    }
}

fn add<'a>(matches: &mut Matches<'a, '_>, node: &Node<'a>, reversed: bool) -> Result<(), Failure> {
    let (six, protocol) = protocol(node.protocol);
    matches.number(Field::EtherType, if six { 0x86dd } else { 0x800 });
    if let Some(protocol) = protocol {
        matches.number(if six { Field::Ip6Protocol } else { Field::IpProtocol }, protocol);
    }
    matches.macs(node)?;
    matches.addresses(node, six)?;
    matches.ports(node)?;
    let (dscp, types, codes) = match six {
        false => (Field::IpDscp, Field::IcmpType, Field::IcmpCode),
        true => (Field::Ip6Dscp, Field::Icmp6Type, Field::Icmp6Code),
    };
    matches.attribute(node, "dscp", dscp, plain)?;
    matches.range(node, "type", "typeend", types)?;
    matches.range(node, "code", "codeend", codes)?;
    matches.attribute(node, "flags", Field::TcpFlags, tcp_flags)?;
    if let (Some(name), Some(flags)) = (node.one("ipset"), node.one("ipsetflags")) {
        // Against its direction a set's sources are destinations.
        let sources = flags.split(',').map(|flag| (flag == "src") != reversed).collect();
        let set = HostSet { name: name.to_owned(), sources };
        matches.list.push(Match {
            field: Field::HostSet,
            negated: node.negated,
            operand: Operand::HostSet(set),
        });
    }
    matches.comment(node);
    Ok(())
}

/// Whether it is over IPv6, and its number; none for every protocol.
fn protocol(word: &str) -> (bool, Option<u64>) {
    let (base, six) = match word.strip_suffix("-ipv6") {
        Some(base) => (base, true),
        None => (word, word == "icmpv6"),
    };
    let number = match base {
        "tcp" => 6,
        "udp" => 17,
        "sctp" => 132,
        "icmp" => 1,
        "icmpv6" => 58,
        "igmp" => 2,
        "esp" => 50,
        "ah" => 51,
        "udplite" => 136,
        _ => return (six, None),
    };
    (six, Some(number))
}

fn read_states(placed: Placed<'_>, text: &str) -> Result<Vec<ConnectionState>, Failure> {
    let state = |word: &str| match word {
        "NEW" => Ok(ConnectionState::New),
        "ESTABLISHED" => Ok(ConnectionState::Established),
        "RELATED" => Ok(ConnectionState::Related),
        "INVALID" => Ok(ConnectionState::Invalid),
        other => Err(failure(placed, &format!("'{other}' is no state of a connection"))),
    };
    text.split(',').map(state).collect()
}
