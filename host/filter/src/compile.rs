//! From a checked ruleset to the text that nft reads.
//!
//! ```text
//!   table bridge reeve                                      one hash lookup by the link's name, however many ports there are
//!     prerouting  100  iifname vmap @link-out        ──> p7-3-out-CHAIN …   generation 3 of port 7's rules, layer link
//!     prerouting  200  iifname vmap @connection-out  ──> p7-3-out-CHAIN …   layer connection
//!     postrouting 100  oifname vmap @link-in         ──> p7-3-in-CHAIN …
//!     postrouting 200  oifname vmap @connection-in   ──> p7-3-in-CHAIN …
//!   table inet reeve-filter                                 what is only known there: states and numbers of connections
//! ```
//!
//! An `accept` ends one of these base chains, so a packet passes when both layers let it. Only typed data becomes text: fields are bytes
//! at an offset, operands are numbers. Of a policy's own words there are the names of chains and sets, which were checked, and comments,
//! which lose every character that is not plain. Where each field lies says [`crate::field`]; a rule with a field compares first whether
//! the packet is of the kind that has it.

mod base;
mod condition;
mod host_set;
mod rule;
mod set;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use reeve_model::filter::{Chain, Flow, Layer, Ruleset, Verdict};

use crate::check::{ValidRuleset, reachable};
pub use base::{BASE, BRIDGE_TABLE, INET_TABLE, is_reserved};
pub(crate) use base::{SAME_BYTES, dispatch, marks};
pub use host_set::{HostSetPart, HostSets, host_sets};

/// What this kernel has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kernel {
    /// Whether a bridge can tell a sender that its packet was rejected.
    pub reject: bool,
    /// Sets that the administrator made in table `bridge reeve`, with what their elements are made of.
    pub host_sets: HostSets,
}

/// Says which chains and sets are whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Number of the port; one at a time has it.
    pub port: u16,
    /// Which of the port's rulesets.
    pub generation: u64,
}

impl Owner {
    fn chain(self, flow: Flow, name: &str) -> String {
        format!("p{}-{}-{}-{name}", self.port, self.generation, word(flow))
    }

    fn set(self, name: &str, kind: &str) -> String {
        format!("p{}-{}-{name}-{kind}", self.port, self.generation)
    }
}

pub(crate) fn word(flow: Flow) -> &'static str {
    match flow {
        Flow::In => "in",
        Flow::Out => "out",
    }
}

/// A ruleset can't be compiled here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A set of the host is not there.
    #[error(
        "the host has no set '{name}': make it with 'nft add set bridge reeve {name} {{ type ipv4_addr; }}' or another type"
    )]
    HostSet {
        /// Its name.
        name: String,
    },
    /// Another number of fields is looked up than the set's elements have.
    #[error("elements of the host's set '{name}' have {parts} parts, and a rule looks up {sources}")]
    HostSetParts {
        /// Its name.
        name: String,
        /// Parts of an element.
        parts: usize,
        /// Fields that are looked up.
        sources: usize,
    },
}

/// The rules of a port as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compiled {
    /// Chains, sets and maps for the inside of table `bridge reeve`.
    pub bridge: String,
    /// Names of the chains in it.
    pub chains: Vec<String>,
    /// Names of the sets in it.
    pub sets: Vec<String>,
    /// Names of the maps in it.
    pub maps: Vec<String>,
    /// Where packets of each layer and way begin.
    pub entries: BTreeMap<(Layer, Flow), String>,
    /// Rules that count connections, for a chain of table `inet reeve-filter`; nothing for a way without.
    pub counting: BTreeMap<Flow, String>,
}

/// Compiles the rules of a port. Pure: the same rules give the same text.
pub fn compile(rules: &ValidRuleset, owner: Owner, kernel: &Kernel) -> Result<Compiled, CompileError> {
    let mut compiled = Compiled::default();
    let mut sets = BTreeSet::new();
    for layer in [Layer::Link, Layer::Connection] {
        for flow in [Flow::In, Flow::Out] {
            let chains = reachable(rules.rules(), layer, flow);
            if let Some(entry) = chains.first() {
                compiled.entries.insert((layer, flow), owner.chain(flow, &entry.name));
                let rules = rules.rules();
                let maps = BTreeSet::new();
                let mut work = Work { rules, owner, flow, kernel, sets: &mut sets, maps, counted: 0 };
                work.chains(&chains, &mut compiled)?;
                work.maps(&mut compiled);
            }
        }
    }
    for ((name, width), text) in set::sets(rules.rules(), &sets, owner) {
        compiled.bridge.push_str(&text);
        compiled.sets.push(owner.set(name, &width.to_string()));
    }
    Ok(compiled)
}

/// Sets that rules name, with the widths they are looked up in.
type UsedSets = BTreeSet<(String, set::Width)>;

/// The chains of one layer and way.
struct Work<'a> {
    rules: &'a Ruleset,
    owner: Owner,
    flow: Flow,
    kernel: &'a Kernel,
    sets: &'a mut UsedSets,
    maps: BTreeSet<(String, set::Width)>,
    counted: usize,
}

impl Work<'_> {
    fn chains(&mut self, chains: &[&Chain], compiled: &mut Compiled) -> Result<(), CompileError> {
        for chain in chains {
            let name = self.owner.chain(self.flow, &chain.name);
            let mut text = format!("chain {name} {{\n");
            for rule in &chain.rules {
                for line in self.rule(rule, compiled)? {
                    // Writing to a string does not fail.
                    let _ = writeln!(text, " {line}");
                }
            }
            text.push_str("}\n");
            compiled.bridge.push_str(&text);
            compiled.chains.push(name);
        }
        Ok(())
    }

    fn maps(&mut self, compiled: &mut Compiled) {
        let used = std::mem::take(&mut self.maps);
        for (name, width) in used {
            let Some(map) = self.rules.maps.iter().find(|map| map.name == name) else { continue };
            let full = self.map_name(&name, width);
            let entries = map.entries.iter().map(|(element, verdict)| (element, self.plain(verdict)));
            compiled.bridge.push_str(&set::map(&full, width, entries));
            compiled.maps.push(full);
        }
    }

    fn map_name(&self, name: &str, width: set::Width) -> String {
        self.owner.set(name, &format!("{}-{width}", word(self.flow)))
    }

    /// A verdict that is no map.
    fn plain(&self, verdict: &Verdict) -> String {
        match verdict {
            Verdict::Accept => "accept".to_owned(),
            // Only packets from the guest can be answered from a bridge.
            Verdict::Reject if self.kernel.reject && self.flow == Flow::Out => "reject".to_owned(),
            Verdict::Drop | Verdict::Reject => "drop".to_owned(),
            Verdict::Return => "return".to_owned(),
            Verdict::Continue | Verdict::Map { .. } => "continue".to_owned(),
            Verdict::Jump(chain) => format!("jump {}", self.owner.chain(self.flow, chain)),
        }
    }
}

#[cfg(test)]
mod tests;
