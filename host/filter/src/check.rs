//! Whether a ruleset that a policy proposes may become rules of the kernel.
//!
//! What passes can be compiled to text that nft takes; what a policy could do to the kernel with it is bounded: the number of rules,
//! elements and chains, how deep jumps go, and how many chains the kernel visits when it checks them.

mod error;
mod jumps;
mod operand;
mod set;

use std::collections::{HashMap, HashSet};

use reeve_model::filter::{Chain, Field, Flow, Layer, Match, Operand, Rule, Ruleset, Verdict};

use crate::field::{self, Kind};
pub use error::{RuleError, RulesetError};
pub(crate) use jumps::reachable;
pub(crate) use set::{ElementKind, bounds};

/// Bounds of one interface's ruleset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Chains.
    pub chains: usize,
    /// Rules of all chains.
    pub rules: usize,
    /// Sets and maps.
    pub sets: usize,
    /// Elements of all sets and maps.
    pub elements: usize,
    /// Conditions of a rule.
    pub matches: usize,
    /// Jumps one inside of the other. The kernel's own limit is 16 with its base chains.
    pub depth: usize,
    /// Chains that the kernel visits on all ways through the ruleset.
    pub visits: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            chains: 256,
            rules: 20_000,
            sets: 256,
            elements: 65_536,
            matches: 32,
            depth: 12,
            visits: 65_536,
        }
    }
}

/// Rules that count connections, one interface and way.
pub const MAX_COUNTED: usize = 5;

/// A ruleset that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRuleset(Ruleset);

impl ValidRuleset {
    /// The rules.
    pub fn rules(&self) -> &Ruleset {
        &self.0
    }

    /// Names of sets of the host that it asks.
    pub fn host_sets(&self) -> impl Iterator<Item = &str> {
        let matches = self.0.chains.iter().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.matches);
        matches.filter_map(|condition| match &condition.operand {
            Operand::HostSet { name, .. } => Some(name.as_str()),
            _ => None,
        })
    }

    /// The chain where packets of a layer and way begin.
    pub fn entry(&self, layer: Layer, flow: Flow) -> Option<&Chain> {
        self.0.chains.iter().find(|chain| chain.layer == layer && chain.entry == Some(flow))
    }
}

/// Checks a ruleset against what can be compiled, and against limits.
pub fn check(rules: Ruleset, limits: &Limits) -> Result<ValidRuleset, RulesetError> {
    let context = Context::new(&rules, limits)?;
    for chain in &rules.chains {
        for (position, rule) in chain.rules.iter().enumerate() {
            context.rule(chain, rule).map_err(|why| RulesetError::Rule {
                chain: chain.name.clone(),
                rule: position,
                why: Box::new(why),
            })?;
        }
    }
    jumps::check(&rules, limits)?;
    counted(&rules)?;
    Ok(ValidRuleset(rules))
}

/// What rules may name.
struct Context<'a> {
    limits: &'a Limits,
    chains: HashMap<&'a str, Layer>,
    sets: HashMap<&'a str, ElementKind>,
    maps: HashMap<&'a str, ElementKind>,
}

impl<'a> Context<'a> {
    fn new(rules: &'a Ruleset, limits: &'a Limits) -> Result<Self, RulesetError> {
        let bounded = |what, count: usize, limit: usize| match count > limit {
            true => Err(RulesetError::TooMany { what, count, limit }),
            false => Ok(()),
        };
        let elements = rules.sets.iter().map(|set| set.elements.len());
        let elements = elements.chain(rules.maps.iter().map(|map| map.entries.len())).sum();
        bounded("chains", rules.chains.len(), limits.chains)?;
        bounded("rules", rules.chains.iter().map(|chain| chain.rules.len()).sum(), limits.rules)?;
        bounded("sets and maps", rules.sets.len() + rules.maps.len(), limits.sets)?;
        bounded("elements", elements, limits.elements)?;

        let mut context = Self { limits, chains: HashMap::new(), sets: HashMap::new(), maps: HashMap::new() };
        let mut entries = HashSet::new();
        for chain in &rules.chains {
            named("chain", &chain.name)?;
            if context.chains.insert(&chain.name, chain.layer).is_some() {
                return Err(RulesetError::Twice { what: "chain", name: chain.name.clone() });
            }
            if chain.entry.is_some_and(|flow| !entries.insert((chain.layer, flow))) {
                return Err(RulesetError::Entry { chain: chain.name.clone() });
            }
        }
        for set in &rules.sets {
            named("set", &set.name)?;
            let kind = set::kind_of(&set.name, set.elements.iter())?;
            if context.sets.insert(&set.name, kind).is_some() {
                return Err(RulesetError::Twice { what: "set", name: set.name.clone() });
            }
        }
        for map in &rules.maps {
            named("map", &map.name)?;
            let kind = set::kind_of(&map.name, map.entries.iter().map(|(element, _)| element))?;
            set::disjoint(map)?;
            if context.sets.contains_key(map.name.as_str()) || context.maps.insert(&map.name, kind).is_some()
            {
                return Err(RulesetError::Twice { what: "map", name: map.name.clone() });
            }
        }
        Ok(context)
    }

    fn rule(&self, chain: &Chain, rule: &Rule) -> Result<(), RuleError> {
        let (count, limit) = (rule.matches.len(), self.limits.matches);
        if count > limit {
            return Err(RuleError::Conditions { count, limit });
        }
        for (position, condition) in rule.matches.iter().enumerate() {
            let last = position + 1 == count;
            self.condition(chain.layer, rule, condition, last)?;
        }
        self.verdict(chain.layer, rule)
    }

    fn condition(&self, layer: Layer, rule: &Rule, one: &Match, last: bool) -> Result<(), RuleError> {
        let field = one.field;
        let connection_only = matches!(field::kind(field), Kind::States | Kind::Count);
        if connection_only && layer != Layer::Connection {
            return Err(RuleError::Layer { field });
        }
        if field == Field::ConnectionsAbove {
            if !last || one.negated {
                return Err(RuleError::Count);
            }
            if rule.matches.iter().any(|other| other.field == Field::HostSet) {
                return Err(RuleError::CountOfHostSet);
            }
        }
        needs_protocol(field, rule)?;
        match &one.operand {
            Operand::Set(name) => {
                let kind =
                    self.sets.get(name.as_str()).ok_or_else(|| RuleError::Set { set: name.clone() })?;
                kind.fits(field).then_some(()).ok_or_else(|| RuleError::SetKind { set: name.clone(), field })
            }
            operand => operand::check(field, operand),
        }
    }

    fn verdict(&self, layer: Layer, rule: &Rule) -> Result<(), RuleError> {
        match &rule.verdict {
            Verdict::Jump(chain) => self.jump(layer, chain),
            Verdict::Map { field, map } => {
                let kind = self.maps.get(map.as_str()).ok_or_else(|| RuleError::Map { map: map.clone() })?;
                if !kind.fits(*field) {
                    return Err(RuleError::SetKind { set: map.clone(), field: *field });
                }
                needs_protocol(*field, rule)
            }
            Verdict::Accept | Verdict::Drop | Verdict::Reject | Verdict::Return | Verdict::Continue => Ok(()),
        }
    }

    fn jump(&self, layer: Layer, chain: &str) -> Result<(), RuleError> {
        match self.chains.get(chain) {
            Some(target) if *target == layer => Ok(()),
            Some(_) => Err(RuleError::JumpLayer { chain: chain.to_owned() }),
            None => Err(RuleError::Jump { chain: chain.to_owned() }),
        }
    }
}

/// Protocols with ports at their beginning.
const WITH_PORTS: [u64; 5] = [6, 17, 33, 132, 136];

/// Ports mean something only behind a header that has them.
fn needs_protocol(field: Field, rule: &Rule) -> Result<(), RuleError> {
    if field::carrier(field) != field::Carrier::Ports {
        return Ok(());
    }
    let known = rule.matches.iter().any(|one| {
        let protocol = matches!(one.field, Field::IpProtocol | Field::Ip6Protocol);
        let number = matches!(one.operand, Operand::Number(number) if WITH_PORTS.contains(&number));
        protocol && !one.negated && number
    });
    if known { Ok(()) } else { Err(RuleError::Ports { field }) }
}

/// Chains, sets and maps are named by the policy, so this is all of its text that gets near to nft.
fn named(what: &'static str, name: &str) -> Result<(), RulesetError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(RulesetError::Name { what, name: name.chars().take(64).collect() })
    }
}

/// Every rule that counts connections takes one of few bits of the packet mark.
fn counted(rules: &Ruleset) -> Result<(), RulesetError> {
    for flow in [Flow::In, Flow::Out] {
        let chains = reachable(rules, Layer::Connection, flow);
        let rules = chains.iter().flat_map(|chain| &chain.rules);
        let count = rules
            .filter(|rule| rule.matches.last().is_some_and(|last| last.field == Field::ConnectionsAbove))
            .count();
        if count > MAX_COUNTED {
            return Err(RulesetError::Counted { flow, count });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
