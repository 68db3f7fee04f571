//! What a filter policy proposes: typed rules for one interface. The host turns them into its kernel's language after it has
//! checked every part; no text of a policy ever reaches a program.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::MacAddress;
use crate::network::{AddressRange, IpNetwork};

/// The rules of one interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Chains; names are the policy's own and unique in the ruleset.
    pub chains: Vec<Chain>,
    /// Sets that matches name.
    pub sets: Vec<Set>,
    /// Verdict maps that rules name.
    pub maps: Vec<VerdictMap>,
}

/// When packets are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Frame by frame, first.
    Link,
    /// After it, with the state of the packet's connection; IPv4 and IPv6 outside of VLANs come here, nothing else does. A packet passes
    /// when both layers let it.
    Connection,
}

/// The way of the packets that enter a chain, seen from the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// To the guest.
    In,
    /// From the guest.
    Out,
}

/// A list of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Unique in the ruleset: 1 to 64 of letters, digits, `-` and `_`.
    pub name: String,
    /// When its packets are looked at; a jump stays in its layer.
    pub layer: Layer,
    /// Which packets begin here; none is reached by jumps alone. One chain a layer and flow at most.
    pub entry: Option<Flow>,
    /// Rules in order. A packet that leaves the end returns to the caller; from an entry it passes.
    pub rules: Vec<Rule>,
}

/// Conditions, all of which must hold, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Conditions.
    pub matches: Vec<Match>,
    /// What follows.
    pub verdict: Verdict,
    /// Free text for people, at most 128 characters of it are kept.
    pub comment: Option<String>,
}

/// What follows when a rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The layer lets it pass.
    Accept,
    /// It is thrown away.
    Drop,
    /// It is thrown away and the sender is told where the kernel can do that; else as `Drop`.
    Reject,
    /// Back to the calling chain; from an entry the layer lets it pass.
    Return,
    /// On to the next rule.
    Continue,
    /// On to a chain of the same layer, and back after its end.
    Jump(String),
    /// What a map says of this field of the packet; the next rule where it says nothing.
    Map {
        /// Field that is looked up.
        field: Field,
        /// Name of the map.
        map: String,
    },
}

/// A field of a packet. A match of a field that a packet has not does not hold, negated or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// Source of the frame. MAC.
    EtherSource,
    /// Destination of the frame. MAC.
    EtherDestination,
    /// Protocol of the frame; of a tagged frame 0x8100. 16 bits.
    EtherType,
    /// VLAN id of a tagged frame. 12 bits.
    VlanId,
    /// Protocol inside of a tagged frame. 16 bits.
    VlanType,
    /// ARP hardware type. 16 bits.
    ArpHardwareType,
    /// ARP protocol type. 16 bits.
    ArpProtocolType,
    /// ARP and RARP operation. 16 bits.
    ArpOperation,
    /// Hardware address of the sender in ARP. MAC.
    ArpSourceMac,
    /// Hardware address of the target in ARP. MAC.
    ArpTargetMac,
    /// Address of the sender in ARP. IPv4.
    ArpSourceIp,
    /// Address of the target in ARP. IPv4.
    ArpTargetIp,
    /// True where sender and target address of ARP are one. Number 0 or 1.
    ArpGratuitous,
    /// IPv4 source.
    IpSource,
    /// IPv4 destination.
    IpDestination,
    /// IPv4 protocol. 8 bits.
    IpProtocol,
    /// IPv4 DSCP. 6 bits.
    IpDscp,
    /// IPv6 source.
    Ip6Source,
    /// IPv6 destination.
    Ip6Destination,
    /// Last header of IPv6. 8 bits.
    Ip6Protocol,
    /// IPv6 DSCP. 6 bits.
    Ip6Dscp,
    /// Source port of TCP, UDP, UDPLITE or SCTP. 16 bits; needs a match of the protocol in the same rule.
    SourcePort,
    /// Destination port, as above.
    DestinationPort,
    /// TCP flags. 8 bits, masked.
    TcpFlags,
    /// ICMP type. 8 bits.
    IcmpType,
    /// ICMP code. 8 bits.
    IcmpCode,
    /// ICMPv6 type. 8 bits.
    Icmp6Type,
    /// ICMPv6 code. 8 bits.
    Icmp6Code,
    /// BPDU type. 8 bits.
    StpType,
    /// BPDU flags. 8 bits.
    StpFlags,
    /// Priority of the root bridge. 16 bits.
    StpRootPriority,
    /// Address of the root bridge. MAC.
    StpRootAddress,
    /// Cost of the path to the root. 32 bits.
    StpRootCost,
    /// Priority of the sending bridge. 16 bits.
    StpSenderPriority,
    /// Address of the sending bridge. MAC.
    StpSenderAddress,
    /// Port id. 16 bits.
    StpPort,
    /// Age of the message. 16 bits.
    StpMessageAge,
    /// Maximum age. 16 bits.
    StpMaxAge,
    /// Hello time. 16 bits.
    StpHelloTime,
    /// Forward delay. 16 bits.
    StpForwardDelay,
    /// State of the connection; layer connection only. States.
    State,
    /// Connections that match the rest of the rule, this one included; layer connection only, and last in its rule. Number, holds for
    /// packets of a new connection when there are more.
    ConnectionsAbove,
    /// Membership in a set of the host, which its administrator made with nft in table `bridge reeve`. A host set.
    HostSet,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operand {
    /// One number.
    Number(u64),
    /// From and to, both included.
    Range(u64, u64),
    /// `field & mask == value`.
    Masked {
        /// Value of the bits under the mask.
        value: u64,
        /// Mask.
        mask: u64,
    },
    /// One hardware address.
    Mac(MacAddress),
    /// The bits of a hardware address under a mask.
    MacMasked {
        /// Value of the bits under the mask.
        value: MacAddress,
        /// Mask.
        mask: MacAddress,
    },
    /// One address.
    Address(IpAddr),
    /// All addresses of a network.
    Network(IpNetwork),
    /// From and to, both included.
    Addresses(AddressRange),
    /// Any element of a set of the ruleset.
    Set(String),
    /// Any of these states of a connection.
    States(Vec<ConnectionState>),
    /// A set of the host by name, with the fields of the packet that are looked up, `true` for the source.
    HostSet {
        /// Its name.
        name: String,
        /// One to six.
        sources: Vec<bool>,
    },
}

/// The state of a packet's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionState {
    /// Its first packet.
    New,
    /// Packets went both ways.
    Established,
    /// New, but expected by another.
    Related,
    /// No connection can be told.
    Invalid,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// Field of the packet.
    pub field: Field,
    /// The condition holds where the field does not match.
    pub negated: bool,
    /// What it is compared with.
    pub operand: Operand,
}

/// Elements of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Unique in the ruleset, named as chains are.
    pub name: String,
    /// Elements: numbers, hardware addresses, IPv4 addresses and networks, or IPv6 ones; all of one type.
    pub elements: Vec<Operand>,
}

/// Verdicts by element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictMap {
    /// Unique in the ruleset, named as chains are.
    pub name: String,
    /// Elements, all of one type, and the verdict of each; a verdict that is a map is refused.
    pub entries: Vec<(Operand, Verdict)>,
}
