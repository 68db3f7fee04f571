//! Deciding how an interface is plugged in. Nothing here touches the host.

use std::collections::BTreeSet;

use reeve_model::MacAddress;
use reeve_model::domain::Interface;
use reeve_model::network::Bandwidth;

use super::source::{Source, source};
use super::{Medium, PlannedPort, PortRequest, subject};
use crate::networks::{Networks, State};
use crate::{Host, NetworkError};

/// Names that the host chooses itself (guide 20.16.9.11).
const RESERVED: [&str; 3] = ["vnet", "vif", "macvtap"];

/// A name of those; one that a document gives is ignored.
pub(super) fn is_reserved(link: &str) -> bool {
    RESERVED.iter().any(|reserved| link.starts_with(reserved))
}

impl Networks {
    /// Decides how an interface is plugged in, and remembers it: names and devices are taken from now on. Nothing on the host changes.
    /// Take it back with [`Networks::unplug`].
    pub fn plan(&self, request: &PortRequest<'_>) -> Result<PlannedPort, NetworkError> {
        self.plan_besides(request, &[])
    }

    /// The same, with none of these names for a link that the host names: somebody else on the machine has them, or took them since.
    pub fn plan_besides(
        &self,
        request: &PortRequest<'_>,
        taken: &[String],
    ) -> Result<PlannedPort, NetworkError> {
        let mut state = self.state();
        let port = plan(&self.host, request, &state, None, taken)?;
        if port.has_link() {
            state.ports.insert(port.link.clone(), port.clone());
        }
        Ok(port)
    }
}

/// The plan of a port; `keep` is the link it has already when it moves.
pub(super) fn plan(
    host: &Host,
    request: &PortRequest<'_>,
    state: &State,
    keep: Option<&PlannedPort>,
    taken: &[String],
) -> Result<PlannedPort, NetworkError> {
    let interface = request.interface;
    let mac = mac(request)?;
    let who = subject(request.domain_name, mac);
    let mut source = source(host, &who, interface, state, keep)?;
    let mut warnings = std::mem::take(&mut source.warnings);
    let bandwidth = bandwidth(&who, interface, &source, state, keep)?;
    let link = match (keep, &source.medium) {
        (Some(keep), _) => keep.link.clone(),
        (None, Medium::Tunnel) => String::new(),
        (None, Medium::ForeignTap) => interface.target.clone().unwrap_or_default(),
        (None, medium) => link_name(host, interface, medium, state, taken, &mut warnings)?,
    };
    if interface.common.extra.elements.iter().any(|element| element.trim_start().starts_with("<script")) {
        warnings.push(
            "<script> has no effect: a policy with the hook port-plugged does what scripts did".to_owned(),
        );
    }
    let mut live = interface.clone();
    live.bandwidth = bandwidth;
    if !link.is_empty() {
        live.target = Some(link.clone());
    }
    if live.mtu.is_none() {
        live.mtu = source.mtu;
    }
    Ok(PlannedPort {
        domain: request.domain,
        domain_name: request.domain_name.to_owned(),
        mac,
        link,
        mtu: live.mtu,
        isolated: interface.isolated || source.isolated,
        link_up: interface.link_up != Some(false),
        filter: interface.filterref.clone(),
        interface: live,
        medium: source.medium,
        network: source.network,
        network_name: source.network_name,
        portgroup: source.portgroup,
        bandwidth,
        warnings,
    })
}

fn mac(request: &PortRequest<'_>) -> Result<MacAddress, NetworkError> {
    let invalid = |reason: String| NetworkError::Invalid {
        subject: format!("an interface of domain '{}'", request.domain_name),
        reason,
    };
    let mac = request.interface.mac.as_deref();
    let mac = mac.ok_or_else(|| invalid("it has no MAC address yet".to_owned()))?;
    mac.parse().map_err(|error: reeve_model::mac_address::BadMac| invalid(error.to_string()))
}

/// The interface's own limits, else those of its port group. A floor must be had of a network that has an inbound limit.
fn bandwidth(
    who: &str,
    interface: &Interface,
    source: &Source,
    state: &State,
    keep: Option<&PlannedPort>,
) -> Result<Bandwidth, NetworkError> {
    let own = interface.bandwidth;
    let bandwidth = if own.is_empty() { source.group_bandwidth } else { own };
    check_floor(who, &bandwidth, source.network, state, keep.map(|port| port.link.as_str()))?;
    Ok(bandwidth)
}

/// Refuses a floor that the network can't promise; `except` is the port's own link, if it has one.
pub(super) fn check_floor(
    who: &str,
    bandwidth: &Bandwidth,
    network: Option<uuid::Uuid>,
    state: &State,
    except: Option<&str>,
) -> Result<(), NetworkError> {
    let floor = |bandwidth: &Bandwidth| bandwidth.inbound.and_then(|limit| limit.floor_kib).unwrap_or(0);
    let wanted = floor(bandwidth);
    if wanted == 0 {
        return Ok(());
    }
    let invalid = |reason: String| Err(NetworkError::Invalid { subject: who.to_owned(), reason });
    let active = network.and_then(|network| state.networks.get(&network));
    let Some(active) = active.filter(|active| crate::networks::bridge::is_own(&active.config)) else {
        return invalid("a floor needs a network of mode nat, route, open or none".to_owned());
    };
    let Some(limit) = active.config.bandwidth.inbound else {
        return invalid(format!(
            "a floor needs a network with an inbound limit, which '{}' has not",
            active.config.name
        ));
    };
    let others =
        state.ports.values().filter(|port| port.network == network && except != Some(port.link.as_str()));
    let promised: u64 = others.map(|port| floor(&port.bandwidth)).sum();
    if promised.saturating_add(wanted) >= limit.average_kib {
        return invalid(format!(
            "a floor of {wanted} KiB/s is too much: of {} KiB/s of network '{}' {promised} are promised already",
            limit.average_kib, active.config.name
        ));
    }
    Ok(())
}

/// The name of a link of ours: the document's, unless it is reserved or missing.
fn link_name(
    host: &Host,
    interface: &Interface,
    medium: &Medium,
    state: &State,
    others: &[String],
    warnings: &mut Vec<String>,
) -> Result<String, NetworkError> {
    let links = host.links.list()?;
    let known = links.iter().map(|link| link.name.as_str()).chain(state.ports.keys().map(String::as_str));
    let taken: BTreeSet<&str> = known.chain(others.iter().map(String::as_str)).collect();
    match interface.target.as_deref() {
        Some(target) if is_reserved(target) => {
            warnings.push(format!("target '{target}' is ignored: the host gives names of that kind itself"));
        }
        Some(target) if taken.contains(target) => {
            return Err(NetworkError::Conflict {
                subject: format!("target '{target}'"),
                reason: "a link of that name is there already".to_owned(),
            });
        }
        Some(target) => return Ok(target.to_owned()),
        None => {}
    }
    let prefix = if matches!(medium, Medium::Macvtap { .. }) { "macvtap" } else { "vnet" };
    let free = (0..=u32::MAX).map(|n| format!("{prefix}{n}")).find(|name| !taken.contains(name.as_str()));
    Ok(free.unwrap_or_default())
}
