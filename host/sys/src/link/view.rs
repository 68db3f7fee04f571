//! Links as they are.

use super::{Address, Bridge, LinkName, Mac, MacvtapMode};

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: LinkName,
    /// Its number, which no other link of the namespace gets while it lives.
    pub index: u32,
    /// The kernel's word, e.g. "bridge", "tun" for taps, "macvtap", "veth"; none for hardware and loopback.
    pub kind: Option<String>,
    /// Its address; none for links that have none of Ethernet.
    pub mac: Option<Mac>,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// Whether it is set up.
    pub up: bool,
    /// Whether something is at its other end.
    pub carrier: bool,
    /// What becomes of packets.
    pub state: OperState,
    /// The bridge it is a port of.
    pub master: Option<LinkName>,
    /// What a macvtap shares; the other end of a veth pair when it is in this namespace.
    pub lower: Option<LinkName>,
    /// Text for people; empty for none.
    pub alias: String,
    /// How many packets wait to be sent.
    pub queue_length: u32,
    /// Its addresses.
    pub addresses: Vec<Address>,
    /// Set for bridges.
    pub bridge: Option<Bridge>,
    /// Set for ports of bridges.
    pub port: Option<Port>,
    /// Set for macvtaps.
    pub macvtap: Option<MacvtapMode>,
}

/// How a link is a port of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    /// Whether it can't talk to other isolated ports.
    pub isolated: bool,
    /// Whether frames may go back where they came from.
    pub hairpin: bool,
    /// Whether the bridge learns addresses from it.
    pub learning: bool,
    /// Whether it gets frames for addresses the bridge does not know.
    pub unicast_flood: bool,
    /// Its cost in the spanning tree.
    pub cost: u32,
}

/// Operational state of RFC 2863.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperState {
    /// The link does not say, as loopback.
    Unknown,
    /// A part of it is missing.
    NotPresent,
    /// No packets pass.
    Down,
    /// The link below does not let packets pass.
    LowerLayerDown,
    /// It is being tested.
    Testing,
    /// It waits for something outside.
    Dormant,
    /// Packets pass.
    Up,
}

/// What went through a link; received is what came into the host by it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Errors while receiving.
    pub rx_errors: u64,
    /// Packets received and dropped.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Errors while sending.
    pub tx_errors: u64,
    /// Packets not sent but dropped.
    pub tx_dropped: u64,
}
