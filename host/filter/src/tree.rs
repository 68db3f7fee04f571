//! From a reference in a domain's document to everything it means: all filters, with the variables each of them sees.
//!
//! A filter may be defined while filters that it refers to are not there yet; an interface is plugged only when its whole tree is
//! (guide 18.12.8). Nothing here expands a rule: that is the policy's work. What can't be expanded is refused before it is asked.

mod error;
mod variables;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use reeve_model::MacAddress;
use reeve_model::filter::{FilterConfig, FilterEntry, FilterReference, FilterTree, TreeEntry, TreeFilter};
use reeve_model::filter::{Parameter, default_priority};

pub use error::TreeError;
pub use variables::LearningMode;

/// Values of variables by name.
pub type Variables = BTreeMap<String, Vec<String>>;

/// Filters one below the other.
pub const MAX_DEPTH: usize = 32;
/// Filters of a tree.
pub const MAX_FILTERS: usize = 256;
/// Rules of a tree.
pub const MAX_RULES: usize = 4096;
/// Values of a variable.
pub const MAX_VALUES: usize = 1024;
/// Rules that all rules of a tree become when their variables have their values.
pub const MAX_EXPANSIONS: usize = 20_000;

/// What an interface brings to its filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its hardware address: variable `MAC`.
    pub mac: MacAddress,
    /// Its addresses, from the document or learned: variable `IP` where no parameter gives it. Those of IPv6 are `IPV6`.
    pub addresses: Vec<IpAddr>,
}

/// A tree that can be asked a policy about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The tree.
    pub tree: FilterTree,
    /// Names of all its filters; a change of any of them changes the interface's rules.
    pub names: BTreeSet<String>,
    /// `DHCPSERVER` as the interface's reference gives it: the only servers whose leases count. Empty for all.
    pub dhcp_servers: Vec<IpAddr>,
    /// Set when a rule wants `IP` and nobody knows it: it is to be learned this way, and until then the tree has no value for it.
    pub learning: Option<LearningMode>,
}

/// Finds a filter by name.
pub trait Lookup {
    /// None when there is no such filter.
    fn filter(&self, name: &str) -> Option<Arc<FilterConfig>>;
}

impl<F: Fn(&str) -> Option<Arc<FilterConfig>>> Lookup for F {
    fn filter(&self, name: &str) -> Option<Arc<FilterConfig>> {
        self(name)
    }
}

/// Resolves the reference of an interface.
pub fn resolve(
    root: &FilterReference,
    interface: &Interface,
    lookup: &dyn Lookup,
) -> Result<Resolved, TreeError> {
    let outer = inherit(&automatic(interface), &root.parameters, &root.filter)?;
    let mut walk = Walk { lookup, path: Vec::new(), done: HashMap::new(), finished: Vec::new(), rules: 0 };
    walk.filter(&root.filter, &outer, None)?;
    let names = walk.finished.iter().map(|filter| filter.name.clone()).collect();
    let mut learning = None;
    let mut expansions = 0_usize;
    for filter in &walk.finished {
        expansions = expansions.saturating_add(variables::check(filter, &mut learning)?);
        if expansions > MAX_EXPANSIONS {
            return Err(TreeError::Expansions { root: root.filter.clone() });
        }
    }
    let dhcp_servers = variables::dhcp_servers(&outer, &root.filter)?;
    Ok(Resolved { tree: walk.into_tree(), names, dhcp_servers, learning })
}

/// Checks that a filter closes no loop among the filters that exist. Those it refers to may be missing.
pub fn check_definition(config: &FilterConfig, lookup: &dyn Lookup) -> Result<(), TreeError> {
    let mut path = vec![config.name.clone()];
    find_loop(config, lookup, &mut path, &mut BTreeSet::new())
}

fn find_loop(
    config: &FilterConfig,
    lookup: &dyn Lookup,
    path: &mut Vec<String>,
    seen: &mut BTreeSet<String>,
) -> Result<(), TreeError> {
    for name in references(config) {
        if path.contains(name) {
            return Err(looped(path, name));
        }
        if path.len() >= MAX_DEPTH {
            return Err(TreeError::Depth { filter: name.clone() });
        }
        if !seen.insert(name.clone()) {
            continue;
        }
        if let Some(next) = lookup.filter(name) {
            path.push(name.clone());
            find_loop(&next, lookup, path, seen)?;
            path.pop();
        }
    }
    Ok(())
}

fn references(config: &FilterConfig) -> impl Iterator<Item = &String> {
    config.entries.iter().filter_map(|entry| match entry {
        FilterEntry::Reference(reference) => Some(&reference.filter),
        FilterEntry::Rule(_) => None,
    })
}

fn looped(path: &[String], name: &str) -> TreeError {
    let first = path.iter().position(|other| other == name).unwrap_or(0);
    let names: Vec<&str> = path[first..].iter().map(String::as_str).chain([name]).collect();
    TreeError::Loop { path: names.join(" -> ") }
}

/// Variables that nobody has to give.
fn automatic(interface: &Interface) -> Variables {
    let mut variables = Variables::from([("MAC".to_owned(), vec![interface.mac.to_string()])]);
    for address in &interface.addresses {
        let name = if address.is_ipv4() { "IP" } else { "IPV6" };
        variables.entry(name.to_owned()).or_default().push(address.to_string());
    }
    variables
}

/// The variables inside of a reference: its own, then those outside.
fn inherit(outer: &Variables, own: &[Parameter], filter: &str) -> Result<Variables, TreeError> {
    let mut given = Variables::new();
    for parameter in own {
        let values = given.entry(parameter.name.clone()).or_default();
        if values.len() >= MAX_VALUES {
            let variable = parameter.name.clone();
            return Err(TreeError::Values { filter: filter.to_owned(), variable });
        }
        values.push(parameter.value.clone());
    }
    let mut variables = outer.clone();
    variables.extend(given);
    Ok(variables)
}

/// A walk through all references, deepest first.
struct Walk<'a> {
    lookup: &'a dyn Lookup,
    path: Vec<String>,
    /// Filters with these variables that were walked through, by their position in `finished`.
    done: HashMap<(String, Variables), usize>,
    /// A filter stands behind all that it refers to; references are positions in here.
    finished: Vec<TreeFilter>,
    rules: usize,
}

impl Walk<'_> {
    fn filter(
        &mut self,
        name: &str,
        variables: &Variables,
        referrer: Option<&str>,
    ) -> Result<usize, TreeError> {
        if self.path.iter().any(|other| other == name) {
            return Err(looped(&self.path, name));
        }
        let key = (name.to_owned(), variables.clone());
        if let Some(position) = self.done.get(&key) {
            return Ok(*position);
        }
        if self.path.len() >= MAX_DEPTH {
            return Err(TreeError::Depth { filter: name.to_owned() });
        }
        let config = self.lookup.filter(name).ok_or_else(|| TreeError::Missing {
            filter: name.to_owned(),
            referrer: referrer.map(str::to_owned),
        })?;
        self.path.push(name.to_owned());
        let mut entries = Vec::with_capacity(config.entries.len());
        for entry in &config.entries {
            entries.push(match entry {
                FilterEntry::Rule(rule) => {
                    self.rules += 1;
                    if self.rules > MAX_RULES {
                        return Err(TreeError::Rules { filter: name.to_owned() });
                    }
                    TreeEntry::Rule(rule.clone())
                }
                FilterEntry::Reference(reference) => {
                    let inner = inherit(variables, &reference.parameters, &reference.filter)?;
                    TreeEntry::Reference(self.filter(&reference.filter, &inner, Some(name))? as u32)
                }
            });
        }
        self.path.pop();
        if self.finished.len() >= MAX_FILTERS {
            return Err(TreeError::Filters { filter: name.to_owned() });
        }
        let priority = config.priority.unwrap_or_else(|| default_priority(&config.chain));
        let (name, chain) = (name.to_owned(), config.chain.clone());
        self.finished.push(TreeFilter { name, chain, priority, variables: variables.clone(), entries });
        self.done.insert(key, self.finished.len() - 1);
        Ok(self.finished.len() - 1)
    }

    /// The root first, and every filter before those it refers to.
    fn into_tree(self) -> FilterTree {
        let last = self.finished.len() as u32 - 1;
        let mut filters = self.finished;
        filters.reverse();
        for entry in filters.iter_mut().flat_map(|filter| &mut filter.entries) {
            if let TreeEntry::Reference(position) = entry {
                *position = last - *position;
            }
        }
        FilterTree { filters }
    }
}

#[cfg(test)]
mod tests;
