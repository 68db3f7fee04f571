//! Whether what a field is compared with fits.

use std::net::IpAddr;

use reeve_model::filter::{Field, Operand};
use reeve_model::network::IpNetwork;

use super::RuleError;
use crate::field::{self, Kind};

/// Longest name of a set of the host.
const LONGEST_NAME: usize = 31;

/// Checks an operand that is no set of the ruleset.
pub fn check(field: Field, operand: &Operand) -> Result<(), RuleError> {
    let wrong = |why: &str| Err(RuleError::Operand { field, why: why.to_owned() });
    match (field::kind(field), operand) {
        (Kind::Number(bits), operand) => match number(bits, operand) {
            Ok(()) => Ok(()),
            Err(why) => Err(RuleError::Operand { field, why }),
        },
        (Kind::Flag, Operand::Number(0 | 1)) | (Kind::Mac, Operand::Mac(_)) => Ok(()),
        (Kind::Flag, _) => wrong("is 0 or 1"),
        (Kind::Mac, Operand::MacMasked { value, mask }) => {
            let outside = value.0.iter().zip(mask.0).any(|(value, mask)| value & !mask != 0);
            if outside { wrong("is compared with bits outside of the mask") } else { Ok(()) }
        }
        (Kind::Mac, _) => wrong("is a hardware address"),
        (Kind::Ipv4, operand) if is_address(operand, false) => ordered(field, operand),
        (Kind::Ipv4, _) => wrong("is an IPv4 address"),
        (Kind::Ipv6, operand) if is_address(operand, true) => ordered(field, operand),
        (Kind::Ipv6, _) => wrong("is an IPv6 address"),
        (Kind::States, Operand::States(states)) if !states.is_empty() => Ok(()),
        (Kind::States, _) => wrong("is one or more states"),
        (Kind::Count, Operand::Number(number)) if u32::try_from(*number).is_ok() => Ok(()),
        (Kind::Count, _) => wrong("is a number of connections"),
        (Kind::HostSet, Operand::HostSet { name, sources }) => {
            if !is_set_name(name) {
                let shown: String = name.chars().take(LONGEST_NAME + 1).collect();
                return wrong(&format!("'{shown}' can't be the name of a set of the host"));
            }
            if (1..=6).contains(&sources.len()) { Ok(()) } else { wrong("looks up one to six fields") }
        }
        (Kind::HostSet, _) => wrong("is a set of the host"),
    }
}

/// Checks a number, a range or a masked number of so many bits.
pub fn number(bits: u32, operand: &Operand) -> Result<(), String> {
    let most = u64::MAX >> (64 - bits);
    let fits = |value: u64| value <= most;
    match *operand {
        Operand::Number(value) if fits(value) => Ok(()),
        Operand::Range(from, to) if from > to => Err(format!("is in an empty range, {from} to {to}")),
        Operand::Range(_, to) if fits(to) => Ok(()),
        Operand::Masked { value, mask } if fits(value) && fits(mask) => {
            if value & !mask == 0 {
                Ok(())
            } else {
                Err("is compared with bits outside of the mask".to_owned())
            }
        }
        Operand::Number(_) | Operand::Range(..) | Operand::Masked { .. } => {
            Err(format!("is a number of {bits} bits"))
        }
        _ => Err("is a number".to_owned()),
    }
}

fn is_address(operand: &Operand, six: bool) -> bool {
    match operand {
        Operand::Address(address) => address.is_ipv6() == six,
        Operand::Network(network) => network.address.is_ipv6() == six,
        Operand::Addresses(range) => range.start.is_ipv6() == six && range.end.is_ipv6() == six,
        _ => false,
    }
}

fn ordered(field: Field, operand: &Operand) -> Result<(), RuleError> {
    match order(operand) {
        Ok(()) => Ok(()),
        Err(why) => Err(RuleError::Operand { field, why: why.to_owned() }),
    }
}

/// Checks the inside of an address, a network or a range of one family.
pub fn order(operand: &Operand) -> Result<(), &'static str> {
    match operand {
        Operand::Network(IpNetwork { address, prefix }) => {
            let most = if address.is_ipv6() { 128 } else { 32 };
            if *prefix <= most { Ok(()) } else { Err("is in a network whose prefix is too long") }
        }
        Operand::Addresses(range) if range.count().is_none() => Err("is in an empty range of addresses"),
        _ => Ok(()),
    }
}

/// The numbers of an address and its width in bits.
pub fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Names that nft takes for a set without quotes, as administrators make them.
fn is_set_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=LONGEST_NAME).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(plain)
        && !crate::compile::is_reserved(name)
}
