//! Network interfaces of the host as their documents describe them (guide 14.15.1).

mod check;
mod runtime;

pub use check::HostInterfaceViolation;
pub use runtime::*;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::MacAddress;
use crate::domain::Extra;
use crate::network::IpNetwork;

/// A whole interface document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInterfaceConfig {
    /// Name of the link, at most 15 bytes.
    pub name: String,
    /// What it is, with its parts.
    pub kind: HostInterfaceKind,
    /// `<start mode='…'/>`: `onboot`, `none` or `hotplug`.
    #[serde(default)]
    pub start_mode: Option<String>,
    /// `<mac address='…'/>`.
    #[serde(default)]
    pub mac: Option<MacAddress>,
    /// `<mtu size='…'/>`.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// `<protocol family='…'>` in document order.
    #[serde(default)]
    pub protocols: Vec<HostProtocol>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<interface type='…'>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum HostInterfaceKind {
    /// A link that is there: hardware, or made by somebody else.
    Ethernet,
    /// A bridge.
    Bridge {
        /// `stp`; on when it is not written.
        #[serde(default)]
        stp: Option<bool>,
        /// `delay` in seconds, text as libvirt writes it (`0.01`); 0 when it is not written.
        #[serde(default)]
        delay: Option<String>,
        /// Its ports, each a whole interface.
        ports: Vec<HostInterfaceConfig>,
    },
    /// A bond.
    Bond {
        /// `mode`, e.g. `active-backup`.
        #[serde(default)]
        mode: Option<String>,
        /// Its members.
        members: Vec<HostInterfaceConfig>,
    },
    /// A VLAN of another interface.
    Vlan {
        /// Tag, 1 to 4094.
        tag: u16,
        /// Name of the lower interface.
        lower: String,
    },
}

/// `<protocol family='ipv4|ipv6'>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostProtocol {
    /// True for `ipv6`.
    pub six: bool,
    /// `<autoconf/>`.
    #[serde(default)]
    pub autoconf: bool,
    /// `<dhcp/>`, with its `peerdns`.
    #[serde(default)]
    pub dhcp: Option<HostDhcp>,
    /// `<ip address='…' prefix='…'/>`.
    #[serde(default)]
    pub addresses: Vec<IpNetwork>,
    /// `<route gateway='…'/>`.
    #[serde(default)]
    pub gateways: Vec<IpAddr>,
}

/// `<dhcp/>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDhcp {
    /// `peerdns='yes|no'`.
    #[serde(default)]
    pub peer_dns: Option<bool>,
}
