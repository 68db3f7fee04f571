//! Network interfaces.

use serde::{Deserialize, Serialize};

use super::{FdIndex, default_true};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetConfig {
    /// Where its frames come from and go to.
    pub backend: NetBackend,
    /// Address of the guest's interface.
    pub mac: [u8; 6],
    /// Largest packet, 68 to 65535.
    #[serde(default = "default_mtu")]
    pub mtu: u16,
    /// Whether the guest sees a carrier.
    #[serde(default = "default_true")]
    pub link_up: bool,
    /// What the two sides may leave to each other, where the host's side can.
    #[serde(default, skip_serializing_if = "Offloads::is_all")]
    pub offloads: Offloads,
}

/// Work that one side of a network interface may leave to the other. What depends on something that is off is off too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offloads {
    /// What the guest may leave to the host.
    pub host: Segmentation,
    /// What the host may leave to the guest.
    pub guest: Segmentation,
    /// A long frame may come to the guest in several buffers.
    pub merge: bool,
}

/// What one side may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segmentation {
    /// Frames without their checksum; all others need it.
    pub csum: bool,
    /// TCP over IPv4 in pieces of up to 64 KiB.
    pub tso4: bool,
    /// TCP over IPv6.
    pub tso6: bool,
    /// TCP with congestion notices (ECN).
    pub ecn: bool,
    /// UDP in fragments, and in datagrams of one size.
    pub ufo: bool,
}

impl Segmentation {
    /// Everything.
    pub const ALL: Self = Self { csum: true, tso4: true, tso6: true, ecn: true, ufo: true };
    /// Nothing.
    pub const NONE: Self = Self { csum: false, tso4: false, tso6: false, ecn: false, ufo: false };
}

impl Offloads {
    /// Everything.
    pub const ALL: Self = Self { host: Segmentation::ALL, guest: Segmentation::ALL, merge: true };

    /// Whether it is everything, which a worker of another version need not be told.
    fn is_all(&self) -> bool {
        *self == Self::ALL
    }
}

impl Default for Offloads {
    fn default() -> Self {
        Self::ALL
    }
}

impl NetConfig {
    /// Most pairs of queues.
    pub const MAX_PAIRS: usize = 32;

    /// Why it can't be.
    pub(super) fn fault(&self) -> Option<String> {
        let pairs = match &self.backend {
            NetBackend::Tap { more, .. } => 1 + more.len(),
            _ => 1,
        };
        if self.mac[0] & 1 != 0 {
            return Some("a multicast MAC address can't be an interface's own".to_owned());
        }
        if self.mtu < 68 {
            return Some(format!("MTU {} is below 68", self.mtu));
        }
        let most = Self::MAX_PAIRS;
        (pairs > most).then(|| format!("{pairs} pairs of queues: an interface has {most} at most"))
    }
}

/// The host's side of a network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum NetBackend {
    /// A tap or macvtap.
    Tap {
        /// Opened with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR.
        fd: FdIndex,
        /// The same tap opened once more for each further pair of queues, with IFF_MULTI_QUEUE all of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        more: Vec<FdIndex>,
    },
    /// A UDP multicast group; one frame a datagram.
    Multicast {
        /// A socket that is bound to the group and has joined it.
        receive: FdIndex,
        /// A socket that is connected to the group.
        send: FdIndex,
    },
    /// The client's end of a TCP tunnel; each frame behind its length, 32 bits, big-endian.
    Client {
        /// A connected socket.
        fd: FdIndex,
    },
    /// The server's end of TCP tunnels: the guest and all clients are one network.
    Server {
        /// A listening socket.
        fd: FdIndex,
    },
}

fn default_mtu() -> u16 {
    1500
}
