//! ARP and RARP.

use std::net::Ipv4Addr;

use reeve_model::MacAddress;

/// A packet of ARP or RARP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// 1 for Ethernet.
    pub hardware_type: u16,
    /// 0x800 for IPv4.
    pub protocol_type: u16,
    /// Length that it says hardware addresses have.
    pub hardware_length: u8,
    /// 1 request, 2 reply, 3 reverse request.
    pub operation: u16,
    /// Hardware address of the sender.
    pub sender_mac: MacAddress,
    /// Address of the sender.
    pub sender_ip: Ipv4Addr,
    /// Hardware address of the target.
    pub target_mac: MacAddress,
    /// Address of the target.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// A request for a target.
    pub fn request(sender_mac: MacAddress, sender_ip: &str, target_ip: &str) -> Self {
        Self {
            hardware_type: 1,
            protocol_type: 0x800,
            hardware_length: 6,
            operation: 1,
            sender_mac,
            sender_ip: sender_ip.parse().expect("an address"),
            target_mac: MacAddress([0; 6]),
            target_ip: target_ip.parse().expect("an address"),
        }
    }

    /// A reply to a target.
    pub fn reply(sender_mac: MacAddress, sender_ip: &str, target_mac: MacAddress, target_ip: &str) -> Self {
        Self { operation: 2, target_mac, ..Self::request(sender_mac, sender_ip, target_ip) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [
            &self.hardware_type.to_be_bytes()[..],
            &self.protocol_type.to_be_bytes(),
            &[self.hardware_length, 4],
            &self.operation.to_be_bytes(),
            &self.sender_mac.0,
            &self.sender_ip.octets(),
            &self.target_mac.0,
            &self.target_ip.octets(),
            // Up to the least length of a frame.
            &[0; 18],
        ]
        .concat()
    }
}
