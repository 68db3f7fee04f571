//! The text of one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use reeve_model::filter::{Flow, Layer};

use super::state::Placed;
use crate::compile::{BASE, BRIDGE_TABLE, INET_TABLE, SAME_BYTES, dispatch, is_reserved, marks};

/// Makes a table with a rule that rejects, and takes it away: both or, where the kernel can't reject, neither.
pub const PROBE_REJECT: &str = "table bridge reeve-probe {\nchain probe {\n type filter hook prerouting priority 0; policy accept;\n \
                                reject\n}\n}\ndelete table bridge reeve-probe\n";

/// A map that all ports share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Map {
    /// From a link to its rules.
    Dispatch(Layer, Flow),
    /// From a link to the mark that names its port to the table that counts.
    Port(Flow),
    /// From that mark to the chain that counts.
    Count(Flow),
    /// From a bridge and the address of a guest to the chain that counts.
    CountIpv4,
    /// Of IPv6.
    CountIpv6,
}

impl Map {
    /// True for maps that are asked by address, where ports might meet.
    pub fn is_of_addresses(self) -> bool {
        matches!(self, Self::CountIpv4 | Self::CountIpv6)
    }

    /// Family, table and name.
    fn place(self) -> String {
        let (family, table, name) = match self {
            Self::Dispatch(layer, flow) => ("bridge", BRIDGE_TABLE, dispatch(layer, flow)),
            Self::Port(Flow::In) => ("bridge", BRIDGE_TABLE, "count-in"),
            Self::Port(Flow::Out) => ("bridge", BRIDGE_TABLE, "count-out"),
            Self::Count(Flow::In) => ("inet", INET_TABLE, "count-in"),
            Self::Count(Flow::Out) => ("inet", INET_TABLE, "count-out"),
            Self::CountIpv4 => ("inet", INET_TABLE, "count-in-ipv4"),
            Self::CountIpv6 => ("inet", INET_TABLE, "count-in-ipv6"),
        };
        format!("{family} {table} {name}")
    }
}

/// An entry of a shared map.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    pub(super) map: Map,
    pub(super) key: String,
    pub(super) value: String,
}

/// A transaction as it grows.
#[derive(Debug, Default)]
pub struct Script {
    /// What comes first.
    head: String,
    bridge: String,
    inet: String,
    leaving: BTreeMap<Map, Vec<String>>,
    coming: BTreeMap<Map, Vec<String>>,
    /// Rules go before the maps and chains they name, maps before the chains they name.
    flushed: String,
    maps: String,
    chains: String,
    sets: String,
}

impl Script {
    /// One that begins with both tables as new, but for the sets that an administrator made.
    pub fn whole(listing: Option<&str>) -> Self {
        let mut head = format!("table inet {INET_TABLE} {{\n}}\ndelete table inet {INET_TABLE}\n");
        if let Some(listing) = listing {
            let _ = writeln!(head, "flush table bridge {BRIDGE_TABLE}");
            for what in ["map", "chain", "set"] {
                for name in names(listing, what).filter(|name| what != "set" || is_reserved(name)) {
                    let _ = writeln!(head, "delete {what} bridge {BRIDGE_TABLE} {name}");
                }
            }
        }
        head.push_str(BASE);
        let pairs: Vec<String> = (0..=255_u8).map(|byte| format!("{byte} . {byte}")).collect();
        let _ = writeln!(head, "add element bridge {BRIDGE_TABLE} {SAME_BYTES} {{ {} }}", pairs.join(", "));
        Self { head, ..Self::default() }
    }

    /// Adds the chains, sets and maps of a port.
    pub fn chains(&mut self, text: &str) {
        self.bridge.push_str(text);
    }

    /// Adds a chain that counts. It marks the packet anew each time it passes.
    pub fn counting(&mut self, name: &str, flow: Flow, rules: &str) {
        let others = !marks::above(flow);
        let _ = write!(self.inet, "chain {name} {{\n meta mark set meta mark & {others:#010x}\n{rules}}}\n");
    }

    /// Turns the shared maps to a port's new chains; what is as it was is left alone.
    pub fn add(&mut self, new: &Placed, before: Option<&Placed>) {
        let old: BTreeSet<&Element> = before.into_iter().flat_map(|before| &before.elements).collect();
        for element in new.elements.iter().filter(|element| !old.contains(element)) {
            let text = format!("{} : {}", element.key, element.value);
            self.coming.entry(element.map).or_default().push(text);
        }
    }

    /// Takes away what a port had and has no more.
    pub fn remove(&mut self, old: &Placed, now: Option<&Placed>) {
        let kept: BTreeSet<&Element> = now.into_iter().flat_map(|now| &now.elements).collect();
        for element in old.elements.iter().filter(|element| !kept.contains(element)) {
            self.leaving.entry(element.map).or_default().push(element.key.clone());
        }
        let line = |text: &mut String, verb: &str, table: &str, name: &str| {
            let _ = writeln!(text, "{verb} {table} {name}");
        };
        let bridge = format!("bridge {BRIDGE_TABLE}");
        for chain in &old.chains {
            line(&mut self.flushed, "flush chain", &bridge, chain);
            line(&mut self.chains, "delete chain", &bridge, chain);
        }
        old.maps.iter().for_each(|map| line(&mut self.maps, "delete map", &bridge, map));
        old.sets.iter().for_each(|set| line(&mut self.sets, "delete set", &bridge, set));
        for (flow, (chain, _)) in &old.counting {
            let kept = now.and_then(|now| now.counting.get(flow)).is_some_and(|(name, _)| name == chain);
            if !kept {
                line(&mut self.flushed, "flush chain", &format!("inet {INET_TABLE}"), chain);
                line(&mut self.chains, "delete chain", &format!("inet {INET_TABLE}"), chain);
            }
        }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        let mut text = self.head;
        for (family, table, inside) in
            [("bridge", BRIDGE_TABLE, &self.bridge), ("inet", INET_TABLE, &self.inet)]
        {
            if !inside.is_empty() {
                let _ = write!(text, "table {family} {table} {{\n{inside}}}\n");
            }
        }
        for (verb, all) in [("delete", &self.leaving), ("add", &self.coming)] {
            for (map, elements) in all {
                let _ = writeln!(text, "{verb} element {} {{ {} }}", map.place(), elements.join(", "));
            }
        }
        text + &self.flushed + &self.maps + &self.chains + &self.sets
    }
}

/// Names of the chains, maps or sets of a table as nft lists it.
fn names<'a>(listing: &'a str, what: &'a str) -> impl Iterator<Item = &'a str> {
    listing.lines().filter_map(move |line| {
        line.strip_prefix('\t')?.strip_prefix(what)?.strip_prefix(' ')?.strip_suffix(" {")
    })
}
