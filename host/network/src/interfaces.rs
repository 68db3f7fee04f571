//! The host's own interfaces (guide 14.15.1): what there is, what a document makes of it, and the way back.
//!
//! ```text
//!   begin: snapshot ──> start, destroy, bridge, unbridge … ──> commit: the caller forgets the snapshot
//!                                                         └──> rollback: links, masters, addresses, routes, MTUs as they were
//! ```
//!
//! Each single change is whole by the same means: one that fails goes back to the snapshot it began with. Links of guests and bridges of
//! networks are no interfaces of the host here.

use std::sync::Arc;

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceKind, HostInterfaceSummary};
use reeve_sys::link::{Link, LinkName};

use crate::{Host, NetworkError};

mod apply;
mod bridging;
mod dhcp;
mod read;
mod snapshot;

pub use snapshot::HostSnapshot;

/// How `iface-bridge` makes its bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgeOptions {
    /// Whether it speaks the spanning tree protocol.
    pub stp: bool,
    /// How long a new port waits before it forwards, in seconds.
    pub delay_s: u32,
}

impl Default for BridgeOptions {
    /// Spanning tree, no delay (guide 14.15.1).
    fn default() -> Self {
        Self { stp: true, delay_s: 0 }
    }
}

/// The interfaces of the host. Documents of interfaces that are defined are the caller's to keep.
pub struct HostInterfaces {
    host: Arc<Host>,
}

impl HostInterfaces {
    /// Those of a host.
    pub fn new(host: Arc<Host>) -> Self {
        Self { host }
    }

    /// The interfaces there are and those that are only `defined`, by name; ports of guests and bridges of networks are not among them.
    pub fn list(&self, defined: &[HostInterfaceConfig]) -> Result<Vec<HostInterfaceSummary>, NetworkError> {
        let links = self.links()?;
        let is_defined = |name: &str| defined.iter().any(|config| config.name == name);
        let there = links.iter().map(|link| HostInterfaceSummary {
            name: link.name.to_string(),
            active: link.up,
            mac: link.mac,
            defined: is_defined(link.name.as_str()),
            kind: read::kind(link).to_owned(),
        });
        let absent =
            defined.iter().filter(|config| !links.iter().any(|link| link.name.as_str() == config.name));
        let absent = absent.map(|config| HostInterfaceSummary {
            name: config.name.clone(),
            active: false,
            mac: config.mac,
            defined: true,
            kind: kind_of(&config.kind).to_owned(),
        });
        let mut all: Vec<HostInterfaceSummary> = there.chain(absent).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// An interface as it is now.
    pub fn current(&self, name: &str) -> Result<HostInterfaceConfig, NetworkError> {
        let links = self.links()?;
        let link = links.iter().find(|link| link.name.as_str() == name).ok_or_else(|| missing(name))?;
        Ok(read::config(link, &links, &self.host.links.routes()?))
    }

    /// The document of what a bridge leaves when it is taken apart: its one port with the addresses and the start mode of the bridge.
    pub fn released(&self, bridge: HostInterfaceConfig) -> Result<HostInterfaceConfig, NetworkError> {
        let subject = subject(&bridge.name);
        bridging::released(bridge).ok_or_else(|| {
            let reason = "a bridge with exactly one port can be taken apart".to_owned();
            NetworkError::Conflict { subject, reason }
        })
    }

    /// Whether an interface is what its document says: there, up, with these ports and addresses, its DHCP client running. What it has beyond that does not
    /// matter.
    pub fn is_up(&self, config: &HostInterfaceConfig) -> Result<bool, NetworkError> {
        let links = self.links()?;
        let Some(link) = links.iter().find(|link| link.name.as_str() == config.name) else {
            return Ok(false);
        };
        let has_port = |port: &HostInterfaceConfig| {
            links
                .iter()
                .any(|other| other.name.as_str() == port.name && other.master.as_ref() == Some(&link.name))
        };
        let ports = match &config.kind {
            HostInterfaceKind::Bridge { ports, .. } => ports.iter().all(has_port),
            _ => true,
        };
        let mut wanted = config.protocols.iter().flat_map(|protocol| &protocol.addresses);
        let addresses = wanted
            .all(|net| link.addresses.iter().any(|has| (has.ip, has.prefix) == (net.address, net.prefix)));
        let asks = config.protocols.iter().any(|protocol| protocol.dhcp.is_some());
        let client = !asks || dhcp::client(&self.host, &link.name)?.is_some();
        Ok(link.up && ports && addresses && client)
    }

    /// Refuses a link that carries what would be cut off and could not be put back: guests, and links that are made on top of it.
    fn refuse_laden(&self, link: &Link) -> Result<(), NetworkError> {
        let own = self.links()?;
        let all = self.host.links.list()?;
        let is_guest = |other: &Link| {
            other.master.as_ref() == Some(&link.name) && !own.iter().any(|own| own.name == other.name)
        };
        // The other end of a veth pair is shown as if it were below.
        let is_above =
            |other: &Link| other.lower.as_ref() == Some(&link.name) && other.kind.as_deref() != Some("veth");
        match all.iter().find(|other| is_guest(other) || is_above(other)) {
            None => Ok(()),
            Some(other) => Err(NetworkError::Conflict {
                subject: subject(link.name.as_str()),
                reason: format!(
                    "'{0}' is attached to it and would be cut off; detach '{0}' first",
                    other.name
                ),
            }),
        }
    }

    /// Does something to an interface whole: when it fails, the host is what it was.
    fn whole<T>(
        &self,
        name: &LinkName,
        change: impl FnOnce() -> Result<T, NetworkError>,
    ) -> Result<T, NetworkError> {
        let before = self.snapshot()?.making(name.as_str());
        change().inspect_err(|_| crate::undo::note(self.rollback(&before)))
    }

    /// The links that are the host's own.
    fn links(&self) -> Result<Vec<Link>, NetworkError> {
        let mark = self.host.mark();
        let guests = [format!("{mark} port "), format!("{mark} network ")];
        let own = |link: &Link| {
            let served = link.kind.as_deref() == Some("ifb") && link.name.as_str().starts_with("rvifb");
            !served
                && !guests.iter().any(|guest| link.alias.starts_with(guest))
                && !matches!(link.kind.as_deref(), Some("tun" | "macvtap"))
        };
        Ok(self.host.links.list()?.into_iter().filter(own).collect())
    }

    /// One of them.
    fn link(&self, name: &str) -> Result<Link, NetworkError> {
        LinkName::new(name)?;
        self.links()?.into_iter().find(|link| link.name.as_str() == name).ok_or_else(|| missing(name))
    }

    /// How the alias of a bridge begins that was made here.
    fn alias(&self) -> String {
        format!("{} iface", self.host.mark())
    }
}

fn kind_of(kind: &HostInterfaceKind) -> &'static str {
    match kind {
        HostInterfaceKind::Ethernet => "ethernet",
        HostInterfaceKind::Bridge { .. } => "bridge",
        HostInterfaceKind::Bond { .. } => "bond",
        HostInterfaceKind::Vlan { .. } => "vlan",
    }
}

fn missing(name: &str) -> NetworkError {
    NetworkError::Missing { subject: "the host".to_owned(), what: format!("network interface '{name}'") }
}

fn subject(name: &str) -> String {
    format!("interface '{name}'")
}
