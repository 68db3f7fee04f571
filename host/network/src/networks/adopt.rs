//! Taking over what an earlier daemon left running.

use std::collections::BTreeMap;

use reeve_model::network::NetworkConfig;
use reeve_sys::link::{Link, LinkError};
use reeve_sys::nft::NftFamily;
use uuid::Uuid;

use super::{Active, Adopted, Networks, State, bridge, check, subject};
use crate::ports::limits;
use crate::service::{self, Service};
use crate::undo::note;
use crate::{Host, NetworkError, PlannedPort, rules};

impl Networks {
    /// Takes over what an earlier daemon left: `networks` were active and `ports` plugged. Bridges, rules and dnsmasq that are there are kept
    /// without interruption, what is missing is mended, and what carries this host's mark but is not told is removed.
    /// To be called once, before anything else.
    pub fn adopt(&self, networks: &[NetworkConfig], ports: &[PlannedPort]) -> Vec<Adopted> {
        let mut state = self.state();
        let known = ports.iter().filter(|port| port.has_link());
        state.ports = known.map(|port| (port.link.clone(), port.clone())).collect::<BTreeMap<_, _>>();
        let mut adopted = Vec::new();
        for config in networks {
            let outcome = self.adopt_one(config, &mut state);
            adopted.push(Adopted { network: config.uuid, outcome });
        }
        note(sweep(&self.host, &state));
        note(self.adopt_rules(&state));
        adopted
    }

    /// Removes links of ports that carry this host's mark and are not among the known ports; the names of those removed.
    pub fn sweep(&self) -> Result<Vec<String>, NetworkError> {
        sweep(&self.host, &self.state())
    }

    fn adopt_one(&self, config: &NetworkConfig, state: &mut State) -> Result<Vec<String>, NetworkError> {
        if !bridge::is_own(config) {
            check::check_running(&self.host, config, state)?;
            state.networks.insert(config.uuid, Active { config: config.clone(), service: None });
            return Ok(Vec::new());
        }
        let bridge = bridge::name(config)?;
        let Some(link) = self.host.links.find(&bridge)? else {
            check::check(&self.host, config, state)?;
            self.bring_up(config, state)?;
            return Ok(vec![format!(
                "bridge '{bridge}' was gone: it is made again with its guests attached"
            )]);
        };
        if network_of(&self.host, &link) != Some(config.uuid) {
            let reason = format!("link '{bridge}' is not the bridge that was made for it");
            return Err(NetworkError::Conflict { subject: subject(config), reason });
        }
        check::check_running(&self.host, config, state)?;
        let mut mended = bridge::mend(&self.host, config, &bridge)?;
        if !config.bandwidth.is_empty() && self.host.traffic.read(&bridge)?.inbound.is_none() {
            limits::apply_to_bridge(&self.host, config, state, &bridge)?;
        }
        let (service, said) = Service::adopt_if_needed(&self.host, &self.sink, config)?;
        mended.extend(said);
        state.networks.insert(config.uuid, Active { config: config.clone(), service });
        Ok(mended)
    }

    /// Replaces the table by the same rules, without a moment between; a table of somebody else is left alone while we need none.
    fn adopt_rules(&self, state: &State) -> Result<(), NetworkError> {
        if state.configs().all(|config| !bridge::is_own(config)) {
            let table = self.host.nft.list_table(NftFamily::Inet, rules::TABLE)?;
            let owner = rules::owner(&self.host.mark());
            if !table.is_some_and(|table| table.contains(&owner)) {
                return Ok(());
            }
        }
        state.apply_rules(&self.host, None, None)
    }
}

/// Deletes links with our mark that belong to nothing known, and ends such dnsmasqs.
fn sweep(host: &Host, state: &State) -> Result<Vec<String>, NetworkError> {
    let mut gone = Vec::new();
    for link in host.links.list()? {
        let orphan_port = link.alias.starts_with(&format!("{} port ", host.mark()))
            && !state.ports.contains_key(link.name.as_str());
        let orphan_bridge =
            network_of(host, &link).is_some_and(|network| !state.networks.contains_key(&network));
        if !orphan_port && !orphan_bridge {
            continue;
        }
        note(host.traffic.clear(&link.name));
        match host.links.delete(&link.name) {
            Ok(()) | Err(LinkError::Missing { .. }) => gone.push(link.name.to_string()),
            Err(error) => tracing::warn!("leftover link '{}' stays: {error}", link.name),
        }
    }
    note(host.traffic.sweep());
    service::sweep(host, |network| state.networks.contains_key(&network))?;
    Ok(gone)
}

/// The network that a bridge of ours was made for.
fn network_of(host: &Host, link: &Link) -> Option<Uuid> {
    let rest = link.alias.strip_prefix(&format!("{} network ", host.mark()))?;
    rest.split(' ').next()?.parse().ok()
}
