//! Networks as operators see them: lists, leases, what is plugged in.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Bandwidth;
use crate::MacAddress;

/// One row of a network list, and what `network info` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NetworkSummary {
    /// Identity.
    pub uuid: Uuid,
    /// Unique name.
    pub name: String,
    /// True while it runs.
    pub active: bool,
    /// True when a definition is kept after it stops.
    pub persistent: bool,
    /// True when the daemon starts it by itself.
    pub autostart: bool,
    /// `nat`, `route`, `open`, `isolated`, `bridge`, `private`, `vepa`, `passthrough` or `hostdev`.
    pub mode: String,
    /// Name of its bridge, where it has one.
    pub bridge: Option<String>,
    /// Addresses of the host in it, with the prefix.
    pub addresses: Vec<String>,
    /// Interfaces of running domains that are plugged into it.
    pub connections: u32,
}

/// A network that was taken in or changed, and what of its document has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefinedNetwork {
    /// The network.
    pub network: NetworkSummary,
    /// A sentence each.
    pub warnings: Vec<String>,
}

/// Which networks are listed; an empty filter lists all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct NetworkFilter {
    /// Only active ones, or only inactive ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Only those with a definition, or only those without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// Only those that the daemon starts by itself, or only the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostart: Option<bool>,
}

impl NetworkFilter {
    /// True for a network that is listed.
    pub fn matches(&self, row: &NetworkSummary) -> bool {
        self.active.is_none_or(|active| active == row.active)
            && self.persistent.is_none_or(|persistent| persistent == row.persistent)
            && self.autostart.is_none_or(|autostart| autostart == row.autostart)
    }
}

/// How a network document is taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TakeNetwork {
    /// Refuse a document with anything in it that would be ignored, instead of warning about it.
    #[serde(default)]
    pub strict: bool,
    /// Start it at once and keep no definition: the network is gone when it stops.
    #[serde(default)]
    pub transient: bool,
}

/// An address that the network's DHCP server gave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lease {
    /// Until when; none is for ever.
    #[serde(with = "time::serde::rfc3339::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires: Option<OffsetDateTime>,
    /// The guest's hardware address; none where an IPv6 client did not show it.
    pub mac: Option<MacAddress>,
    /// The address.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ip: IpAddr,
    /// Prefix of its network.
    pub prefix: u8,
    /// Name that the guest gave.
    pub hostname: Option<String>,
    /// Client id or DUID.
    pub client_id: Option<String>,
    /// Interface of the network it came by.
    pub bridge: String,
}

/// An interface of a running domain on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Port {
    /// The domain.
    pub domain: Uuid,
    /// Its name.
    pub domain_name: String,
    /// MAC address of the guest's interface; names the port within the domain.
    pub mac: MacAddress,
    /// Name of the tap or macvtap on the host.
    pub link: String,
    /// The network it is plugged into; none for a bridge or device of the host.
    pub network: Option<String>,
    /// Bridge or lower device.
    pub source: Option<String>,
    /// Limits in force.
    pub bandwidth: Bandwidth,
    /// Filter in force.
    pub filter: Option<String>,
    /// Addresses of the guest that the host knows: from the document or learned.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub addresses: Vec<IpAddr>,
}

/// What passed a port since it was plugged, seen from the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortCounters {
    /// Bytes to the guest.
    pub received_bytes: u64,
    /// Packets to the guest.
    pub received_packets: u64,
    /// Packets to the guest that were dropped.
    pub received_dropped: u64,
    /// Bytes from the guest.
    pub sent_bytes: u64,
    /// Packets from the guest.
    pub sent_packets: u64,
    /// Packets from the guest that were dropped.
    pub sent_dropped: u64,
}

/// What can happen to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NetworkChange {
    /// A definition was added or replaced.
    Defined,
    /// The definition was removed.
    Undefined,
    /// It runs.
    Started,
    /// It was stopped.
    Stopped,
    /// A section was changed, or autostart.
    Updated,
    /// An interface of a domain was plugged in.
    PortPlugged,
    /// An interface of a domain was unplugged.
    PortUnplugged,
    /// A guest got an address or renewed it.
    LeaseAcquired,
    /// A lease ended.
    LeaseExpired,
    /// Its dnsmasq ended and was started again.
    ServiceRestarted,
}
