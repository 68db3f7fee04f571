//! IPv4 and IPv6.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::checksum::internet;
use crate::transport::Segment;

/// A header of IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4 {
    /// From whom.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// Six bits.
    pub dscp: u8,
    /// Number of the packet.
    pub id: u16,
}

/// A header of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6 {
    /// From whom.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// Six bits.
    pub dscp: u8,
    /// Whether a header of destination options stands before what is carried.
    pub options: bool,
}

/// A plain header of IPv4.
pub fn ipv4(source: &str, destination: &str) -> Ipv4 {
    let address = |text: &str| text.parse().expect("an address");
    Ipv4 { source: address(source), destination: address(destination), dscp: 0, id: 1 }
}

/// A plain header of IPv6.
pub fn ipv6(source: &str, destination: &str) -> Ipv6 {
    let address = |text: &str| text.parse().expect("an address");
    Ipv6 { source: address(source), destination: address(destination), dscp: 0, options: false }
}

impl Ipv4 {
    /// The packet.
    pub fn carry(&self, segment: &Segment) -> Vec<u8> {
        let inside = segment.over(&[&self.source.octets()[..], &self.destination.octets()].concat());
        let mut header = [
            &[0x45, self.dscp << 2][..],
            &(20 + inside.len() as u16).to_be_bytes(),
            &self.id.to_be_bytes(),
            // May not be cut, lives 64 hops.
            &[0x40, 0, 64, segment.protocol, 0, 0],
            &self.source.octets(),
            &self.destination.octets(),
        ]
        .concat();
        let sum = internet(&[&header]).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        [header, inside].concat()
    }
}

impl Ipv6 {
    /// The packet.
    pub fn carry(&self, segment: &Segment) -> Vec<u8> {
        let inside = segment.over(&[&self.source.octets()[..], &self.destination.octets()].concat());
        // Eight bytes of padding.
        let options: &[u8] = if self.options { &[segment.protocol, 0, 1, 4, 0, 0, 0, 0] } else { &[] };
        let next = if self.options { 60 } else { segment.protocol };
        [
            &[0x60 | self.dscp >> 2, (self.dscp & 3) << 6, 0, 0][..],
            &((options.len() + inside.len()) as u16).to_be_bytes(),
            &[next, 64],
            &self.source.octets(),
            &self.destination.octets(),
            options,
            &inside,
        ]
        .concat()
    }
}
