//! How a network begins and ends.

use reeve_model::network::NetworkConfig;
use reeve_sys::link::{Change, LinkError, LinkName, PortOptions};
use uuid::Uuid;

use super::{Active, Networks, State, bridge, check, not_active};
use crate::ports::limits;
use crate::service::Service;
use crate::undo::{Undo, note};
use crate::{Host, NetworkError};

impl Networks {
    /// Makes a network active, with [`Networks::check_host`]'s warnings. Ports that are known to be plugged into it are put on its new bridge.
    /// When a step fails, nothing of it stays.
    pub fn start(&self, config: &NetworkConfig) -> Result<Vec<String>, NetworkError> {
        let mut state = self.state();
        if state.networks.contains_key(&config.uuid) {
            return Err(NetworkError::Active(config.name.clone()));
        }
        let warnings = check::check(&self.host, config, &state)?;
        self.bring_up(config, &mut state)?;
        Ok(warnings)
    }

    /// Makes everything of a checked network.
    pub(super) fn bring_up(&self, config: &NetworkConfig, state: &mut State) -> Result<(), NetworkError> {
        let service = if bridge::is_own(config) {
            let bridge = bridge::name(config)?;
            let mut undo = Undo::default();
            bridge::make(&self.host, config, &bridge, &mut undo)?;
            state.apply_rules(&self.host, Some(config), None)?;
            let before = &*state;
            undo.push(|| note(before.apply_rules(&self.host, None, Some(config.uuid))));
            limits::apply_to_bridge(&self.host, config, state, &bridge)?;
            undo.push(|| note(self.host.traffic.clear(&bridge)));
            attach(&self.host, config, state, &bridge)?;
            let service = Service::start_if_needed(&self.host, &self.sink, config)?;
            undo.keep();
            service
        } else {
            None
        };
        if let Some(bridge) = config.bridge.name.clone().filter(|_| bridge::is_own(config)) {
            for port in state.ports.values_mut().filter(|port| port.network == Some(config.uuid)) {
                port.be_on(&bridge);
            }
        }
        state.networks.insert(config.uuid, Active { config: config.clone(), service });
        Ok(())
    }

    /// Ends a network. Ports stay, cut off, until it is started again. Everything is taken down even if something fails; the first failure is told.
    pub fn stop(&self, network: Uuid) -> Result<(), NetworkError> {
        let mut state = self.state();
        let active = state.networks.remove(&network).ok_or_else(|| not_active(network))?;
        if let Some(service) = active.service {
            service.stop();
        }
        if !bridge::is_own(&active.config) {
            return Ok(());
        }
        let bridge = bridge::name(&active.config)?;
        let limits = match self.host.traffic.clear(&bridge) {
            Err(reeve_sys::traffic::TrafficError::Link(LinkError::Missing { .. })) => Ok(()),
            done => done,
        };
        let deleted = match self.host.links.delete(&bridge) {
            Err(LinkError::Missing { .. }) => Ok(()),
            done => done,
        };
        let rules = state.apply_rules(&self.host, None, None);
        limits?;
        deleted?;
        rules
    }

    /// Stops looking after what runs and leaves it running, for the end of the daemon.
    pub fn detach(&self) {
        for active in self.state().networks.values_mut() {
            if let Some(service) = active.service.take() {
                service.detach();
            }
        }
    }
}

/// Puts the known ports of a network on its new bridge.
fn attach(host: &Host, config: &NetworkConfig, state: &State, bridge: &LinkName) -> Result<(), NetworkError> {
    for port in state.ports.values().filter(|port| port.network == Some(config.uuid)) {
        if port.bridge().is_none() {
            continue;
        }
        let link = LinkName::new(port.link.as_str())?;
        match host.links.change(&link, &Change::Master(Some(bridge.clone()))) {
            Ok(()) => {}
            // Its domain is gone, or was not started yet.
            Err(LinkError::Missing { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        if port.isolated {
            let isolated = PortOptions { isolated: Some(true), ..PortOptions::default() };
            host.links.change(&link, &Change::Port(isolated))?;
        }
    }
    Ok(())
}
