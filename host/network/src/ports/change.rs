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
    /// Moves a plugged tap to where the changed interface says, while the guest runs (guide 10.5). Refuses what needs another kind of link.
    /// When a step fails, it is where it was.
    pub fn move_to(
        &self,
        port: &PlannedPort,
        request: &PortRequest<'_>,
    ) -> Result<PlannedPort, NetworkError> {
        let mut state = self.state();
        let mut new = plan(&self.host, request, &state, Some(port))?;
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
        new.mtu = port.mtu;
        let link = port.link_name()?;
        let mut undo = Undo::default();
        if (&new.medium, new.isolated) != (&port.medium, port.isolated) {
            undo.push(|| note(place(&self.host, port, &link)));
            place(&self.host, &new, &link)?;
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
        if limits::has_floor(port) || limits::has_floor(&new) {
            if let Err(error) = share(&self.host, &new, &state) {
                state.ports.insert(port.link.clone(), port.clone());
                note(share(&self.host, port, &state));
                return Err(error);
            }
            note(share(&self.host, port, &state));
        }
        undo.keep();
        Ok(new)
    }

    /// Gives a plugged port other limits (domiftune); the port as it is now.
    pub fn set_bandwidth(
        &self,
        port: &PlannedPort,
        bandwidth: Bandwidth,
    ) -> Result<PlannedPort, NetworkError> {
        let mut state = self.state();
        if !port.has_link() {
            return Err(NetworkError::Unsupported {
                subject: port.subject(),
                reason: "a tunnel has no link on the host that could be limited".to_owned(),
            });
        }
        check_floor(&port.subject(), &bandwidth, port.network, &state, Some(&port.link))?;
        let link = port.link_name()?;
        let mut new = port.clone();
        (new.bandwidth, new.interface.bandwidth) = (bandwidth, bandwidth);
        let mut undo = Undo::default();
        undo.push(|| note(shape(&self.host, &link, &port.bandwidth)));
        shape(&self.host, &link, &bandwidth)?;
        state.ports.insert(new.link.clone(), new.clone());
        if (limits::has_floor(port) || limits::has_floor(&new))
            && let Err(error) = share(&self.host, &new, &state)
        {
            state.ports.insert(port.link.clone(), port.clone());
            note(share(&self.host, port, &state));
            return Err(error);
        }
        undo.keep();
        Ok(new)
    }

    /// Plugs the cable in or pulls it (domif-setlink); the port as it is now. Opening a tap sets it up, so a driver does this after opening.
    pub fn set_link_state(&self, port: &PlannedPort, up: bool) -> Result<PlannedPort, NetworkError> {
        let mut state = self.state();
        let mut new = port.clone();
        (new.link_up, new.interface.link_up) = (up, Some(up));
        if port.has_link() {
            set_up(&self.host, &port.link_name()?, up)?;
            state.ports.insert(new.link.clone(), new.clone());
        }
        Ok(new)
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
