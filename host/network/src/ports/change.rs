//! Changes of a port while its guest runs.

use reeve_model::network::Bandwidth;
use reeve_sys::link::{Change, LinkName, PortOptions};
use reeve_sys::traffic::Shape;

use super::device::{join, share};
use super::plan::{check_floor, plan};
use super::{Medium, PlannedPort, PortRequest, limits};
use crate::networks::Networks;
use crate::undo::{Undo, note};
use crate::{Host, NetworkError};

impl Networks {
    /// Decides how a plugged port becomes what the changed interface says, while the guest runs (guide 10.5). Refuses what needs another
    /// kind of link. Nothing on the host changes; [`Networks::change`] does it.
    pub fn plan_change(
        &self,
        port: &PlannedPort,
        request: &PortRequest<'_>,
    ) -> Result<PlannedPort, NetworkError> {
        let mut new = plan(&self.host, request, &self.state(), Some(port), &[])?;
        let movable = |medium: &Medium| matches!(medium, Medium::Tap { .. } | Medium::LooseTap);
        if new.mac != port.mac
            || !(new.medium == port.medium || movable(&new.medium) && movable(&port.medium))
        {
            return Err(NetworkError::Unsupported {
                subject: port.subject(),
                reason: "it can move between bridges while the guest runs, not become another kind of device"
                    .to_owned(),
            });
        }
        // The guest was told its MTU when it started.
        (new.mtu, new.interface.mtu) = (port.mtu, port.interface.mtu);
        Ok(new)
    }

    /// The port with other limits (domiftune). Nothing on the host changes.
    pub fn plan_limits(&self, port: &PlannedPort, bandwidth: Bandwidth) -> Result<PlannedPort, NetworkError> {
        if !port.has_link() {
            return Err(NetworkError::Unsupported {
                subject: port.subject(),
                reason: "a tunnel has no link on the host that could be limited".to_owned(),
            });
        }
        check_floor(&port.subject(), &bandwidth, port.network, &self.state(), Some(&port.link))?;
        let mut new = port.clone();
        (new.bandwidth, new.interface.bandwidth) = (bandwidth, bandwidth);
        Ok(new)
    }

    /// Makes of a plugged port what was planned: another bridge, other limits, the cable pulled or plugged in. When a step fails, it is
    /// what it was. To take a change back, change the new port to the old one; it need not have got the whole way.
    pub fn change(&self, port: &PlannedPort, new: &PlannedPort) -> Result<(), NetworkError> {
        if !port.has_link() {
            return Ok(());
        }
        let mut state = self.state();
        // What it was promised may have gone to others since.
        check_floor(&new.subject(), &new.bandwidth, new.network, &state, Some(&new.link))?;
        let link = port.link_name()?;
        let mut undo = Undo::default();
        if (&new.medium, new.isolated) != (&port.medium, port.isolated) {
            undo.push(|| note(place(&self.host, port, &link)));
            place(&self.host, new, &link)?;
        }
        if new.link_up != port.link_up {
            undo.push(|| note(set_up(&self.host, &link, port.link_up)));
            set_up(&self.host, &link, new.link_up)?;
        }
        if new.bandwidth != port.bandwidth {
            undo.push(|| note(shape(&self.host, &link, &port.bandwidth)));
            shape(&self.host, &link, &new.bandwidth)?;
        }
        state.ports.insert(new.link.clone(), new.clone());
        if limits::has_floor(port) || limits::has_floor(new) {
            if let Err(error) = share(&self.host, new, &state) {
                state.ports.insert(port.link.clone(), port.clone());
                note(share(&self.host, port, &state));
                return Err(error);
            }
            note(share(&self.host, port, &state));
        }
        undo.keep();
        Ok(())
    }

    /// True while the link of a port is on the host.
    pub fn has_link(&self, port: &PlannedPort) -> Result<bool, NetworkError> {
        Ok(port.has_link() && self.host.links.find(&port.link_name()?)?.is_some())
    }
}

impl PlannedPort {
    /// The port with the cable plugged in or pulled (domif-setlink).
    pub fn with_link(&self, up: bool) -> Self {
        let mut new = self.clone();
        (new.link_up, new.interface.link_up) = (up, Some(up));
        new
    }
}

/// Puts a tap on the bridge that its plan names, or on none.
fn place(host: &Host, port: &PlannedPort, link: &LinkName) -> Result<(), NetworkError> {
    match port.bridge() {
        Some(bridge) => {
            join(host, port, link, &LinkName::new(bridge)?)?;
            if !port.isolated {
                let open = PortOptions { isolated: Some(false), ..PortOptions::default() };
                host.links.change(link, &Change::Port(open))?;
            }
            Ok(())
        }
        None => Ok(host.links.change(link, &Change::Master(None))?),
    }
}

fn set_up(host: &Host, link: &LinkName, up: bool) -> Result<(), NetworkError> {
    Ok(host.links.change(link, if up { &Change::Up } else { &Change::Down })?)
}

fn shape(host: &Host, link: &LinkName, bandwidth: &Bandwidth) -> Result<(), NetworkError> {
    let shape = limits::shape(bandwidth);
    if shape == Shape::default() {
        Ok(host.traffic.clear(link)?)
    } else {
        Ok(host.traffic.set(link, &shape)?)
    }
}
