//! Virtual networks as their documents describe them (guide ch. 18, 14.14, 14.22).

mod address;
mod check;
mod check_services;
mod port;
mod runtime;
mod section;
mod services;
mod update;

pub use address::*;
pub use check::NetworkViolation;
pub(crate) use check::{check_bandwidth, check_vlan, is_link_name};
pub use port::*;
pub use runtime::*;
pub use section::{Section, UpdateError};
pub use services::*;
pub use update::*;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::MacAddress;
use crate::domain::Extra;

/// A whole network document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// Unique name.
    pub name: String,
    /// Identity; made when the document has none.
    pub uuid: Uuid,
    /// `<metadata>` of applications, as XML text of the whole element.
    #[serde(default)]
    pub metadata: Option<String>,
    /// `ipv6='yes'`: guests may talk IPv6 among themselves though the network has no IPv6 address.
    #[serde(default)]
    pub guest_ipv6: bool,
    /// `<forward>`; none is an isolated network.
    #[serde(default)]
    pub forward: Option<Forward>,
    /// `<bridge>`; what it leaves out is chosen when the network is defined.
    #[serde(default)]
    pub bridge: Bridge,
    /// `<mac address='…'/>` of the bridge; chosen when the network is defined.
    #[serde(default)]
    pub mac: Option<MacAddress>,
    /// `<mtu size='…'/>` of the bridge and of what is plugged into it, 68 to 65535.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// `<domain>`: DNS domain of the guests.
    #[serde(default)]
    pub domain: Option<DnsDomain>,
    /// `<dns>`.
    #[serde(default)]
    pub dns: Dns,
    /// `<bandwidth>` of the whole network.
    #[serde(default)]
    pub bandwidth: Bandwidth,
    /// `<vlan>` of guests that name none.
    #[serde(default)]
    pub vlan: Option<Vlan>,
    /// `<virtualport>` of guests that name none.
    #[serde(default)]
    pub virtualport: Option<VirtualPort>,
    /// `<port isolated='yes'/>`: guests reach the host, not each other.
    #[serde(default)]
    pub port_isolated: bool,
    /// `<portgroup>` in document order.
    #[serde(default)]
    pub portgroups: Vec<PortGroup>,
    /// `<ip>` in document order.
    #[serde(default)]
    pub ips: Vec<IpConfig>,
    /// `<route>` in document order.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// How a network reaches what is outside of it: the `mode` of `<forward>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ForwardMode {
    /// Through the host with masquerading (guide 18.3).
    Nat,
    /// Through the host, addresses as they are (guide 18.4).
    Route,
    /// As `route`, without any rule of the host's packet filter.
    Open,
    /// Guests are ports of a bridge of the host, or of a macvtap in bridge mode.
    Bridge,
    /// macvtap, private.
    Private,
    /// macvtap, VEPA.
    Vepa,
    /// macvtap, one guest an interface.
    Passthrough,
    /// PCI functions of a pool.
    Hostdev,
}

impl ForwardMode {
    /// Every mode with its word.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Nat, "nat"),
        (Self::Route, "route"),
        (Self::Open, "open"),
        (Self::Bridge, "bridge"),
        (Self::Private, "private"),
        (Self::Vepa, "vepa"),
        (Self::Passthrough, "passthrough"),
        (Self::Hostdev, "hostdev"),
    ];

    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(mode, _)| *mode == self).map_or("nat", |(_, word)| word)
    }

    /// The mode that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(mode, _)| *mode)
    }

    /// True where the host makes the bridge and gives it addresses.
    pub fn has_own_bridge(self) -> bool {
        matches!(self, Self::Nat | Self::Route | Self::Open)
    }
}

/// `<forward>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// `mode`; `nat` when it is not written.
    pub mode: ForwardMode,
    /// `dev`: the one host interface that traffic may leave by.
    #[serde(default)]
    pub dev: Option<String>,
    /// `managed='yes'` of a hostdev pool.
    #[serde(default)]
    pub managed: Option<bool>,
    /// `<nat>`.
    #[serde(default)]
    pub nat: Option<Nat>,
    /// `<interface dev='…'/>`: a pool of host interfaces.
    #[serde(default)]
    pub interfaces: Vec<String>,
    /// `<pf dev='…'/>`: a physical function whose virtual functions are the pool.
    #[serde(default)]
    pub pf: Option<String>,
    /// Everything else (`<address>` of a hostdev pool, `<driver>`).
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<nat>`: what guests' addresses become.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nat {
    /// `ipv6='yes'`: IPv6 is masqueraded too.
    #[serde(default)]
    pub ipv6: bool,
    /// `<address start='…' end='…'/>`; none takes the address of the outgoing interface.
    #[serde(default)]
    pub addresses: Option<AddressRange>,
    /// `<port start='…' end='…'/>`; none takes 1024 to 65535.
    #[serde(default)]
    pub ports: Option<PortRange>,
}

/// `<bridge>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// `name`, at most 15 bytes; chosen as `virbrN` when the network is defined.
    #[serde(default)]
    pub name: Option<String>,
    /// `stp`; on when it is not written.
    #[serde(default)]
    pub stp: Option<bool>,
    /// `delay` in seconds; 0 when it is not written.
    #[serde(default)]
    pub delay_s: Option<u32>,
    /// Other attributes (`macTableManager`, `zone`).
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
