//! Making and removing ports on the host.

use reeve_sys::link::{Change, LinkError, LinkName, Macvtap, NewLink, PersistentTap, PortOptions};
use reeve_sys::traffic::{Shape, TrafficError};

use super::{Medium, PlannedPort, limits, macvtap_mode};
use crate::networks::{Networks, State, bridge};
use crate::undo::{Undo, note};
use crate::{Host, NetworkError, PortRequest};

impl Networks {
    /// [`Networks::plan`] and [`Networks::make`].
    pub fn plug(&self, request: &PortRequest<'_>) -> Result<PlannedPort, NetworkError> {
        let port = self.plan(request)?;
        self.make(&port)?;
        Ok(port)
    }

    /// Makes a planned port on the host. When a step fails, nothing of it stays and the plan is forgotten.
    pub fn make(&self, port: &PlannedPort) -> Result<(), NetworkError> {
        if !port.has_link() {
            return Ok(());
        }
        let mut state = self.state();
        state.ports.insert(port.link.clone(), port.clone());
        let made = make(&self.host, port, &state);
        if made.is_err() {
            state.ports.remove(&port.link);
            if limits::has_floor(port) {
                note(share(&self.host, port, &state));
            }
        }
        made
    }

    /// Removes a port, made or only planned; no error when it is gone already.
    pub fn unplug(&self, port: &PlannedPort) -> Result<(), NetworkError> {
        if !port.has_link() {
            return Ok(());
        }
        let mut state = self.state();
        state.ports.remove(&port.link);
        let is_foreign = port.medium == Medium::ForeignTap;
        // A link of that name that somebody else made is not ours to change or delete.
        let limits = match is_foreign || is_own(&self.host, port)? {
            true => clear_limits(&self.host, port),
            false => Ok(()),
        };
        if !is_foreign {
            remove(&self.host, port)?;
        }
        if limits::has_floor(port) {
            share(&self.host, port, &state)?;
        }
        limits
    }

    /// Known ports, by link; those of tunnels are not among them.
    pub fn ports(&self) -> Vec<PlannedPort> {
        self.state().ports.values().cloned().collect()
    }
}

fn make(host: &Host, port: &PlannedPort, state: &State) -> Result<(), NetworkError> {
    let (links, link) = (&host.links, port.link_name()?);
    let mut undo = Undo::default();
    let new = match &port.medium {
        Medium::Tap { .. } | Medium::LooseTap => {
            // The guest has the MAC address; the host's end must not have it too.
            let multi_queue = port.interface.queues() > 1;
            Some(NewLink::Tap(PersistentTap { mac: Some(host_mac(port)), multi_queue, owner: None }))
        }
        Medium::Macvtap { lower, mode } => {
            let lower = LinkName::new(lower.as_str())?;
            let mode = macvtap_mode(mode).ok_or_else(|| NetworkError::Invalid {
                subject: port.subject(),
                reason: format!("'{mode}' is no mode of a macvtap"),
            })?;
            Some(NewLink::Macvtap(Macvtap { lower, mode, mac: Some(port.mac) }))
        }
        Medium::ForeignTap | Medium::Tunnel => None,
    };
    if let Some(new) = new {
        links.create(&link, &new)?;
        undo.push(|| note(links.delete(&link)));
        links.change(&link, &Change::Alias(port.alias(host)))?;
    }
    if let Some(mtu) = port.mtu {
        links.change(&link, &Change::Mtu(mtu))?;
    }
    if let Medium::Tap { bridge } = &port.medium {
        join(host, port, &link, &LinkName::new(bridge.as_str())?)?;
    }
    let shape = limits::shape(&port.bandwidth);
    if shape != Shape::default() {
        host.traffic.set(&link, &shape)?;
        undo.push(|| note(host.traffic.clear(&link)));
    }
    if limits::has_floor(port) {
        share(host, port, state)?;
    }
    if port.link_up && port.medium != Medium::ForeignTap {
        links.change(&link, &Change::Up)?;
    }
    undo.keep();
    Ok(())
}

/// Makes a tap a port of a bridge.
pub(super) fn join(
    host: &Host,
    port: &PlannedPort,
    link: &LinkName,
    bridge: &LinkName,
) -> Result<(), NetworkError> {
    host.links.change(link, &Change::Master(Some(bridge.clone())))?;
    if port.isolated {
        let isolated = PortOptions { isolated: Some(true), ..PortOptions::default() };
        host.links.change(link, &Change::Port(isolated))?;
    }
    Ok(())
}

/// Shares the limit of a port's network among the floors there are now.
pub(super) fn share(host: &Host, port: &PlannedPort, state: &State) -> Result<(), NetworkError> {
    let Some(active) = port.network.and_then(|network| state.networks.get(&network)) else { return Ok(()) };
    if !bridge::is_own(&active.config) {
        return Ok(());
    }
    limits::apply_to_bridge(host, &active.config, state, &bridge::name(&active.config)?)
}

/// The link of that name is one that we made.
fn is_own(host: &Host, port: &PlannedPort) -> Result<bool, NetworkError> {
    let found = host.links.find(&port.link_name()?)?;
    Ok(found.is_some_and(|found| found.alias.starts_with(&host.mark())))
}

fn clear_limits(host: &Host, port: &PlannedPort) -> Result<(), NetworkError> {
    match host.traffic.clear(&port.link_name()?) {
        Err(TrafficError::Link(LinkError::Missing { .. })) => Ok(()),
        done => Ok(done?),
    }
}

fn remove(host: &Host, port: &PlannedPort) -> Result<(), NetworkError> {
    let link = port.link_name()?;
    if !is_own(host, port)? {
        return Ok(());
    }
    match host.links.delete(&link) {
        Ok(()) | Err(LinkError::Missing { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Of the guest's address with another first byte: high, so that a bridge without an address of its own never takes it.
fn host_mac(port: &PlannedPort) -> reeve_model::MacAddress {
    let mut mac = port.mac;
    mac.0[0] = 0xfe;
    mac
}
