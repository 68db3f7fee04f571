//! Protocols of frames: `root` with jumps to the chains of protocols, once for each direction.

use std::borrow::Cow;

use reeve_sdk::Failure;
use reeve_sdk::filter::Rules;
use reeve_sdk::filter::ruleset::{Chain, Field, Flow, Layer, Match, Operand, Rule, Verdict};
use reeve_sdk::filter::tree::{Action, Direction};

use crate::convert::{Matches, boolean, ethertype, ip_protocol, mac, operation, plain};
use crate::gather::{Gathering, Placed};
use crate::variables::{Node, expand};

/// Where bridges send their BPDUs.
const BRIDGE_GROUP: &str = "01:80:c2:00:00:00";

/// Adds the chains of frames.
pub(crate) fn chains(gathering: &Gathering<'_>, rules: &mut Rules) -> Result<(), Failure> {
    for flow in [Flow::Out, Flow::In] {
        let mut made = Vec::new();
        for chain in &gathering.chains {
            let mut list = Vec::new();
            for placed in &chain.rules {
                rule(*placed, flow, rules, &mut list)?;
            }
            made.push(list);
        }
        let mut made = made.into_iter();
        let own = made.next().unwrap_or_default();
        let jumps = gathering.chains[1..].iter().zip(made).filter(|(_, list)| !list.is_empty());
        // Jumps stand among the rules of root by the priority of their chain; before rules of the same priority.
        let mut root: Vec<(i32, Rule)> = Vec::new();
        for (chain, list) in jumps {
            let list: Vec<Rule> = list.into_iter().map(|(_, rule)| rule).collect();
            let packets = packets_of(chain.name);
            if let Some(inside) = in_place(&packets, &list) {
                root.extend(inside.into_iter().map(|rule| (chain.priority, rule)));
                continue;
            }
            let name = name(chain.name, flow);
            let jump = Rule { matches: packets, verdict: Verdict::Jump(name.clone()), comment: None };
            root.push((chain.priority, jump));
            rules.chains.push(Chain { name, layer: Layer::Link, entry: None, rules: list });
        }
        root.extend(own);
        root.sort_by_key(|(priority, _)| *priority);
        if !root.is_empty() {
            let list = root.into_iter().map(|(_, rule)| rule).collect();
            let (name, entry) = (name("root", flow), Some(flow));
            rules.chains.push(Chain { name, layer: Layer::Link, entry, rules: list });
        }
    }
    Ok(())
}

/// Rules that are no more than this stand in `root` in place of the jump to their chain: a chain less for the kernel to keep, whose
/// changes take longer the more chains and jumps there are. Each costs every packet of another kind a comparison.
const FEW: usize = 6;

/// The rules of a chain as they stand in `root`. None when they must stay where they are: they are many, `return` there is no `return`
/// here, or a packet would have to have two values of a field.
fn in_place(packets: &[Match], list: &[Rule]) -> Option<Vec<Rule>> {
    let fits = |rule: &Rule| {
        let agrees = |asked: &Match| rule.matches.iter().all(|own| own.field != asked.field || own == asked);
        ends(&rule.verdict) && packets.iter().all(agrees)
    };
    let list = without_return(reached(list));
    if list.len() > FEW || !list.iter().all(fits) {
        return None;
    }
    let with_packets = |rule: &Rule| {
        let more = packets.iter().filter(|asked| !rule.matches.contains(asked)).cloned();
        Rule { matches: more.chain(rule.matches.iter().cloned()).collect(), ..rule.clone() }
    };
    Some(list.iter().map(with_packets).collect())
}

/// True when nothing looks at a packet after this verdict.
fn ends(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accept | Verdict::Drop | Verdict::Reject)
}

/// Rules up to the one behind which no packet comes.
fn reached(list: &[Rule]) -> &[Rule] {
    let last = list.iter().position(|rule| rule.matches.is_empty() && ends(&rule.verdict));
    last.map_or(list, |last| &list[..=last])
}

/// "Return if it is, drop the rest" as "drop if it is not", where these are the same: every frame has the fields that are asked. A
/// packet without a field fits neither a condition on it nor the opposite.
fn without_return(list: &[Rule]) -> Cow<'_, [Rule]> {
    let [back, rest] = list else { return list.into() };
    let [one] = back.matches.as_slice() else { return list.into() };
    let of_all_frames = matches!(one.field, Field::EtherSource | Field::EtherDestination | Field::EtherType);
    if back.verdict != Verdict::Return || !rest.matches.is_empty() || !of_all_frames {
        return list.into();
    }
    let not = Match { negated: !one.negated, ..one.clone() };
    vec![Rule { matches: vec![not], ..rest.clone() }].into()
}

fn name(chain: &str, flow: Flow) -> String {
    format!("{chain}-{}", if flow == Flow::In { "in" } else { "out" })
}

/// Which packets go to a chain.
fn packets_of(chain: &str) -> Vec<Match> {
    let ether = |number| Match { field: Field::EtherType, negated: false, operand: Operand::Number(number) };
    match chain.split('-').next().unwrap_or_default() {
        "ipv4" => vec![ether(0x800)],
        "ipv6" => vec![ether(0x86dd)],
        "arp" => vec![ether(0x806)],
        "rarp" => vec![ether(0x8035)],
        "vlan" => vec![ether(0x8100)],
        "stp" => {
            let operand = Operand::Mac(BRIDGE_GROUP.to_owned());
            vec![Match { field: Field::EtherDestination, negated: false, operand }]
        }
        // Every frame has addresses.
        _ => Vec::new(),
    }
}

fn rule(
    placed: Placed<'_>,
    flow: Flow,
    rules: &mut Rules,
    list: &mut Vec<(i32, Rule)>,
) -> Result<(), Failure> {
    let reversed = match (placed.rule.direction, flow) {
        (Direction::In | Direction::Inout, Flow::In) | (Direction::Out, Flow::Out) => false,
        (Direction::Inout, Flow::Out) => true,
        (Direction::In, Flow::Out) | (Direction::Out, Flow::In) => return Ok(()),
    };
    for nodes in expand(placed)? {
        let mut matches = Matches::new(placed, rules, reversed);
        for node in &nodes {
            add(&mut matches, node)?;
        }
        let Matches { list: matches, comment, .. } = matches;
        list.push((placed.rule.priority, Rule { matches, verdict: verdict(placed.rule.action), comment }));
    }
    Ok(())
}

pub(crate) fn verdict(action: Action) -> Verdict {
    match action {
        Action::Drop => Verdict::Drop,
        Action::Reject => Verdict::Reject,
        Action::Accept => Verdict::Accept,
        Action::Return => Verdict::Return,
        Action::Continue => Verdict::Continue,
    }
}

fn add<'a>(matches: &mut Matches<'a, '_>, node: &Node<'a>) -> Result<(), Failure> {
    match node.protocol {
        "mac" => {
            matches.macs(node)?;
            matches.attribute(node, "protocolid", Field::EtherType, ethertype)?;
        }
        "vlan" => {
            matches.number(Field::EtherType, 0x8100);
            matches.macs(node)?;
            matches.attribute(node, "vlanid", Field::VlanId, plain)?;
            matches.attribute(node, "encap-protocol", Field::VlanType, ethertype)?;
        }
        "stp" => stp(matches, node)?,
        "arp" => arp(matches, node, 0x806)?,
        "rarp" => arp(matches, node, 0x8035)?,
        "ip" => {
            matches.number(Field::EtherType, 0x800);
            matches.macs(node)?;
            matches.addresses(node, false)?;
            matches.attribute(node, "protocol", Field::IpProtocol, ip_protocol)?;
            matches.ports(node)?;
            matches.attribute(node, "dscp", Field::IpDscp, plain)?;
        }
        "ipv6" => {
            matches.number(Field::EtherType, 0x86dd);
            matches.macs(node)?;
            matches.addresses(node, true)?;
            matches.attribute(node, "protocol", Field::Ip6Protocol, ip_protocol)?;
            matches.ports(node)?;
            matches.attribute(node, "dscp", Field::Ip6Dscp, plain)?;
            matches.range(node, "type", "typeend", Field::Icmp6Type)?;
            matches.range(node, "code", "codeend", Field::Icmp6Code)?;
        }
        _ => {}
    }
    matches.comment(node);
    Ok(())
}

fn arp<'a>(matches: &mut Matches<'a, '_>, node: &Node<'a>, ethertype_number: u64) -> Result<(), Failure> {
    matches.number(Field::EtherType, ethertype_number);
    matches.macs(node)?;
    matches.attribute(node, "hwtype", Field::ArpHardwareType, plain)?;
    matches.attribute(node, "protocoltype", Field::ArpProtocolType, ethertype)?;
    matches.attribute(node, "opcode", Field::ArpOperation, operation)?;
    let (source, target) = (Field::ArpSourceMac, Field::ArpTargetMac);
    let (sender, receiver) = (matches.side(source, target), matches.side(target, source));
    matches.attribute(node, "arpsrcmacaddr", sender, mac)?;
    matches.attribute(node, "arpdstmacaddr", receiver, mac)?;
    let (source, target) = (Field::ArpSourceIp, Field::ArpTargetIp);
    let (sender, receiver) = (matches.side(source, target), matches.side(target, source));
    matches.masked_address(node, "arpsrcipaddr", "arpsrcipmask", sender)?;
    matches.masked_address(node, "arpdstipaddr", "arpdstipmask", receiver)?;
    matches.attribute(node, "gratuitous", Field::ArpGratuitous, boolean)
}

fn stp<'a>(matches: &mut Matches<'a, '_>, node: &Node<'a>) -> Result<(), Failure> {
    if matches.list.is_empty() {
        matches.push(Field::EtherDestination, false, Operand::Mac(BRIDGE_GROUP.to_owned()));
    }
    matches.masked_mac(node, "srcmacaddr", "srcmacmask", Field::EtherSource)?;
    matches.attribute(node, "type", Field::StpType, plain)?;
    matches.attribute(node, "flags", Field::StpFlags, plain)?;
    matches.masked_mac(node, "root-address", "root-address-mask", Field::StpRootAddress)?;
    matches.masked_mac(node, "sender-address", "sender-address-mask", Field::StpSenderAddress)?;
    for (from, to, field) in [
        ("root-priority", "root-priority-hi", Field::StpRootPriority),
        ("root-cost", "root-cost-hi", Field::StpRootCost),
        ("sender-priority", "sender-priority-hi", Field::StpSenderPriority),
        ("port", "port-hi", Field::StpPort),
        ("msg-age", "msg-age-hi", Field::StpMessageAge),
        ("max-age", "max-age-hi", Field::StpMaxAge),
        ("hello-time", "hello-time-hi", Field::StpHelloTime),
        ("forward-delay", "forward-delay-hi", Field::StpForwardDelay),
    ] {
        matches.range(node, from, to, field)?;
    }
    Ok(())
}
