//! Elements of sets and maps.

use reeve_model::filter::{Field, Operand, VerdictMap};

use super::{RulesetError, operand};
use crate::field::{self, Kind};

/// What the elements of a set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementKind {
    /// There are none.
    Nothing,
    /// Numbers, the greatest of which is this.
    Numbers(u64),
    /// Hardware addresses.
    Macs,
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
}

impl ElementKind {
    /// True when a field can be looked up.
    pub fn fits(self, field: Field) -> bool {
        match (field::kind(field), self) {
            (Kind::Number(bits), Self::Numbers(most)) => most <= u64::MAX >> (64 - bits),
            (Kind::Mac, Self::Macs) | (Kind::Ipv4, Self::Ipv4) | (Kind::Ipv6, Self::Ipv6) => true,
            (Kind::Number(_) | Kind::Mac | Kind::Ipv4 | Kind::Ipv6, Self::Nothing) => true,
            _ => false,
        }
    }

    fn of(element: &Operand) -> Option<Self> {
        let family = |six| if six { Self::Ipv6 } else { Self::Ipv4 };
        Some(match element {
            Operand::Number(value) | Operand::Range(_, value) => Self::Numbers(*value),
            Operand::Mac(_) => Self::Macs,
            Operand::Address(address) => family(address.is_ipv6()),
            Operand::Network(network) => family(network.address.is_ipv6()),
            Operand::Addresses(range) => family(range.start.is_ipv6()),
            _ => return None,
        })
    }
}

/// What all elements are.
pub fn kind_of<'a>(
    set: &str,
    elements: impl Iterator<Item = &'a Operand>,
) -> Result<ElementKind, RulesetError> {
    let mut all = ElementKind::Nothing;
    for (position, element) in elements.enumerate() {
        let bad = |why| RulesetError::Element { set: set.to_owned(), element: position, why };
        let kind = ElementKind::of(element)
            .ok_or_else(|| bad("is no number, hardware address, address, network or range"))?;
        if bounds(element).is_none() {
            return Err(bad("is empty or has a prefix that is too long"));
        }
        all = match (all, kind) {
            (ElementKind::Nothing, kind) => kind,
            (ElementKind::Numbers(one), ElementKind::Numbers(other)) => ElementKind::Numbers(one.max(other)),
            (one, other) if one == other => one,
            _ => return Err(bad("is of another type than those before it")),
        };
    }
    Ok(all)
}

/// First and last value of an element as numbers; none for what is empty, and for what can't be an element.
pub fn bounds(element: &Operand) -> Option<(u128, u128)> {
    let mac = |mac: &reeve_model::MacAddress| {
        mac.0.iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte))
    };
    operand::order(element).ok()?;
    match element {
        Operand::Number(value) => Some((u128::from(*value), u128::from(*value))),
        Operand::Range(from, to) if from <= to => Some((u128::from(*from), u128::from(*to))),
        Operand::Mac(address) => Some((mac(address), mac(address))),
        Operand::Address(address) => Some((operand::bits(*address), operand::bits(*address))),
        Operand::Network(network) => Some((operand::bits(network.first()), operand::bits(network.last()))),
        Operand::Addresses(range) => Some((operand::bits(range.start), operand::bits(range.end))),
        _ => None,
    }
}

/// Checks that a map says one thing of a value, and that it does not ask another map.
pub fn disjoint(map: &VerdictMap) -> Result<(), RulesetError> {
    use reeve_model::filter::Verdict;
    if map.entries.iter().any(|(_, verdict)| matches!(verdict, Verdict::Map { .. })) {
        return Err(RulesetError::MapOfMaps { map: map.name.clone() });
    }
    let mut all: Vec<(u128, u128)> = map.entries.iter().filter_map(|(element, _)| bounds(element)).collect();
    all.sort_unstable();
    let overlaps = all.windows(2).any(|pair| pair[1].0 <= pair[0].1);
    if overlaps { Err(RulesetError::Overlap { map: map.name.clone() }) } else { Ok(()) }
}
