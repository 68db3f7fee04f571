//! Attributes of protocol nodes and their datatypes (guide 18.12.10).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::MacAddress;

/// What values an attribute takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    /// 0 to 255, decimal or 0x hexadecimal.
    Uint8,
    /// 0 to 65535.
    Uint16,
    /// 0 to 4294967295.
    Uint32,
    /// A hardware address.
    Mac,
    /// A mask over one.
    MacMask,
    /// An IPv4 address.
    Ipv4,
    /// A dotted IPv4 mask or 0 to 32.
    Ipv4Mask,
    /// An IPv6 address.
    Ipv6,
    /// An IPv6 mask or 0 to 128.
    Ipv6Mask,
    /// true, yes, 1 or false, no, 0.
    Boolean,
    /// Any text of at most 256 characters.
    Text,
    /// Name of a set of the host: letters, digits, `_`, `.`, `:`, `-`, `+`, at most 31 bytes.
    SetName,
    /// One to six of `src` and `dst` with commas.
    SetFlags,
    /// `NEW`, `ESTABLISHED`, `RELATED`, `INVALID` with commas, or `NONE`.
    States,
    /// `mask/flags` of `SYN`, `ACK`, `URG`, `PSH`, `FIN`, `RST` with commas, `NONE` or `ALL`.
    TcpFlags,
    /// An Ethernet protocol: a number in these bounds or one of the names.
    Ethertype {
        /// Least number.
        least: u16,
        /// Names besides numbers.
        names: &'static [(&'static str, u16)],
    },
    /// A number up to a bound, or one of the names.
    Named {
        /// Greatest number.
        most: u32,
        /// Names besides numbers.
        names: &'static [(&'static str, u32)],
    },
}

/// A number as filters write it: decimal or hexadecimal with 0x.
pub fn number(text: &str) -> Option<u64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => digits(hex).then(|| u64::from_str_radix(hex, 16).ok()).flatten(),
        None => digits(text).then(|| text.parse().ok()).flatten(),
    }
}

impl Datatype {
    /// True for a text that is a value of this type.
    pub fn accepts(self, text: &str) -> bool {
        let within = |most: u64| number(text).is_some_and(|value| value <= most);
        match self {
            Self::Uint8 => within(0xff),
            Self::Uint16 => within(0xffff),
            Self::Uint32 => within(0xffff_ffff),
            Self::Mac | Self::MacMask => text.parse::<MacAddress>().is_ok(),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Ipv4Mask => number(text).map_or_else(|| is_mask(text, false), |bits| bits <= 32),
            Self::Ipv6Mask => number(text).map_or_else(|| is_mask(text, true), |bits| bits <= 128),
            Self::Boolean => matches!(text, "true" | "yes" | "1" | "false" | "no" | "0"),
            Self::Text => text.chars().count() <= 256,
            Self::SetName => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-+".contains(&byte);
                (1..=31).contains(&text.len()) && text.bytes().all(plain)
            }
            Self::SetFlags => {
                text.split(',').count() <= 6 && text.split(',').all(|flag| matches!(flag, "src" | "dst"))
            }
            Self::States => {
                text == "NONE"
                    || text
                        .split(',')
                        .all(|state| matches!(state, "NEW" | "ESTABLISHED" | "RELATED" | "INVALID"))
            }
            Self::TcpFlags => {
                text.split_once('/').is_some_and(|(mask, flags)| are_flags(mask) && are_flags(flags))
            }
            Self::Ethertype { least, names } => {
                names.iter().any(|(name, _)| *name == text)
                    || number(text).is_some_and(|value| (u64::from(least)..=0xffff).contains(&value))
            }
            Self::Named { most, names } => {
                names.iter().any(|(name, _)| name.eq_ignore_ascii_case(text)) || within(u64::from(most))
            }
        }
    }
}

impl std::fmt::Display for Datatype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::Uint8 => "a number from 0 to 255",
            Self::Uint16 => "a number from 0 to 65535",
            Self::Uint32 => "a number from 0 to 4294967295",
            Self::Mac => "a MAC address such as 52:54:00:12:34:56",
            Self::MacMask => "a mask such as ff:ff:ff:00:00:00",
            Self::Ipv4 => "an IPv4 address",
            Self::Ipv4Mask => "a mask such as 255.255.255.0, or 0 to 32",
            Self::Ipv6 => "an IPv6 address",
            Self::Ipv6Mask => "a mask such as ffff:ffff::, or 0 to 128",
            Self::Boolean => "true, yes, 1, false, no or 0",
            Self::Text => "a text of at most 256 characters",
            Self::SetName => "the name of a set: at most 31 letters, digits, '_', '.', ':', '-' and '+'",
            Self::SetFlags => "one to six of src and dst with commas",
            Self::States => "NEW, ESTABLISHED, RELATED, INVALID with commas, or NONE",
            Self::TcpFlags => "mask/flags of SYN, ACK, URG, PSH, FIN, RST with commas, NONE or ALL",
            Self::Ethertype { least, names } => {
                write!(f, "a number from {least:#x} to 0xffff")?;
                return names.iter().try_for_each(|(name, _)| write!(f, ", {name}"));
            }
            Self::Named { most, names } => {
                write!(f, "a number from 0 to {most}")?;
                return names.iter().try_for_each(|(name, _)| write!(f, ", {name}"));
            }
        };
        f.write_str(text)
    }
}

fn are_flags(text: &str) -> bool {
    matches!(text, "NONE" | "ALL")
        || text.split(',').all(|flag| matches!(flag, "SYN" | "ACK" | "URG" | "PSH" | "FIN" | "RST"))
}

fn is_mask(text: &str, six: bool) -> bool {
    let Ok(mask) = text.parse::<IpAddr>() else { return false };
    mask.is_ipv6() == six && super::super::network::IpNetwork::with_netmask(mask, mask).is_some()
}

macro_rules! attributes {
    ($($variant:ident = $word:literal,)+) => {
        /// An attribute of a protocol node.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Attribute {
            $(#[doc = concat!("`", $word, "`.")] #[serde(rename = $word)] $variant,)+
        }

        impl Attribute {
            /// Every attribute.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the document.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

attributes! {
    SrcMacAddr = "srcmacaddr",
    SrcMacMask = "srcmacmask",
    DstMacAddr = "dstmacaddr",
    DstMacMask = "dstmacmask",
    ProtocolId = "protocolid",
    VlanId = "vlanid",
    EncapProtocol = "encap-protocol",
    Type = "type",
    Flags = "flags",
    RootPriority = "root-priority",
    RootPriorityHi = "root-priority-hi",
    RootAddress = "root-address",
    RootAddressMask = "root-address-mask",
    RootCost = "root-cost",
    RootCostHi = "root-cost-hi",
    SenderPriority = "sender-priority",
    SenderPriorityHi = "sender-priority-hi",
    SenderAddress = "sender-address",
    SenderAddressMask = "sender-address-mask",
    StpPort = "port",
    StpPortHi = "port-hi",
    MsgAge = "msg-age",
    MsgAgeHi = "msg-age-hi",
    MaxAge = "max-age",
    MaxAgeHi = "max-age-hi",
    HelloTime = "hello-time",
    HelloTimeHi = "hello-time-hi",
    ForwardDelay = "forward-delay",
    ForwardDelayHi = "forward-delay-hi",
    HwType = "hwtype",
    ProtocolType = "protocoltype",
    Opcode = "opcode",
    ArpSrcMacAddr = "arpsrcmacaddr",
    ArpDstMacAddr = "arpdstmacaddr",
    ArpSrcIpAddr = "arpsrcipaddr",
    ArpSrcIpMask = "arpsrcipmask",
    ArpDstIpAddr = "arpdstipaddr",
    ArpDstIpMask = "arpdstipmask",
    Gratuitous = "gratuitous",
    SrcIpAddr = "srcipaddr",
    SrcIpMask = "srcipmask",
    DstIpAddr = "dstipaddr",
    DstIpMask = "dstipmask",
    SrcIpFrom = "srcipfrom",
    SrcIpTo = "srcipto",
    DstIpFrom = "dstipfrom",
    DstIpTo = "dstipto",
    IpProtocol = "protocol",
    SrcPortStart = "srcportstart",
    SrcPortEnd = "srcportend",
    DstPortStart = "dstportstart",
    DstPortEnd = "dstportend",
    Dscp = "dscp",
    TypeEnd = "typeend",
    Code = "code",
    CodeEnd = "codeend",
    State = "state",
    ConnlimitAbove = "connlimit-above",
    IpSet = "ipset",
    IpSetFlags = "ipsetflags",
    Comment = "comment",
}

#[cfg(test)]
mod tests {
    use super::Datatype;

    #[test]
    fn every_datatype_has_its_bounds() {
        let yes = [
            (Datatype::Uint8, "0xff"),
            (Datatype::Uint16, "65535"),
            (Datatype::Uint32, "4294967295"),
            (Datatype::Mac, "52:54:00:00:00:01"),
            (Datatype::Ipv4Mask, "255.255.0.0"),
            (Datatype::Ipv4Mask, "32"),
            (Datatype::Ipv6Mask, "128"),
            (Datatype::Ipv6Mask, "ffff::"),
            (Datatype::Boolean, "no"),
            (Datatype::States, "NEW,ESTABLISHED"),
            (Datatype::TcpFlags, "SYN,ACK/SYN"),
            (Datatype::TcpFlags, "ALL/NONE"),
            (Datatype::SetFlags, "src,dst,src"),
            (Datatype::SetName, "blocked-v4"),
        ];
        let no = [
            (Datatype::Uint8, "256"),
            (Datatype::Uint16, "-1"),
            (Datatype::Uint16, "+1"),
            (Datatype::Uint32, "4294967296"),
            (Datatype::Mac, "52:54:00:00:00"),
            (Datatype::Ipv4, "10.0.0.256"),
            (Datatype::Ipv4, "::1"),
            (Datatype::Ipv4Mask, "33"),
            (Datatype::Ipv4Mask, "255.0.255.0"),
            (Datatype::Ipv6Mask, "129"),
            (Datatype::Boolean, "maybe"),
            (Datatype::States, "NEW,NONE"),
            (Datatype::TcpFlags, "SYN"),
            (Datatype::SetFlags, "src,dst,src,dst,src,dst,src"),
            (Datatype::SetName, "a set; flush ruleset"),
        ];
        for (datatype, text) in yes {
            assert!(datatype.accepts(text), "{datatype:?} {text}");
        }
        for (datatype, text) in no {
            assert!(!datatype.accepts(text), "{datatype:?} {text}");
        }
        assert!(!Datatype::Text.accepts(&"x".repeat(257)));
    }
}
