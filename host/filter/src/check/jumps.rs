//! Where jumps lead.

use std::collections::{HashMap, HashSet};

use reeve_model::filter::{Chain, Flow, Layer, Rule, Ruleset, Verdict};

use super::{Limits, RulesetError};

/// Checks that jumps end, soon enough and not on too many ways, and that those of maps stay in their layer.
pub fn check(rules: &Ruleset, limits: &Limits) -> Result<(), RulesetError> {
    let mut walk = Walk { graph: Graph::new(rules), limits, path: Vec::new(), done: HashMap::new() };
    for chain in &rules.chains {
        walk.chain(chain)?;
    }
    Ok(())
}

/// The chains that packets of a layer and way may come to, the entry first; in the order of the ruleset otherwise.
pub fn reachable(rules: &Ruleset, layer: Layer, flow: Flow) -> Vec<&Chain> {
    let graph = Graph::new(rules);
    let Some(entry) = rules.chains.iter().find(|chain| chain.layer == layer && chain.entry == Some(flow))
    else {
        return Vec::new();
    };
    let mut seen = HashSet::from([entry.name.as_str()]);
    let mut open = vec![entry];
    while let Some(chain) = open.pop() {
        for rule in &chain.rules {
            for (target, _) in graph.targets(rule) {
                if let Some(next) = graph.chains.get(target)
                    && seen.insert(target)
                {
                    open.push(next);
                }
            }
        }
    }
    let others =
        rules.chains.iter().filter(|chain| chain.name != entry.name && seen.contains(chain.name.as_str()));
    std::iter::once(entry).chain(others).collect()
}

struct Graph<'a> {
    chains: HashMap<&'a str, &'a Chain>,
    maps: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Graph<'a> {
    fn new(rules: &'a Ruleset) -> Self {
        let chains = rules.chains.iter().map(|chain| (chain.name.as_str(), chain)).collect();
        let maps = rules.maps.iter().map(|map| {
            let targets = map.entries.iter().filter_map(|(_, verdict)| match verdict {
                Verdict::Jump(chain) => Some(chain.as_str()),
                _ => None,
            });
            (map.name.as_str(), targets.collect())
        });
        Self { chains, maps: maps.collect() }
    }

    /// Where a rule may jump to, and the map that says so.
    fn targets(&self, rule: &'a Rule) -> Vec<(&'a str, Option<&'a str>)> {
        match &rule.verdict {
            Verdict::Jump(chain) => vec![(chain.as_str(), None)],
            Verdict::Map { map, .. } => {
                let targets = self.maps.get(map.as_str()).into_iter().flatten();
                targets.map(|chain| (*chain, Some(map.as_str()))).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// How far it is from a chain to the last behind it, and how many chains are visited on all ways.
#[derive(Clone, Copy)]
struct Cost {
    depth: usize,
    visits: usize,
}

struct Walk<'a> {
    graph: Graph<'a>,
    limits: &'a Limits,
    path: Vec<&'a str>,
    done: HashMap<&'a str, Cost>,
}

impl<'a> Walk<'a> {
    fn chain(&mut self, chain: &'a Chain) -> Result<Cost, RulesetError> {
        if let Some(cost) = self.done.get(chain.name.as_str()) {
            return Ok(*cost);
        }
        if let Some(first) = self.path.iter().position(|name| *name == chain.name) {
            let names: Vec<&str> = self.path[first..].iter().copied().chain([chain.name.as_str()]).collect();
            return Err(RulesetError::Loop { path: names.join(" -> ") });
        }
        self.path.push(&chain.name);
        let mut cost = Cost { depth: 0, visits: 1 };
        for rule in &chain.rules {
            for (target, map) in self.graph.targets(rule) {
                let next = self.graph.chains.get(target).copied().filter(|next| next.layer == chain.layer);
                let Some(next) = next else {
                    let map = map.unwrap_or_default().to_owned();
                    return Err(RulesetError::MapJump { map, chain: target.to_owned() });
                };
                let behind = self.chain(next)?;
                cost.depth = cost.depth.max(behind.depth + 1);
                cost.visits = cost.visits.saturating_add(behind.visits);
            }
        }
        self.path.pop();
        let name = || chain.name.clone();
        if cost.depth > self.limits.depth {
            return Err(RulesetError::Depth { chain: name(), limit: self.limits.depth });
        }
        if cost.visits > self.limits.visits {
            return Err(RulesetError::Visits { chain: name(), limit: self.limits.visits });
        }
        self.done.insert(&chain.name, cost);
        Ok(cost)
    }
}
