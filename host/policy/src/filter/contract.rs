//! The filter contract's types to and from the model's.

use std::net::IpAddr;

use reeve_model::MacAddress;
use reeve_model::filter::{self as model, Access, FilterSubject, FilterTree, Ruleset, TreeEntry};
use reeve_model::network::{AddressRange, IpNetwork};

use crate::bindings::reeve::filter::{ruleset as wit, tree};
use crate::failure::shorten;

/// The interface, as a policy is told it.
pub(crate) fn contract_subject(subject: &FilterSubject) -> tree::Subject {
    tree::Subject {
        domain: subject.domain_name.clone(),
        link: subject.link.clone(),
        mac: subject.mac.to_string(),
        addresses: subject.addresses.iter().map(ToString::to_string).collect(),
    }
}

/// The filters, as a policy is told them.
pub(crate) fn contract_tree(whole: &FilterTree) -> Vec<tree::Filter> {
    let variable = |(name, values): (&String, &Vec<String>)| tree::Parameter {
        name: name.clone(),
        values: values.clone(),
    };
    let filter = |filter: &model::TreeFilter| tree::Filter {
        name: filter.name.clone(),
        chain: filter.chain.clone(),
        priority: filter.priority,
        variables: filter.variables.iter().map(variable).collect(),
        entries: filter.entries.iter().map(entry).collect(),
    };
    whole.filters.iter().map(filter).collect()
}

fn entry(entry: &TreeEntry) -> tree::Entry {
    match entry {
        TreeEntry::Reference(position) => tree::Entry::Reference(*position),
        TreeEntry::Rule(rule) => tree::Entry::Rule(tree::Rule {
            action: match rule.action {
                model::RuleAction::Drop => tree::Action::Drop,
                model::RuleAction::Reject => tree::Action::Reject,
                model::RuleAction::Accept => tree::Action::Accept,
                model::RuleAction::Return => tree::Action::Return,
                model::RuleAction::Continue => tree::Action::Continue,
            },
            direction: match rule.direction {
                model::RuleDirection::In => tree::Direction::In,
                model::RuleDirection::Out => tree::Direction::Out,
                model::RuleDirection::Inout => tree::Direction::Inout,
            },
            priority: rule.priority,
            statematch: rule.statematch,
            matches: rule.matches.iter().map(protocol_match).collect(),
        }),
    }
}

fn protocol_match(node: &model::ProtocolMatch) -> tree::ProtocolMatch {
    let condition = |condition: &model::Condition| tree::Condition {
        attribute: condition.attribute.as_str().to_owned(),
        value: match &condition.value {
            model::Value::Literal(text) => tree::Value::Literal(text.clone()),
            model::Value::Variable { name, access } => tree::Value::Variable(tree::Variable {
                name: name.clone(),
                access: match access {
                    Access::Element(index) => tree::Access::Element(*index),
                    Access::Iterator(id) => tree::Access::Iterator(*id),
                },
            }),
        },
    };
    tree::ProtocolMatch {
        protocol: node.protocol.as_str().to_owned(),
        negated: node.negated,
        conditions: node.conditions.iter().map(condition).collect(),
    }
}

/// The rules that a policy proposes; the error says what can't be read. Whether they may be put in force is asked later.
pub(crate) fn ruleset(rules: wit::Rules) -> Result<Ruleset, String> {
    let set = |set: wit::Set| {
        let elements = set.elements.into_iter().map(operand).collect::<Result<_, _>>()?;
        Ok::<_, String>(model::Set { name: set.name, elements })
    };
    let map = |map: wit::VerdictMap| {
        let pair =
            |(key, then): (wit::Operand, wit::Verdict)| Ok::<_, String>((operand(key)?, verdict(then)));
        let entries = map.entries.into_iter().map(pair).collect::<Result<_, _>>()?;
        Ok::<_, String>(model::VerdictMap { name: map.name, entries })
    };
    Ok(Ruleset {
        chains: rules.chains.into_iter().map(chain).collect::<Result<_, _>>()?,
        sets: rules.sets.into_iter().map(set).collect::<Result<_, _>>()?,
        maps: rules.maps.into_iter().map(map).collect::<Result<_, _>>()?,
    })
}

fn chain(chain: wit::Chain) -> Result<model::Chain, String> {
    let layer = match chain.layer {
        wit::Layer::Link => model::Layer::Link,
        wit::Layer::Connection => model::Layer::Connection,
    };
    let entry = chain.entry.map(|flow| match flow {
        wit::Flow::In => model::Flow::In,
        wit::Flow::Out => model::Flow::Out,
    });
    let rule = |(number, rule): (usize, wit::Rule)| {
        let place = |why: String| format!("rule {number} of chain '{}': {why}", shorten(&chain.name, 64));
        let matches = rule.matches.into_iter().map(condition).collect::<Result<_, _>>().map_err(place)?;
        Ok::<_, String>(model::Rule { matches, verdict: verdict(rule.verdict), comment: rule.comment })
    };
    let rules = chain.rules.into_iter().enumerate().map(rule).collect::<Result<_, _>>()?;
    Ok(model::Chain { name: chain.name, layer, entry, rules })
}

fn condition(condition: wit::Match) -> Result<model::Match, String> {
    let operand = operand(condition.operand)?;
    Ok(model::Match { field: field(condition.field), negated: condition.negated, operand })
}

fn verdict(verdict: wit::Verdict) -> model::Verdict {
    match verdict {
        wit::Verdict::Accept => model::Verdict::Accept,
        wit::Verdict::Drop => model::Verdict::Drop,
        wit::Verdict::Reject => model::Verdict::Reject,
        wit::Verdict::Return => model::Verdict::Return,
        wit::Verdict::Continue => model::Verdict::Continue,
        wit::Verdict::Jump(chain) => model::Verdict::Jump(chain),
        wit::Verdict::Lookup(lookup) => {
            model::Verdict::Map { field: field(lookup.field), map: lookup.verdict_map }
        }
    }
}

fn operand(operand: wit::Operand) -> Result<model::Operand, String> {
    Ok(match operand {
        wit::Operand::Number(number) => model::Operand::Number(number),
        wit::Operand::Range((from, to)) => model::Operand::Range(from, to),
        wit::Operand::Masked(masked) => model::Operand::Masked { value: masked.value, mask: masked.mask },
        wit::Operand::Mac(text) => model::Operand::Mac(mac(&text)?),
        wit::Operand::MaskedMac(masked) => {
            model::Operand::MacMasked { value: mac(&masked.value)?, mask: mac(&masked.mask)? }
        }
        wit::Operand::Address(text) => model::Operand::Address(address(&text)?),
        wit::Operand::Network((text, prefix)) => {
            let network = IpNetwork::new(address(&text)?, prefix);
            let long = || format!("'{}/{prefix}' has too long a prefix", shorten(&text, 64));
            model::Operand::Network(network.ok_or_else(long)?)
        }
        wit::Operand::Addresses((from, to)) => {
            model::Operand::Addresses(AddressRange { start: address(&from)?, end: address(&to)? })
        }
        wit::Operand::Set(name) => model::Operand::Set(name),
        wit::Operand::States(states) => model::Operand::States(states.into_iter().map(state).collect()),
        wit::Operand::HostSet(set) => model::Operand::HostSet { name: set.name, sources: set.sources },
    })
}

fn state(state: wit::ConnectionState) -> model::ConnectionState {
    match state {
        wit::ConnectionState::New => model::ConnectionState::New,
        wit::ConnectionState::Established => model::ConnectionState::Established,
        wit::ConnectionState::Related => model::ConnectionState::Related,
        wit::ConnectionState::Invalid => model::ConnectionState::Invalid,
    }
}

fn mac(text: &str) -> Result<MacAddress, String> {
    text.parse().map_err(|error: reeve_model::mac_address::BadMac| error.to_string())
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("'{}' is no IP address", shorten(text, 64)))
}

/// The same word on both sides.
macro_rules! fields {
    ($($field:ident),* $(,)?) => {
        fn field(field: wit::Field) -> model::Field {
            match field {
                $(wit::Field::$field => model::Field::$field,)*
            }
        }
    };
}

fields! {
    EtherSource,
    EtherDestination,
    EtherType,
    VlanId,
    VlanType,
    ArpHardwareType,
    ArpProtocolType,
    ArpOperation,
    ArpSourceMac,
    ArpTargetMac,
    ArpSourceIp,
    ArpTargetIp,
    ArpGratuitous,
    IpSource,
    IpDestination,
    IpProtocol,
    IpDscp,
    Ip6Source,
    Ip6Destination,
    Ip6Protocol,
    Ip6Dscp,
    SourcePort,
    DestinationPort,
    TcpFlags,
    IcmpType,
    IcmpCode,
    Icmp6Type,
    Icmp6Code,
    StpType,
    StpFlags,
    StpRootPriority,
    StpRootAddress,
    StpRootCost,
    StpSenderPriority,
    StpSenderAddress,
    StpPort,
    StpMessageAge,
    StpMaxAge,
    StpHelloTime,
    StpForwardDelay,
    State,
    ConnectionsAbove,
    HostSet,
}
