//! Protocols of rules, the chains they may stand in, and the attributes each has (guide 18.12.10, tables 18.3 to 18.14).

use serde::{Deserialize, Serialize};

use super::attribute::{Attribute, Datatype};
use super::is_chain_of;

const ETHERTYPES: &[(&str, u16)] = &[("arp", 0x806), ("rarp", 0x8035), ("ipv4", 0x800), ("ipv6", 0x86dd)];
const IP_PROTOCOLS: &[(&str, u32)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("esp", 50),
    ("ah", 51),
    ("icmp", 1),
    ("igmp", 2),
    ("sctp", 132),
];
const IP6_PROTOCOLS: &[(&str, u32)] =
    &[("tcp", 6), ("udp", 17), ("udplite", 136), ("esp", 50), ("ah", 51), ("icmpv6", 58), ("sctp", 132)];
const OPCODES: &[(&str, u32)] = &[
    ("Request", 1),
    ("Reply", 2),
    ("Request_Reverse", 3),
    ("Reply_Reverse", 4),
    ("DRARP_Request", 5),
    ("DRARP_Reply", 6),
    ("DRARP_Error", 7),
    ("InARP_Request", 8),
    ("ARP_NAK", 10),
];

macro_rules! protocols {
    ($($variant:ident = $word:literal,)+) => {
        /// The protocol of a rule: the name of its nodes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Protocol {
            $(#[doc = concat!("`<", $word, ">`.")] #[serde(rename = $word)] $variant,)+
        }

        impl Protocol {
            /// Every protocol.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name of its node.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The protocol whose nodes have this name.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|protocol| protocol.as_str() == word)
            }
        }
    };
}

protocols! {
    Mac = "mac",
    Vlan = "vlan",
    Stp = "stp",
    Arp = "arp",
    Rarp = "rarp",
    Ip = "ip",
    Ipv6 = "ipv6",
    Tcp = "tcp",
    Udp = "udp",
    Sctp = "sctp",
    Icmp = "icmp",
    Igmp = "igmp",
    Esp = "esp",
    Ah = "ah",
    Udplite = "udplite",
    All = "all",
    TcpIpv6 = "tcp-ipv6",
    UdpIpv6 = "udp-ipv6",
    SctpIpv6 = "sctp-ipv6",
    Icmpv6 = "icmpv6",
    EspIpv6 = "esp-ipv6",
    AhIpv6 = "ah-ipv6",
    UdpliteIpv6 = "udplite-ipv6",
    AllIpv6 = "all-ipv6",
    IgmpIpv6 = "igmp-ipv6",
}

impl Protocol {
    /// True for protocols that are matched frame by frame, before connections are tracked.
    pub fn is_link_layer(self) -> bool {
        matches!(self, Self::Mac | Self::Vlan | Self::Stp | Self::Arp | Self::Rarp | Self::Ip | Self::Ipv6)
    }

    /// True for protocols over IPv6 whose connections are tracked.
    pub fn is_ipv6(self) -> bool {
        matches!(
            self,
            Self::TcpIpv6
                | Self::UdpIpv6
                | Self::SctpIpv6
                | Self::Icmpv6
                | Self::EspIpv6
                | Self::AhIpv6
                | Self::UdpliteIpv6
                | Self::AllIpv6
                | Self::IgmpIpv6
        )
    }

    /// True when a rule of this protocol may stand in a filter of this chain. Frames of every chain have hardware addresses (the guide's
    /// own no-arp-spoofing looks at them), and connection protocols don't look at chains.
    pub fn belongs_in(self, chain: &str) -> bool {
        let own = match self {
            Self::Vlan => "vlan",
            Self::Stp => "stp",
            Self::Arp => "arp",
            Self::Rarp => "rarp",
            Self::Ip => "ipv4",
            Self::Ipv6 => "ipv6",
            // Every frame has MAC addresses; the guide's no-arp-spoofing looks at them in the chain of ARP.
            _ => return true,
        };
        chain == "root" || is_chain_of(chain, own)
    }

    /// The datatype of an attribute of this protocol; none when it has no such attribute.
    pub fn datatype(self, attribute: Attribute) -> Option<Datatype> {
        use Attribute as A;
        if attribute == A::Comment {
            return Some(Datatype::Text);
        }
        if self.is_link_layer() {
            match attribute {
                A::SrcMacAddr => return Some(Datatype::Mac),
                A::SrcMacMask => return Some(Datatype::MacMask),
                A::DstMacAddr if self != Self::Stp => return Some(Datatype::Mac),
                A::DstMacMask if self != Self::Stp => return Some(Datatype::MacMask),
                _ => {}
            }
        }
        match self {
            Self::Mac => (attribute == A::ProtocolId)
                .then_some(Datatype::Ethertype { least: 0x600, names: ETHERTYPES }),
            Self::Vlan => match attribute {
                A::VlanId => Some(Datatype::Named { most: 4095, names: &[] }),
                A::EncapProtocol => Some(Datatype::Ethertype { least: 0x3c, names: ETHERTYPES }),
                _ => None,
            },
            Self::Stp => stp(attribute),
            Self::Arp | Self::Rarp => arp(attribute),
            Self::Ip => ip(attribute, Datatype::Ipv4, Datatype::Ipv4Mask, IP_PROTOCOLS),
            Self::Ipv6 => ip(attribute, Datatype::Ipv6, Datatype::Ipv6Mask, IP6_PROTOCOLS),
            _ => self.connection(attribute),
        }
    }

    fn connection(self, attribute: Attribute) -> Option<Datatype> {
        use Attribute as A;
        let six = self.is_ipv6();
        let (address, mask) =
            if six { (Datatype::Ipv6, Datatype::Ipv6Mask) } else { (Datatype::Ipv4, Datatype::Ipv4Mask) };
        let ports = matches!(
            self,
            Self::Tcp | Self::Udp | Self::Sctp | Self::TcpIpv6 | Self::UdpIpv6 | Self::SctpIpv6
        );
        match attribute {
            A::SrcMacAddr => Some(Datatype::Mac),
            A::SrcIpAddr | A::DstIpAddr | A::SrcIpFrom | A::SrcIpTo | A::DstIpFrom | A::DstIpTo => {
                Some(address)
            }
            A::SrcIpMask | A::DstIpMask => Some(mask),
            A::SrcPortStart | A::SrcPortEnd | A::DstPortStart | A::DstPortEnd if ports => {
                Some(Datatype::Uint16)
            }
            A::Flags if matches!(self, Self::Tcp | Self::TcpIpv6) => Some(Datatype::TcpFlags),
            A::Type | A::Code | A::TypeEnd | A::CodeEnd if matches!(self, Self::Icmp | Self::Icmpv6) => {
                Some(Datatype::Uint16)
            }
            // The guide's tables of ICMP and of IGMP, ESP, AH, UDPLITE and ALL have the other three too; a rule over TCP does not.
            A::SrcMacMask | A::DstMacAddr | A::DstMacMask if !six && !ports => Some(match attribute {
                A::DstMacAddr => Datatype::Mac,
                _ => Datatype::MacMask,
            }),
            A::Dscp => Some(Datatype::Named { most: 63, names: &[] }),
            A::State => Some(Datatype::States),
            A::ConnlimitAbove => Some(Datatype::Uint16),
            A::IpSet => Some(Datatype::SetName),
            A::IpSetFlags => Some(Datatype::SetFlags),
            _ => None,
        }
    }

    /// The number of the IP protocol that it stands for; none for `all` and for protocols of frames.
    pub fn ip_number(self) -> Option<u8> {
        match self {
            Self::Tcp | Self::TcpIpv6 => Some(6),
            Self::Udp | Self::UdpIpv6 => Some(17),
            Self::Sctp | Self::SctpIpv6 => Some(132),
            Self::Icmp => Some(1),
            Self::Icmpv6 => Some(58),
            Self::Igmp | Self::IgmpIpv6 => Some(2),
            Self::Esp | Self::EspIpv6 => Some(50),
            Self::Ah | Self::AhIpv6 => Some(51),
            Self::Udplite | Self::UdpliteIpv6 => Some(136),
            _ => None,
        }
    }
}

fn stp(attribute: Attribute) -> Option<Datatype> {
    use Attribute as A;
    match attribute {
        A::Type | A::Flags => Some(Datatype::Uint8),
        A::RootCost | A::RootCostHi => Some(Datatype::Uint32),
        A::RootAddress | A::SenderAddress => Some(Datatype::Mac),
        A::RootAddressMask | A::SenderAddressMask => Some(Datatype::MacMask),
        A::RootPriority
        | A::RootPriorityHi
        | A::SenderPriority
        | A::SenderPriorityHi
        | A::StpPort
        | A::StpPortHi
        | A::MsgAge
        | A::MsgAgeHi
        | A::MaxAge
        | A::MaxAgeHi
        | A::HelloTime
        | A::HelloTimeHi
        | A::ForwardDelay
        | A::ForwardDelayHi => Some(Datatype::Uint16),
        _ => None,
    }
}

fn arp(attribute: Attribute) -> Option<Datatype> {
    use Attribute as A;
    match attribute {
        A::HwType => Some(Datatype::Uint16),
        A::ProtocolType => Some(Datatype::Ethertype { least: 0, names: ETHERTYPES }),
        A::Opcode => Some(Datatype::Named { most: 0xffff, names: OPCODES }),
        A::ArpSrcMacAddr | A::ArpDstMacAddr => Some(Datatype::Mac),
        A::ArpSrcIpAddr | A::ArpDstIpAddr => Some(Datatype::Ipv4),
        A::ArpSrcIpMask | A::ArpDstIpMask => Some(Datatype::Ipv4Mask),
        A::Gratuitous => Some(Datatype::Boolean),
        _ => None,
    }
}

fn ip(
    attribute: Attribute,
    address: Datatype,
    mask: Datatype,
    names: &'static [(&'static str, u32)],
) -> Option<Datatype> {
    use Attribute as A;
    match attribute {
        A::SrcIpAddr | A::DstIpAddr => Some(address),
        A::SrcIpMask | A::DstIpMask => Some(mask),
        A::IpProtocol => Some(Datatype::Named { most: 255, names }),
        A::SrcPortStart | A::SrcPortEnd | A::DstPortStart | A::DstPortEnd => Some(Datatype::Uint16),
        A::Dscp => Some(Datatype::Named { most: 63, names: &[] }),
        A::Type | A::TypeEnd | A::Code | A::CodeEnd if address == Datatype::Ipv6 => Some(Datatype::Uint8),
        _ => None,
    }
}
