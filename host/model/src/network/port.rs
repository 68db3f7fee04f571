//! What a network and an interface of a domain have in common: bandwidth, VLAN tags, virtual ports, port groups.

use serde::{Deserialize, Serialize};

use crate::domain::Extra;

/// `<bandwidth>` (guide 20.16.9.14). `inbound` is what the guest, or the network, receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bandwidth {
    /// `<inbound>`; none is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<RateLimit>,
    /// `<outbound>`; none is not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<RateLimit>,
}

/// A limit in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RateLimit {
    /// `average`: KiB per second; 0 only where `floor` is given.
    pub average_kib: u64,
    /// `peak`: KiB per second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_kib: Option<u64>,
    /// `burst`: KiB that may pass at peak speed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_kib: Option<u64>,
    /// `floor`: KiB per second that are guaranteed; inbound of an interface of a network with bandwidth only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor_kib: Option<u64>,
}

impl Bandwidth {
    /// True when nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.inbound.is_none() && self.outbound.is_none()
    }
}

/// `<vlan>` (guide 18.14).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vlan {
    /// `trunk='yes'`; more than one tag implies it.
    #[serde(default)]
    pub trunk: Option<bool>,
    /// `<tag>` in document order.
    pub tags: Vec<VlanTag>,
}

/// `<tag id='…' nativeMode='…'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanTag {
    /// 0 to 4095.
    pub id: u16,
    /// `nativeMode`: `tagged` or `untagged`.
    #[serde(default)]
    pub native_mode: Option<String>,
}

/// `<virtualport>` (guide 18.11, 20.16.9.6).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualPort {
    /// `type`: `802.1Qbg`, `802.1Qbh`, `openvswitch`…
    #[serde(default)]
    pub kind: Option<String>,
    /// `<parameters>`: all its attributes.
    #[serde(default)]
    pub parameters: Vec<(String, String)>,
}

/// `<portgroup>`: a class of guests of one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortGroup {
    /// Unique in the network.
    pub name: String,
    /// `default='yes'`: of guests that name none.
    #[serde(default)]
    pub default: bool,
    /// `<bandwidth>` of each guest.
    #[serde(default)]
    pub bandwidth: Bandwidth,
    /// `<vlan>`.
    #[serde(default)]
    pub vlan: Option<Vlan>,
    /// `<virtualport>`.
    #[serde(default)]
    pub virtualport: Option<VirtualPort>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
