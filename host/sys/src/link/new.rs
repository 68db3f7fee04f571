//! Links to be made.

use super::{LinkName, Mac};

/// A link that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewLink {
    /// A switch inside of the host.
    Bridge(Bridge),
    /// A tap that stays until it is deleted.
    Tap(PersistentTap),
    /// A port of another link that is read like a tap, see [`crate::tap::Tap::open_macvtap`].
    Macvtap(Macvtap),
    /// A cable with two ends, one of this name and one of the peer's.
    Veth {
        /// Name of the other end.
        peer: LinkName,
    },
    /// A link that goes nowhere; not every kernel has it.
    Dummy,
    /// A link that gets what others redirect to it, to be shaped.
    Ifb,
}

/// A bridge. None leaves the kernel's default; a bridge that was read has everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bridge {
    /// Its own address; a bridge without one takes the lowest of its ports, and changes it with them.
    pub mac: Option<Mac>,
    /// Whether it speaks the spanning tree protocol.
    pub stp: Option<bool>,
    /// How long a new port listens before it forwards, in milliseconds, rounded down to 10. With spanning tree the kernel takes no less
    /// than 2000.
    pub forward_delay_ms: Option<u32>,
    /// How long a learned address is kept, in seconds; 0 for none.
    pub ageing_s: Option<u32>,
    /// Whether its IPv4 frames also go through the host's IP filters.
    pub nf_call_iptables: Option<bool>,
    /// Whether its IPv6 frames also go through the host's IP filters.
    pub nf_call_ip6tables: Option<bool>,
    /// Whether it knows VLANs; refused by kernels without.
    pub vlan_filtering: Option<bool>,
}

/// A persistent tap with virtio network headers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersistentTap {
    /// Its address; none is a random one.
    pub mac: Option<Mac>,
    /// Whether it can be opened several times, once a queue.
    pub multi_queue: bool,
    /// The user who may open it without privilege.
    pub owner: Option<u32>,
}

/// A macvtap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Macvtap {
    /// The link it shares.
    pub lower: LinkName,
    /// Who of those that share may talk to each other.
    pub mode: MacvtapMode,
    /// Its address; none is a random one. With `passthrough` none is the lower link's, which has any other one too as long as this lives.
    pub mac: Option<Mac>,
}

/// How the macvtaps of a link share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvtapMode {
    /// They talk to each other inside of the host.
    Bridge,
    /// They never do.
    Private,
    /// They do by a switch outside that sends frames back.
    Vepa,
    /// There is only one, and it has the link for itself.
    Passthrough,
}
