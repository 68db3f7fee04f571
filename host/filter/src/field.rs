//! What the fields of packets are and where they lie.

use reeve_model::filter::Field;

/// What a field is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers of so many bits.
    Number(u32),
    /// Hardware addresses.
    Mac,
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// 0 or 1.
    Flag,
    /// States of connections.
    States,
    /// A number of connections.
    Count,
    /// A set of the host.
    HostSet,
}

/// Where the bytes of a field are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The frame, as it was sent, tag of a VLAN included.
    Link,
    /// What is inside of the frame.
    Network,
    /// What is inside of the IP packet.
    Transport,
}

/// Where a field lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where bytes are counted from.
    pub base: Base,
    /// First byte.
    pub offset: u32,
    /// Bytes.
    pub bytes: u32,
    /// Bits of these bytes that are not the field's, on the right.
    pub shift: u32,
    /// Bits of the field.
    pub bits: u32,
}

impl Place {
    const fn new(base: Base, offset: u32, bytes: u32) -> Self {
        Self { base, offset, bytes, shift: 0, bits: bytes * 8 }
    }

    const fn part(base: Base, offset: u32, bytes: u32, shift: u32, bits: u32) -> Self {
        Self { base, offset, bytes, shift, bits }
    }

    /// True when the bytes hold more than the field.
    pub fn is_part(self) -> bool {
        self.bits < self.bytes * 8
    }
}

/// What a packet is that has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Any frame.
    Frame,
    /// A tagged frame.
    Vlan,
    /// ARP or RARP.
    Arp,
    /// ARP or RARP between Ethernet and IPv4.
    ArpEthernet,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Whatever the rule's match of the protocol says.
    Ports,
    /// TCP over either.
    Tcp,
    /// ICMP.
    Icmp,
    /// ICMPv6.
    Icmp6,
    /// BPDU.
    Stp,
    /// BPDU with the fields of a configuration.
    StpConfig,
}

/// What a field is compared with.
pub fn kind(field: Field) -> Kind {
    use Field as F;
    match field {
        F::EtherSource | F::EtherDestination | F::ArpSourceMac | F::ArpTargetMac => Kind::Mac,
        F::StpRootAddress | F::StpSenderAddress => Kind::Mac,
        F::ArpSourceIp | F::ArpTargetIp | F::IpSource | F::IpDestination => Kind::Ipv4,
        F::Ip6Source | F::Ip6Destination => Kind::Ipv6,
        F::ArpGratuitous => Kind::Flag,
        F::State => Kind::States,
        F::ConnectionsAbove => Kind::Count,
        F::HostSet => Kind::HostSet,
        F::Ip6Protocol => Kind::Number(8),
        _ => Kind::Number(place(field).map_or(0, |place| place.bits)),
    }
}

/// Where a field lies; none for those that are no bytes of a packet, and for the last header of IPv6, which lies anywhere.
pub fn place(field: Field) -> Option<Place> {
    use Base::{Link, Network, Transport};
    use Field as F;
    Some(match field {
        F::EtherDestination => Place::new(Link, 0, 6),
        F::EtherSource => Place::new(Link, 6, 6),
        F::EtherType => Place::new(Link, 12, 2),
        F::VlanId => Place::part(Link, 14, 2, 0, 12),
        F::VlanType => Place::new(Link, 16, 2),
        F::ArpHardwareType => Place::new(Network, 0, 2),
        F::ArpProtocolType => Place::new(Network, 2, 2),
        F::ArpOperation => Place::new(Network, 6, 2),
        F::ArpSourceMac => Place::new(Network, 8, 6),
        F::ArpSourceIp => Place::new(Network, 14, 4),
        F::ArpTargetMac => Place::new(Network, 18, 6),
        F::ArpTargetIp => Place::new(Network, 24, 4),
        F::IpDscp => Place::part(Network, 1, 1, 2, 6),
        F::IpProtocol => Place::new(Network, 9, 1),
        F::IpSource => Place::new(Network, 12, 4),
        F::IpDestination => Place::new(Network, 16, 4),
        F::Ip6Dscp => Place::part(Network, 0, 2, 6, 6),
        F::Ip6Source => Place::new(Network, 8, 16),
        F::Ip6Destination => Place::new(Network, 24, 16),
        F::SourcePort => Place::new(Transport, 0, 2),
        F::DestinationPort => Place::new(Transport, 2, 2),
        F::TcpFlags => Place::new(Transport, 13, 1),
        F::IcmpType | F::Icmp6Type => Place::new(Transport, 0, 1),
        F::IcmpCode | F::Icmp6Code => Place::new(Transport, 1, 1),
        // Behind the header of 802.3 and the three bytes of LLC.
        F::StpType => Place::new(Link, 20, 1),
        F::StpFlags => Place::new(Link, 21, 1),
        F::StpRootPriority => Place::new(Link, 22, 2),
        F::StpRootAddress => Place::new(Link, 24, 6),
        F::StpRootCost => Place::new(Link, 30, 4),
        F::StpSenderPriority => Place::new(Link, 34, 2),
        F::StpSenderAddress => Place::new(Link, 36, 6),
        F::StpPort => Place::new(Link, 42, 2),
        F::StpMessageAge => Place::new(Link, 44, 2),
        F::StpMaxAge => Place::new(Link, 46, 2),
        F::StpHelloTime => Place::new(Link, 48, 2),
        F::StpForwardDelay => Place::new(Link, 50, 2),
        F::Ip6Protocol | F::ArpGratuitous | F::State | F::ConnectionsAbove | F::HostSet => return None,
    })
}

/// What a packet is that has a field.
pub fn carrier(field: Field) -> Carrier {
    use Field as F;
    match field {
        F::EtherSource | F::EtherDestination | F::EtherType => Carrier::Frame,
        F::State | F::ConnectionsAbove | F::HostSet => Carrier::Frame,
        F::VlanId | F::VlanType => Carrier::Vlan,
        F::ArpHardwareType | F::ArpProtocolType | F::ArpOperation => Carrier::Arp,
        F::ArpSourceMac | F::ArpTargetMac | F::ArpSourceIp | F::ArpTargetIp | F::ArpGratuitous => {
            Carrier::ArpEthernet
        }
        F::IpSource | F::IpDestination | F::IpProtocol | F::IpDscp => Carrier::Ipv4,
        F::Ip6Source | F::Ip6Destination | F::Ip6Protocol | F::Ip6Dscp => Carrier::Ipv6,
        F::SourcePort | F::DestinationPort => Carrier::Ports,
        F::TcpFlags => Carrier::Tcp,
        F::IcmpType | F::IcmpCode => Carrier::Icmp,
        F::Icmp6Type | F::Icmp6Code => Carrier::Icmp6,
        F::StpType => Carrier::Stp,
        F::StpFlags
        | F::StpRootPriority
        | F::StpRootAddress
        | F::StpRootCost
        | F::StpSenderPriority
        | F::StpSenderAddress
        | F::StpPort
        | F::StpMessageAge
        | F::StpMaxAge
        | F::StpHelloTime
        | F::StpForwardDelay => Carrier::StpConfig,
    }
}
