//! Ports: the host's ends of domains' interfaces (guide 20.16.9).
//!
//! ```text
//!   plan ──> PlannedPort ──> make ──> driver opens `interface.target` ──> … ──> unplug
//!     (nothing on the host)    (tap or macvtap, bridge, limits)
//! ```
//!
//! A plan is whole: making it decides nothing more, so it is also the record that the caller keeps and hands back after a restart.

pub(crate) mod limits;

mod change;
mod device;
mod plan;
mod source;

use reeve_model::MacAddress;
use reeve_model::domain::Interface;
use reeve_model::filter::FilterReference;
use reeve_model::network::{Bandwidth, Port};
use reeve_sys::link::{LinkName, MacvtapMode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Host, NetworkError};

/// An interface of a domain that is to be plugged in.
#[derive(Debug, Clone, Copy)]
pub struct PortRequest<'a> {
    /// The domain.
    pub domain: Uuid,
    /// Its name.
    pub domain_name: &'a str,
    /// The interface as the effective document has it, with its MAC address.
    pub interface: &'a Interface,
}

/// A port as it was planned, and what is on the host once it was made. Keep it with the running domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPort {
    /// The domain.
    pub domain: Uuid,
    /// Its name.
    pub domain_name: String,
    /// MAC address of the guest's interface; names the port within the domain.
    pub mac: MacAddress,
    /// The tap or macvtap on the host; empty for tunnels, which have none.
    pub link: String,
    /// What it is and what it hangs on.
    pub medium: Medium,
    /// The network, where the interface is of type `network`.
    pub network: Option<Uuid>,
    /// Its name.
    pub network_name: Option<String>,
    /// The port group in force.
    pub portgroup: Option<String>,
    /// Limits in force.
    pub bandwidth: Bandwidth,
    /// Largest packet; none is the bridge's or lower device's.
    pub mtu: Option<u32>,
    /// It reaches the host, not other isolated ports.
    pub isolated: bool,
    /// The cable is plugged in.
    pub link_up: bool,
    /// The packet filter that belongs on it.
    pub filter: Option<FilterReference>,
    /// What the driver opens, as the live document shows it. For a tap `target` names it, and it is a port of its bridge already: open it by
    /// name ([`reeve_sys::tap::Tap::open`] without a bridge), or for [`Medium::Macvtap`] with `open_macvtap`.
    pub interface: Interface,
    /// What of the document has no effect, one sentence each.
    pub warnings: Vec<String>,
}

/// What a port is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "medium", rename_all = "kebab-case")]
pub enum Medium {
    /// A tap of ours that is a port of a bridge.
    Tap {
        /// The bridge.
        bridge: String,
    },
    /// A tap of ours that is a port of nothing (type `ethernet`).
    LooseTap,
    /// A tap that was there before and stays (type `ethernet`).
    ForeignTap,
    /// A macvtap of ours.
    Macvtap {
        /// The device it shares.
        lower: String,
        /// `bridge`, `private`, `vepa` or `passthrough`.
        mode: String,
    },
    /// Nothing on the host: the machine itself opens sockets (`mcast`, `server`, `client`, `udp`).
    Tunnel,
}

impl PlannedPort {
    /// The port as operators see it; addresses are the caller's to add.
    pub fn view(&self) -> Port {
        let source = match &self.medium {
            Medium::Tap { bridge } => Some(bridge.clone()),
            Medium::Macvtap { lower, .. } => Some(lower.clone()),
            Medium::LooseTap | Medium::ForeignTap | Medium::Tunnel => None,
        };
        Port {
            domain: self.domain,
            domain_name: self.domain_name.clone(),
            mac: self.mac,
            link: self.link.clone(),
            network: self.network_name.clone(),
            source,
            bandwidth: self.bandwidth,
            filter: self.filter.as_ref().map(|filter| filter.filter.clone()),
            addresses: Vec::new(),
        }
    }

    /// The host gave its link a name, and can give it another as long as it is not made.
    pub fn is_named_by_host(&self) -> bool {
        self.medium != Medium::ForeignTap && plan::is_reserved(&self.link)
    }

    /// True when it has a link that filters and limits can be put on.
    pub fn has_link(&self) -> bool {
        !self.link.is_empty()
    }

    pub(crate) fn link_name(&self) -> Result<LinkName, NetworkError> {
        Ok(LinkName::new(self.link.as_str())?)
    }

    /// The alias that tells a link of ours.
    pub(crate) fn alias(&self, host: &Host) -> String {
        let mut alias = format!("{} port {} {}", host.mark(), self.domain, self.domain_name);
        alias.truncate(alias.floor_char_boundary(255));
        alias
    }

    /// It is a port of this bridge from now on, where it is one at all.
    pub(crate) fn be_on(&mut self, new: &str) {
        if let Medium::Tap { bridge } = &mut self.medium {
            new.clone_into(bridge);
        }
    }

    /// How errors name it.
    pub(crate) fn subject(&self) -> String {
        subject(&self.domain_name, self.mac)
    }

    /// The bridge it is a port of.
    pub fn bridge(&self) -> Option<&str> {
        match &self.medium {
            Medium::Tap { bridge } => Some(bridge),
            _ => None,
        }
    }
}

/// The word of a mode in documents.
pub(crate) fn macvtap_mode(word: &str) -> Option<MacvtapMode> {
    Some(match word {
        "bridge" => MacvtapMode::Bridge,
        "private" => MacvtapMode::Private,
        "vepa" => MacvtapMode::Vepa,
        "passthrough" => MacvtapMode::Passthrough,
        _ => return None,
    })
}

pub(crate) fn subject(domain: &str, mac: MacAddress) -> String {
    format!("interface {mac} of domain '{domain}'")
}
