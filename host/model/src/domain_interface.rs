//! Network interfaces of a domain as operators list and change them (guide 14.5.6 to 14.5.9, 14.5.14).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::MacAddress;
use crate::domain::Interface;
use crate::network::{Bandwidth, RateLimit};

/// One interface of a domain, running or defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DomainInterface {
    /// MAC address; none before one is allocated.
    pub mac: Option<String>,
    /// Name of the tap or macvtap on the host; none while the host has not chosen one, and for tunnels.
    pub target: Option<String>,
    /// `<alias>`; none while the domain is off.
    pub alias: Option<String>,
    /// `type`: `network`, `bridge`, `direct`, `ethernet`…
    pub kind: String,
    /// The network, bridge or device it is plugged into; of a tunnel its address.
    pub source: Option<String>,
    /// Port group of the network that the document names.
    pub portgroup: Option<String>,
    /// Model that the guest sees.
    pub model: Option<String>,
    /// The cable is plugged in.
    pub link_up: bool,
    /// Limits.
    pub bandwidth: Bandwidth,
    /// Packet filter.
    pub filter: Option<String>,
}

impl From<&Interface> for DomainInterface {
    fn from(interface: &Interface) -> Self {
        let sources = ["network", "bridge", "dev", "address"];
        let source = sources.into_iter().find_map(|name| interface.source_attribute(name));
        Self {
            mac: interface.mac.clone(),
            target: interface.target.clone(),
            alias: interface.common.alias.clone(),
            kind: interface.kind.clone(),
            source: source.map(str::to_owned),
            portgroup: interface.source_attribute("portgroup").map(str::to_owned),
            model: interface.model.clone(),
            link_up: interface.link_up.unwrap_or(true),
            bandwidth: interface.bandwidth,
            filter: interface.filterref.as_ref().map(|reference| reference.filter.clone()),
        }
    }
}

impl DomainInterface {
    /// True for what an operator may call it: its target, its MAC address in any letter case, its alias.
    pub fn is_named(&self, key: &str) -> bool {
        self.target.as_deref() == Some(key)
            || self.alias.as_deref() == Some(key)
            || self.mac.as_deref().is_some_and(|mac| mac.eq_ignore_ascii_case(key))
    }
}

/// An address of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InterfaceAddress {
    /// Name of the interface on the host.
    pub target: Option<String>,
    /// MAC address of the interface.
    pub mac: MacAddress,
    /// The address.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ip: IpAddr,
    /// Length of its prefix; all of the address where only the address was seen.
    pub prefix: u8,
    /// Name that the guest gave.
    pub hostname: Option<String>,
}

/// Where addresses of guests are known from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AddressSource {
    /// Leases of the DHCP server of the network.
    #[default]
    Lease,
    /// What the host saw of the guest: neighbours that its own stack talked to, and addresses that the guest's frames told, where they are
    /// looked at.
    Arp,
    /// The agent inside of the guest.
    Agent,
}

impl AddressSource {
    /// All words.
    pub const ALL: [Self; 3] = [Self::Lease, Self::Arp, Self::Agent];

    /// The word of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Arp => "arp",
            Self::Agent => "agent",
        }
    }
}

/// Which addresses are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct AddressOptions {
    /// Only of the interface with this target or MAC address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Where they are known from.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub source: AddressSource,
}

/// Body that plugs the cable of an interface in or pulls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetLink {
    /// True plugs it in.
    pub up: bool,
}

/// Body that limits an interface. A direction that is left out stays as it is; an average of 0 without a floor takes its limit away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SetBandwidth {
    /// Of what the guest receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound: Option<RateLimit>,
    /// Of what it sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<RateLimit>,
}

impl SetBandwidth {
    /// The limits afterwards.
    pub fn applied_to(&self, old: Bandwidth) -> Bandwidth {
        let one = |new: Option<RateLimit>, old: Option<RateLimit>| match new {
            None => old,
            Some(limit) => {
                let none = limit.average_kib == 0 && limit.floor_kib.unwrap_or(0) == 0;
                (!none).then_some(limit)
            }
        };
        Bandwidth { inbound: one(self.inbound, old.inbound), outbound: one(self.outbound, old.outbound) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(average_kib: u64) -> RateLimit {
        RateLimit { average_kib, ..RateLimit::default() }
    }

    #[test]
    fn a_limit_is_kept_replaced_or_taken_away() {
        let old = Bandwidth { inbound: Some(limit(100)), outbound: Some(limit(200)) };
        let change = SetBandwidth { inbound: Some(limit(0)), outbound: None };
        assert_eq!(change.applied_to(old), Bandwidth { inbound: None, outbound: Some(limit(200)) });
        let floor = RateLimit { floor_kib: Some(50), ..limit(0) };
        let change = SetBandwidth { inbound: Some(floor), outbound: Some(limit(7)) };
        assert_eq!(change.applied_to(old), Bandwidth { inbound: Some(floor), outbound: Some(limit(7)) });
    }
}
