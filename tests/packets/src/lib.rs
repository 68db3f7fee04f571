#![forbid(unsafe_code)]
//! Frames built by hand, byte by byte, for tests of what filters packets. Lengths and checksums are right unless a test bends them, so
//! that the kernel's own checks let them pass.
//!
//! ```
//! use reeve_packets::{Frame, ipv4, tcp};
//! let frame = Frame::new("52:54:00:00:00:02".parse().unwrap(), "52:54:00:00:00:01".parse().unwrap());
//! let syn = frame.ipv4(&ipv4("10.0.0.1", "10.0.0.2"), &tcp(1025, 80, reeve_packets::SYN));
//! assert_eq!(syn.len(), 14 + 20 + 20);
//! ```

mod arp;
mod checksum;
mod dhcp;
mod ip;
mod stp;
mod transport;

use reeve_model::MacAddress;

pub use arp::Arp;
pub use dhcp::Dhcp;
pub use ip::{Ipv4, Ipv6, ipv4, ipv6};
pub use stp::Bpdu;
pub use transport::{
    ACK, FIN, RST, SYN, Segment, ah, esp, icmp, icmp_error, icmp6, igmp, sctp, tcp, tcp_with, udp, udp_with,
    udplite,
};

/// Both addresses of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// To whom.
    pub destination: MacAddress,
    /// From whom.
    pub source: MacAddress,
}

/// The address of everybody.
pub const BROADCAST: MacAddress = MacAddress([0xff; 6]);

impl Frame {
    /// A frame to somebody from somebody.
    pub fn new(destination: MacAddress, source: MacAddress) -> Self {
        Self { destination, source }
    }

    /// With something inside.
    pub fn carry(self, ether_type: u16, inside: &[u8]) -> Vec<u8> {
        [&self.destination.0[..], &self.source.0, &ether_type.to_be_bytes(), inside].concat()
    }

    /// In a VLAN, with something inside.
    pub fn tagged(self, vlan: u16, ether_type: u16, inside: &[u8]) -> Vec<u8> {
        self.carry(0x8100, &[&vlan.to_be_bytes()[..], &ether_type.to_be_bytes(), inside].concat())
    }

    /// With ARP inside.
    pub fn arp(self, arp: &Arp) -> Vec<u8> {
        self.carry(0x0806, &arp.bytes())
    }

    /// With RARP inside.
    pub fn rarp(self, arp: &Arp) -> Vec<u8> {
        self.carry(0x8035, &arp.bytes())
    }

    /// With IPv4 inside, which carries a segment.
    pub fn ipv4(self, header: &Ipv4, segment: &Segment) -> Vec<u8> {
        self.carry(0x0800, &header.carry(segment))
    }

    /// With IPv6 inside, which carries a segment.
    pub fn ipv6(self, header: &Ipv6, segment: &Segment) -> Vec<u8> {
        self.carry(0x86dd, &header.carry(segment))
    }

    /// A BPDU from this source; its destination is that of all bridges.
    pub fn stp(self, bpdu: &Bpdu) -> Vec<u8> {
        let inside = bpdu.bytes();
        let length = inside.len() as u16;
        let mut frame = Self { destination: Bpdu::BRIDGES, ..self }.carry(length, &inside);
        frame.resize(frame.len().max(60), 0);
        frame
    }
}
