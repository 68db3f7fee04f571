//! Attributes as typed matches.

use reeve_sdk::Failure;
use reeve_sdk::filter::Rules;
use reeve_sdk::filter::ruleset::{Field, Masked, MaskedMac, Match, Operand, Set};

use crate::gather::Placed;
use crate::variables::{Node, Values, failure};

/// Ethernet protocols by name.
const ETHERTYPES: [(&str, u64); 4] = [("arp", 0x806), ("rarp", 0x8035), ("ipv4", 0x800), ("ipv6", 0x86dd)];
/// ARP operations by name.
const OPERATIONS: [(&str, u64); 9] = [
    ("request", 1),
    ("reply", 2),
    ("request_reverse", 3),
    ("reply_reverse", 4),
    ("drarp_request", 5),
    ("drarp_reply", 6),
    ("drarp_error", 7),
    ("inarp_request", 8),
    ("arp_nak", 10),
];
/// IP protocols by name.
const PROTOCOLS: [(&str, u64); 9] = [
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("esp", 50),
    ("ah", 51),
    ("icmp", 1),
    ("icmpv6", 58),
    ("igmp", 2),
    ("sctp", 132),
];

/// The matches of one rule while they are made.
pub(crate) struct Matches<'a, 'r> {
    placed: Placed<'a>,
    rules: &'r mut Rules,
    /// Source and destination change places.
    reversed: bool,
    pub(crate) list: Vec<Match>,
    pub(crate) comment: Option<String>,
}

impl<'a, 'r> Matches<'a, 'r> {
    pub(crate) fn new(placed: Placed<'a>, rules: &'r mut Rules, reversed: bool) -> Self {
        Self { placed, rules, reversed, list: Vec::new(), comment: None }
    }

    /// A failure of this rule.
    pub(crate) fn wrong(&self, attribute: &str, value: &str) -> Failure {
        failure(self.placed, &format!("'{value}' is no value of '{attribute}'"))
    }

    /// Adds a match.
    pub(crate) fn push(&mut self, field: Field, negated: bool, operand: Operand) {
        self.list.push(Match { field, negated, operand });
    }

    /// Adds a match of a number unless it is there: nodes of one rule share their protocol.
    pub(crate) fn number(&mut self, field: Field, number: u64) {
        let there = |one: &Match| {
            one.field == field
                && !one.negated
                && matches!(one.operand, Operand::Number(value) if value == number)
        };
        if !self.list.iter().any(there) {
            self.push(field, false, Operand::Number(number));
        }
    }

    /// The first of two fields, or the second where source and destination change places.
    pub(crate) fn side(&self, written: Field, other: Field) -> Field {
        if self.reversed { other } else { written }
    }

    /// Adds what an attribute says of a field; nothing where it is absent.
    pub(crate) fn attribute(
        &mut self,
        node: &Node<'a>,
        attribute: &str,
        field: Field,
        read: fn(&str) -> Option<Operand>,
    ) -> Result<(), Failure> {
        let Some(values) = node.values(attribute) else { return Ok(()) };
        let operand = match values {
            Values::One(text) => read(text).ok_or_else(|| self.wrong(attribute, text))?,
            Values::Any(list) => {
                let mut elements = Vec::with_capacity(list.len());
                for text in *list {
                    elements.push(read(text).ok_or_else(|| self.wrong(attribute, text))?);
                }
                Operand::Set(self.set(elements))
            }
        };
        self.push(field, node.negated, operand);
        Ok(())
    }

    /// Hardware addresses with their masks.
    pub(crate) fn macs(&mut self, node: &Node<'a>) -> Result<(), Failure> {
        let source = self.side(Field::EtherSource, Field::EtherDestination);
        let destination = self.side(Field::EtherDestination, Field::EtherSource);
        self.masked_mac(node, "srcmacaddr", "srcmacmask", source)?;
        self.masked_mac(node, "dstmacaddr", "dstmacmask", destination)
    }

    /// A hardware address with its mask.
    pub(crate) fn masked_mac(
        &mut self,
        node: &Node<'a>,
        address: &str,
        mask: &str,
        field: Field,
    ) -> Result<(), Failure> {
        let Some(bits) = node.one(mask) else { return self.attribute(node, address, field, mac) };
        let Some(value) = node.one(address) else { return Ok(()) };
        let (octets, mask_octets) = (octets(value), octets(bits));
        let octets = octets.ok_or_else(|| self.wrong(address, value))?;
        let mask_octets = mask_octets.ok_or_else(|| self.wrong(mask, bits))?;
        let mut under = [0; 6];
        for (under, (octet, mask)) in under.iter_mut().zip(octets.iter().zip(mask_octets)) {
            *under = octet & mask;
        }
        let operand = MaskedMac { value: write_mac(under), mask: write_mac(mask_octets) };
        self.push(field, node.negated, Operand::MaskedMac(operand));
        Ok(())
    }

    /// An address with its mask.
    pub(crate) fn masked_address(
        &mut self,
        node: &Node<'a>,
        attribute: &str,
        mask: &str,
        field: Field,
    ) -> Result<(), Failure> {
        let Some(bits) = node.one(mask) else { return self.attribute(node, attribute, field, address) };
        let Some(value) = node.one(attribute) else { return Ok(()) };
        let prefix = prefix(bits).ok_or_else(|| self.wrong(mask, bits))?;
        let network = network(value, prefix).ok_or_else(|| self.wrong(attribute, value))?;
        self.push(field, node.negated, Operand::Network((network, prefix)));
        Ok(())
    }

    /// Addresses, masks and ranges of IPv4 or IPv6.
    pub(crate) fn addresses(&mut self, node: &Node<'a>, six: bool) -> Result<(), Failure> {
        let (source, destination) = match six {
            false => (Field::IpSource, Field::IpDestination),
            true => (Field::Ip6Source, Field::Ip6Destination),
        };
        let (source, destination) = (self.side(source, destination), self.side(destination, source));
        self.masked_address(node, "srcipaddr", "srcipmask", source)?;
        self.masked_address(node, "dstipaddr", "dstipmask", destination)?;
        self.address_range(node, "srcipfrom", "srcipto", source)?;
        self.address_range(node, "dstipfrom", "dstipto", destination)
    }

    fn address_range(&mut self, node: &Node<'a>, from: &str, to: &str, field: Field) -> Result<(), Failure> {
        let Some(first) = node.one(from) else { return Ok(()) };
        let last = node.one(to).unwrap_or(first);
        self.push(field, node.negated, Operand::Addresses((first.to_owned(), last.to_owned())));
        Ok(())
    }

    /// Source and destination ports.
    pub(crate) fn ports(&mut self, node: &Node<'a>) -> Result<(), Failure> {
        let source = self.side(Field::SourcePort, Field::DestinationPort);
        let destination = self.side(Field::DestinationPort, Field::SourcePort);
        self.range(node, "srcportstart", "srcportend", source)?;
        self.range(node, "dstportstart", "dstportend", destination)
    }

    /// From and to of a number; one of them where there is no other.
    pub(crate) fn range(
        &mut self,
        node: &Node<'a>,
        from: &str,
        to: &str,
        field: Field,
    ) -> Result<(), Failure> {
        let Some(last) = node.one(to) else { return self.attribute(node, from, field, plain) };
        let Some(first) = node.one(from) else { return Ok(()) };
        let read = |attribute: &str, text: &str| number(text).ok_or_else(|| self.wrong(attribute, text));
        let (low, high) = (read(from, first)?, read(to, last)?);
        if low > high {
            return Err(failure(self.placed, &format!("'{from}' {low} is above '{to}' {high}")));
        }
        self.push(field, node.negated, Operand::Range((low, high)));
        Ok(())
    }

    /// The comment, once.
    pub(crate) fn comment(&mut self, node: &Node<'a>) {
        if self.comment.is_none() {
            self.comment = node.one("comment").map(str::to_owned);
        }
    }

    fn set(&mut self, elements: Vec<Operand>) -> String {
        let name = format!("set-{}", self.rules.sets.len());
        self.rules.sets.push(Set { name: name.clone(), elements });
        name
    }
}

/// Decimal, or hexadecimal with 0x.
pub(crate) fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

pub(crate) fn plain(text: &str) -> Option<Operand> {
    number(text).map(Operand::Number)
}

fn named(text: &str, names: &[(&str, u64)]) -> Option<Operand> {
    let by_name = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
    by_name.or_else(|| number(text)).map(Operand::Number)
}

/// An Ethernet protocol.
pub(crate) fn ethertype(text: &str) -> Option<Operand> {
    named(text, &ETHERTYPES)
}

/// An ARP operation.
pub(crate) fn operation(text: &str) -> Option<Operand> {
    named(text, &OPERATIONS)
}

/// An IP protocol.
pub(crate) fn ip_protocol(text: &str) -> Option<Operand> {
    named(text, &PROTOCOLS)
}

/// true, yes, 1 or false, no, 0.
pub(crate) fn boolean(text: &str) -> Option<Operand> {
    match text {
        "true" | "yes" | "1" => Some(Operand::Number(1)),
        "false" | "no" | "0" => Some(Operand::Number(0)),
        _ => None,
    }
}

/// A hardware address.
pub(crate) fn mac(text: &str) -> Option<Operand> {
    octets(text).map(|octets| Operand::Mac(write_mac(octets)))
}

fn octets(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut pairs = text.split(':');
    for octet in &mut octets {
        *octet = u8::from_str_radix(pairs.next()?, 16).ok()?;
    }
    pairs.next().is_none().then_some(octets)
}

fn write_mac([a, b, c, d, e, f]: [u8; 6]) -> String {
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// An IPv4 or IPv6 address.
pub(crate) fn address(text: &str) -> Option<Operand> {
    text.parse::<std::net::IpAddr>().ok().map(|address| Operand::Address(address.to_string()))
}

/// The length of a prefix, as a number or as a mask of ones, then zeroes.
fn prefix(text: &str) -> Option<u8> {
    if let Ok(bits) = text.parse() {
        return Some(bits);
    }
    match text.parse().ok()? {
        std::net::IpAddr::V4(mask) => {
            let ones = mask.to_bits().leading_ones();
            (ones + mask.to_bits().trailing_zeros() >= 32).then(|| u8::try_from(ones).ok()).flatten()
        }
        std::net::IpAddr::V6(mask) => {
            let ones = mask.to_bits().leading_ones();
            (ones + mask.to_bits().trailing_zeros() >= 128).then(|| u8::try_from(ones).ok()).flatten()
        }
    }
}

/// The address of a network: no bits beyond the prefix.
fn network(text: &str, prefix: u8) -> Option<String> {
    match text.parse().ok()? {
        std::net::IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix.into())?).unwrap_or(0);
            Some(std::net::Ipv4Addr::from(address.to_bits() & mask).to_string())
        }
        std::net::IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix.into())?).unwrap_or(0);
            Some(std::net::Ipv6Addr::from(address.to_bits() & mask).to_string())
        }
    }
}

/// Bits of TCP flags under a mask: `mask/flags`.
pub(crate) fn tcp_flags(text: &str) -> Option<Operand> {
    let (mask, flags) = text.split_once('/')?;
    Some(Operand::Masked(Masked { value: bits(flags)?, mask: bits(mask)? }))
}

fn bits(text: &str) -> Option<u64> {
    match text {
        "NONE" => Some(0),
        "ALL" => Some(0x3f),
        _ => text.split(',').try_fold(0, |bits, flag| {
            let bit = match flag {
                "FIN" => 0x01,
                "SYN" => 0x02,
                "RST" => 0x04,
                "PSH" => 0x08,
                "ACK" => 0x10,
                "URG" => 0x20,
                _ => return None,
            };
            Some(bits | bit)
        }),
    }
}
