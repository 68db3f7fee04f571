//! DHCP.

use std::net::Ipv4Addr;

use reeve_model::MacAddress;

use crate::transport::{Segment, udp_with};
use crate::{BROADCAST, Frame, ipv4};

/// A message of DHCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dhcp {
    /// Option 53: 1 discover, 2 offer, 3 request, 4 decline, 5 acknowledgement, 6 refusal, 7 release.
    pub kind: u8,
    /// The client.
    pub client: MacAddress,
    /// `ciaddr`: the address the client has.
    pub client_ip: Ipv4Addr,
    /// `yiaddr`: the address it gets.
    pub your_ip: Ipv4Addr,
    /// More options, each with its code and length.
    pub options: Vec<u8>,
}

impl Dhcp {
    /// A discovery.
    pub fn discover(client: MacAddress) -> Self {
        let none = Ipv4Addr::UNSPECIFIED;
        Self { kind: 1, client, client_ip: none, your_ip: none, options: Vec::new() }
    }

    /// An acknowledgement from a server, for so many seconds.
    pub fn ack(client: MacAddress, ip: &str, server: &str, seconds: u32) -> Self {
        let server: Ipv4Addr = server.parse().expect("an address");
        let options = [&[51, 4][..], &seconds.to_be_bytes(), &[54, 4], &server.octets()].concat();
        Self { kind: 5, your_ip: ip.parse().expect("an address"), options, ..Self::discover(client) }
    }

    /// A client gives an address back.
    pub fn release(client: MacAddress, ip: &str) -> Self {
        Self { kind: 7, client_ip: ip.parse().expect("an address"), ..Self::discover(client) }
    }

    /// The message.
    pub fn bytes(&self) -> Vec<u8> {
        let reply = matches!(self.kind, 2 | 5 | 6);
        let mut bytes = vec![if reply { 2 } else { 1 }, 1, 6, 0, 0, 0, 0, 42, 0, 0, 0x80, 0];
        bytes.extend(self.client_ip.octets());
        bytes.extend(self.your_ip.octets());
        bytes.extend([0; 8]);
        bytes.extend(self.client.0);
        bytes.resize(236, 0);
        bytes.extend([0x63, 0x82, 0x53, 0x63, 53, 1, self.kind]);
        bytes.extend(&self.options);
        bytes.push(255);
        bytes
    }

    /// The frame of a client.
    pub fn from_client(&self) -> Vec<u8> {
        let segment: Segment = udp_with(68, 67, &self.bytes());
        Frame::new(BROADCAST, self.client).ipv4(&ipv4("0.0.0.0", "255.255.255.255"), &segment)
    }

    /// The frame of a server, to all.
    pub fn from_server(&self, mac: MacAddress, ip: &str) -> Vec<u8> {
        Frame::new(BROADCAST, mac).ipv4(&ipv4(ip, "255.255.255.255"), &udp_with(67, 68, &self.bytes()))
    }
}
