//! Changes of a network that runs: guests stay attached.

use reeve_model::network::NetworkConfig;
use reeve_sys::link::{Bridge, Change, LinkName};

use super::{Networks, bridge, check, not_active, subject};
use crate::ports::limits;
use crate::service::Service;
use crate::undo::{Undo, note};
use crate::{Host, NetworkError};

impl Networks {
    /// Carries out a changed document (same UUID) while guests stay attached; when a step fails, the old one is in force. Bridge name, MAC,
    /// forward mode and a bridge of the host can't be changed so.
    pub fn update(&self, config: &NetworkConfig) -> Result<Vec<String>, NetworkError> {
        let mut state = self.state();
        let active = state.networks.get(&config.uuid).ok_or_else(|| not_active(config.uuid))?;
        let old = active.config.clone();
        refuse_restart(&old, config)?;
        let warnings = check::check_running(&self.host, config, &state)?;
        if bridge::is_own(config) {
            let bridge = bridge::name(config)?;
            let mut undo = Undo::default();
            change_bridge(&self.host, &old, config, &bridge, &mut undo)?;
            state.apply_rules(&self.host, Some(config), None)?;
            let before = &state;
            undo.push(|| note(before.apply_rules(&self.host, Some(&old), None)));
            if old.bandwidth != config.bandwidth {
                undo.push(|| note(limits::apply_to_bridge(&self.host, &old, before, &bridge)));
                limits::apply_to_bridge(&self.host, config, before, &bridge)?;
            }
            let service = Service::change(&self.host, &self.sink, active.service.as_ref(), config)?;
            undo.keep();
            if let Some(changed) = service
                && let Some(active) = state.networks.get_mut(&config.uuid)
                && let Some(ended) = std::mem::replace(&mut active.service, changed)
            {
                ended.stop();
            }
        }
        if let Some(active) = state.networks.get_mut(&config.uuid) {
            active.config = config.clone();
        }
        Ok(warnings)
    }
}

fn refuse_restart(old: &NetworkConfig, new: &NetworkConfig) -> Result<(), NetworkError> {
    let mode = |config: &NetworkConfig| config.forward.as_ref().map(|forward| forward.mode);
    let what = if old.bridge.name != new.bridge.name {
        "the name of its bridge"
    } else if old.mac != new.mac {
        "the MAC address of its bridge"
    } else if mode(old) != mode(new) && !(bridge::is_own(old) && bridge::is_own(new)) {
        "its forward mode"
    } else {
        return Ok(());
    };
    let reason = format!("{what} changes only when it is started again");
    Err(NetworkError::Conflict { subject: subject(new), reason })
}

fn change_bridge<'a>(
    host: &'a Host,
    old: &NetworkConfig,
    new: &NetworkConfig,
    bridge: &'a LinkName,
    undo: &mut Undo<'a>,
) -> Result<(), NetworkError> {
    let links = &host.links;
    let options =
        |config: &NetworkConfig| Bridge { stp: Some(config.bridge.stp.unwrap_or(true)), ..Bridge::default() };
    if options(old) != options(new) {
        links.change(bridge, &Change::Bridge(options(new)))?;
        let back = options(old);
        undo.push(move || note(links.change(bridge, &Change::Bridge(back))));
    }
    if old.mtu != new.mtu {
        links.change(bridge, &Change::Mtu(new.mtu.unwrap_or(1500)))?;
        let back = old.mtu.unwrap_or(1500);
        undo.push(move || note(links.change(bridge, &Change::Mtu(back))));
    }
    let nets = |config: &NetworkConfig| config.ips.iter().map(|ip| ip.network).collect::<Vec<_>>();
    let (had, wanted) = (nets(old), nets(new));
    let (old_routes, new_routes) = (bridge::routes(old, bridge), bridge::routes(new, bridge));
    for route in old_routes.iter().filter(|route| !new_routes.contains(route)) {
        links.remove_route(route)?;
        let back = route.clone();
        undo.push(move || note(links.add_route(&back)));
    }
    for net in wanted.iter().copied().filter(|net| !had.contains(net)) {
        links.add_address(bridge, &bridge::address(net))?;
        undo.push(move || note(links.remove_address(bridge, net.address, net.prefix)));
    }
    for net in had.iter().copied().filter(|net| !wanted.contains(net)) {
        links.remove_address(bridge, net.address, net.prefix)?;
        undo.push(move || note(links.add_address(bridge, &bridge::address(net))));
    }
    for route in new_routes.iter().filter(|route| !old_routes.contains(route)) {
        links.add_route(route)?;
        let back = route.clone();
        undo.push(move || note(links.remove_route(&back)));
    }
    bridge::forwarding(host, new, undo)
}
