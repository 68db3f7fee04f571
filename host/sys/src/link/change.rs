//! Changes of links.

use super::{Bridge, LinkName, Mac};

/// One thing to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Sets it up.
    Up,
    /// Sets it down; IPv6 addresses and routes through it go.
    Down,
    /// Another name; some kernels want the link down for that.
    Name(LinkName),
    /// Largest packet in bytes.
    Mtu(u32),
    /// Another address.
    Mac(Mac),
    /// Makes it a port of a bridge, or of nothing.
    Master(Option<LinkName>),
    /// A text for people, at most 255 bytes; the empty one removes it.
    Alias(String),
    /// How many packets wait to be sent.
    QueueLength(u32),
    /// How it is a port of its bridge.
    Port(PortOptions),
    /// How it is a bridge; the MAC address and what is none are left as they are.
    Bridge(Bridge),
}

impl Change {
    /// What is done, as errors say it: "can't be …".
    pub(super) fn step(&self) -> String {
        match self {
            Self::Up => "set up".to_owned(),
            Self::Down => "set down".to_owned(),
            Self::Name(name) => format!("renamed to '{name}'"),
            Self::Mtu(mtu) => format!("given an MTU of {mtu}"),
            Self::Mac(mac) => format!("given MAC address {mac}"),
            Self::Master(Some(bridge)) => format!("made a port of '{bridge}'"),
            Self::Master(None) => "taken from its bridge".to_owned(),
            Self::Alias(_) => "given an alias".to_owned(),
            Self::QueueLength(length) => format!("given a queue of {length}"),
            Self::Port(_) => "changed as a port".to_owned(),
            Self::Bridge(_) => "changed as a bridge".to_owned(),
        }
    }
}

/// Options of a bridge's port; none leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortOptions {
    /// Whether it can't talk to other isolated ports.
    pub isolated: Option<bool>,
    /// Whether frames may go back where they came from.
    pub hairpin: Option<bool>,
    /// Whether the bridge learns addresses from it.
    pub learning: Option<bool>,
    /// Whether it gets frames for addresses the bridge does not know.
    pub unicast_flood: Option<bool>,
    /// Its cost in the spanning tree.
    pub cost: Option<u32>,
}

impl PortOptions {
    /// A port of a bridge whose MAC table the host manages: nothing is learned or flooded, see [`super::Links::add_forward`].
    pub const MANAGED: Self =
        Self { isolated: None, hairpin: None, learning: Some(false), unicast_flood: Some(false), cost: None };
}
