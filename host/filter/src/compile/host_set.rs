//! Sets of the host: made by its administrator with nft in table `bridge reeve`, asked by rules, never changed by this crate.
//!
//! What a rule looks up is the type of the set's elements: for `ipv4_addr . inet_service` and `src,dst` it is the source address with the
//! destination port.

use std::collections::BTreeMap;

use super::condition::Conditions;
use super::{CompileError, Kernel};
use crate::field::Carrier;

/// A part of the elements of a set of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostSetPart {
    /// `ipv4_addr`.
    Ipv4,
    /// `ipv6_addr`.
    Ipv6,
    /// `ether_addr`.
    Mac,
    /// `inet_service`.
    Port,
}

/// Sets by name; those whose type has other parts have none.
pub type HostSets = BTreeMap<String, Vec<HostSetPart>>;

/// The sets of a table as nft lists it.
pub fn host_sets(listing: &str) -> HostSets {
    let mut sets = HostSets::new();
    let mut inside: Option<&str> = None;
    for line in listing.lines() {
        if let Some(name) = line.strip_prefix("\tset ").and_then(|rest| rest.strip_suffix(" {")) {
            inside = Some(name).filter(|name| !super::is_reserved(name));
            sets.extend(inside.map(|name| (name.to_owned(), Vec::new())));
        } else if let (Some(name), Some(types)) = (inside, line.strip_prefix("\t\ttype ")) {
            let parts: Option<Vec<HostSetPart>> = types.split(" . ").map(part).collect();
            sets.insert(name.to_owned(), parts.unwrap_or_default());
        } else if line == "\t}" {
            inside = None;
        }
    }
    sets
}

fn part(word: &str) -> Option<HostSetPart> {
    Some(match word.trim() {
        "ipv4_addr" => HostSetPart::Ipv4,
        "ipv6_addr" => HostSetPart::Ipv6,
        "ether_addr" => HostSetPart::Mac,
        "inet_service" => HostSetPart::Port,
        _ => return None,
    })
}

/// Adds the condition that a packet is in a set of the host, or is not.
pub(super) fn add(
    conditions: &mut Conditions,
    kernel: &Kernel,
    name: &str,
    sources: &[bool],
    negated: bool,
) -> Result<(), CompileError> {
    let parts = kernel.host_sets.get(name).ok_or_else(|| CompileError::HostSet { name: name.to_owned() })?;
    if parts.len() != sources.len() {
        let (parts, sources) = (parts.len(), sources.len());
        return Err(CompileError::HostSetParts { name: name.to_owned(), parts, sources });
    }
    let mut fields = Vec::with_capacity(parts.len());
    for (part, source) in parts.iter().zip(sources) {
        fields.push(match (part, source) {
            (HostSetPart::Ipv4, true) => "ip saddr",
            (HostSetPart::Ipv4, false) => "ip daddr",
            (HostSetPart::Ipv6, true) => "ip6 saddr",
            (HostSetPart::Ipv6, false) => "ip6 daddr",
            (HostSetPart::Mac, true) => "ether saddr",
            (HostSetPart::Mac, false) => "ether daddr",
            (HostSetPart::Port, true) => "th sport",
            (HostSetPart::Port, false) => "th dport",
        });
        match part {
            HostSetPart::Ipv4 => conditions.carry(Carrier::Ipv4),
            HostSetPart::Ipv6 => conditions.carry(Carrier::Ipv6),
            HostSetPart::Port => conditions.push("meta l4proto { 6, 17, 33, 132, 136 }".to_owned()),
            HostSetPart::Mac => {}
        }
    }
    let not = if negated { "!= " } else { "" };
    conditions.push(format!("{} {not}@{name}", fields.join(" . ")));
    Ok(())
}
