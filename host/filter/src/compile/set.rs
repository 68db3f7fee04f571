//! Sets and maps, and the numbers that operands become.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use reeve_model::filter::{Field, Operand, Ruleset};

use super::{Owner, UsedSets};
use crate::check::bounds;
use crate::field::{self, Base};

/// How the bytes of a field are written for nft, which does not compare types that differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// So many bytes of a packet, and how far the value stands from their right end.
    Bytes(u32, u32),
    /// The last header of IPv6, which nft finds.
    Protocol,
    /// A port: nft knows what stands at the beginning of a segment.
    Port,
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes, 0) => write!(f, "b{bytes}"),
            Self::Bytes(bytes, shift) => write!(f, "b{bytes}s{shift}"),
            Self::Protocol => f.write_str("protocol"),
            Self::Port => f.write_str("port"),
        }
    }
}

impl Width {
    /// That of a field.
    pub fn of(field: Field) -> Self {
        match field::place(field) {
            None => Self::Protocol,
            Some(place) if place.base == Base::Transport && place.bytes == 2 => Self::Port,
            Some(place) => Self::Bytes(place.bytes, place.shift),
        }
    }

    /// A value as nft reads it.
    pub fn value(self, value: u128) -> String {
        match self {
            Self::Bytes(bytes, shift) => format!("0x{:0width$x}", value << shift, width = bytes as usize * 2),
            Self::Protocol | Self::Port => value.to_string(),
        }
    }

    /// A first and a last value.
    pub fn range(self, from: u128, to: u128) -> String {
        if from == to { self.value(from) } else { format!("{}-{}", self.value(from), self.value(to)) }
    }

    /// The type of a set's elements.
    fn key(self) -> String {
        match self {
            // Any field of so many bytes will do: nft wants the width.
            Self::Bytes(bytes, _) => format!("typeof @nh,0,{}", bytes * 8),
            Self::Protocol => "type inet_proto".to_owned(),
            Self::Port => "type inet_service".to_owned(),
        }
    }
}

/// All sets that are used, each once for every width.
pub fn sets<'a>(
    rules: &Ruleset,
    used: &'a UsedSets,
    owner: Owner,
) -> impl Iterator<Item = ((&'a str, Width), String)> {
    let named: HashMap<String, Vec<(u128, u128)>> =
        rules.sets.iter().map(|set| (set.name.clone(), joined(&set.elements))).collect();
    used.iter().map(move |(name, width)| {
        let elements = named.get(name).map_or(&[][..], Vec::as_slice);
        let texts = elements.iter().map(|(from, to)| width.range(*from, *to));
        let full = owner.set(name, &width.to_string());
        let interval = elements.iter().any(|(from, to)| from != to);
        let text = block("set", &full, &width.key(), interval, texts.collect());
        ((name.as_str(), *width), text)
    })
}

/// The elements of a set where it has no name; none when there are none.
pub fn inline(rules: &Ruleset, name: &str, width: Width) -> Option<String> {
    let set = rules.sets.iter().find(|set| set.name == name)?;
    let texts: Vec<String> = joined(&set.elements).iter().map(|(from, to)| width.range(*from, *to)).collect();
    (!texts.is_empty()).then(|| format!("{{ {} }}", texts.join(", ")))
}

/// A map with the text of each verdict.
pub fn map<'a>(full: &str, width: Width, entries: impl Iterator<Item = (&'a Operand, String)>) -> String {
    let entries: BTreeMap<(u128, u128), String> =
        entries.filter_map(|(element, verdict)| Some((bounds(element)?, verdict))).collect();
    let interval = entries.keys().any(|(from, to)| from != to);
    let texts =
        entries.iter().map(|((from, to), verdict)| format!("{} : {verdict}", width.range(*from, *to)));
    block("map", full, &format!("{} : verdict", width.key()), interval, texts.collect())
}

fn block(what: &str, name: &str, key: &str, interval: bool, elements: Vec<String>) -> String {
    let flags = if interval { " flags interval;" } else { "" };
    let elements = match elements.is_empty() {
        true => String::new(),
        false => format!(" elements = {{ {} }};", elements.join(", ")),
    };
    format!("{what} {name} {{ {key};{flags}{elements} }}\n")
}

/// Elements in order, those that touch or overlap as one: the kernel refuses overlaps.
fn joined(elements: &[Operand]) -> Vec<(u128, u128)> {
    let mut all: Vec<(u128, u128)> = elements.iter().filter_map(bounds).collect();
    all.sort_unstable();
    let mut joined: Vec<(u128, u128)> = Vec::with_capacity(all.len());
    let ranges = all.iter().any(|(from, to)| from != to);
    for (from, to) in all {
        match joined.last_mut() {
            Some(last) if from <= last.1 || (ranges && from == last.1.saturating_add(1)) => {
                last.1 = last.1.max(to);
            }
            _ => joined.push((from, to)),
        }
    }
    joined
}
