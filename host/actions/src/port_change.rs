//! A plugged interface is changed while its guest runs: another network, another filter, other limits, the cable.
//!
//! ```text
//!   plan ─▶ guard port-plug, where it sees another port ─▶ rules of a new filter ─▶ change ─▶ rules of none ─▶ note
//! ```
//! At no moment is the port where it is going without the filter that it has there, nor where it was without the one it had.

use std::net::IpAddr;
use std::sync::Arc;

use reeve_filter::Binding;
use reeve_model::domain::{DomainConfig, Interface};
use reeve_model::network::NetworkChange;
use reeve_model::{Actor, DomainState, Error, ErrorCode, MacAddress};
use reeve_network::{PlannedPort, PortRequest};
use reeve_sys::link::LinkName;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Actions;
use crate::port::row;

/// How a port becomes another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PortChange {
    pub before: PlannedPort,
    pub after: PlannedPort,
    /// What it had, once that may have been replaced. After a crash all rules are made anew.
    #[serde(skip)]
    had: Option<Had>,
}

/// What a port had besides its plan.
#[derive(Debug)]
struct Had {
    rules: Option<Binding>,
    addresses: Vec<IpAddr>,
}

impl Actions {
    /// Plans what a plugged interface becomes; the guards of `port-plug` are asked where they see another port. `domain` is the whole
    /// configuration as it will be.
    pub(crate) async fn plan_port_change(
        &self,
        actor: &Actor,
        domain: &Arc<DomainConfig>,
        state: DomainState,
        old: &Interface,
        new: &Interface,
    ) -> Result<PortChange, Error> {
        let before = self.plugged(domain, new)?;
        let (port, wanted, whole) = (before.clone(), new.clone(), Arc::clone(domain));
        let stays = |changed: &Interface| *new == *changed;
        let after = if stays(&Interface { link_up: new.link_up, ..old.clone() }) {
            before.with_link(new.link_up != Some(false))
        } else if stays(&Interface { bandwidth: new.bandwidth, ..old.clone() }) {
            self.on_networks(move |networks| networks.plan_limits(&port, wanted.bandwidth)).await?
        } else {
            self.on_networks(move |networks| {
                let domain_name = &whole.name;
                networks
                    .plan_change(&port, &PortRequest { domain: whole.uuid, domain_name, interface: &wanted })
            })
            .await?
        };
        for warning in &after.warnings {
            tracing::warn!(domain = domain.name, link = after.link, "{warning}");
        }
        let seen = |port: &PlannedPort| {
            let view = port.view();
            (view.network, view.source, view.filter)
        };
        if seen(&before) != seen(&after) {
            self.ask_port(actor, domain, state, &after).await?;
        }
        Ok(PortChange { before, after, had: None })
    }

    /// The port of an interface of a running domain.
    fn plugged(&self, domain: &DomainConfig, interface: &Interface) -> Result<PlannedPort, Error> {
        let mac: Option<MacAddress> = interface.mac.as_deref().and_then(|mac| mac.parse().ok());
        let found = mac.and_then(|mac| {
            self.networking.records().ports.get(&(domain.uuid, mac)).map(|plugged| plugged.port.clone())
        });
        found.ok_or_else(|| {
            let name = interface.target.as_deref().or(interface.mac.as_deref()).unwrap_or("without a name");
            let message =
                format!("interface '{name}' of domain '{}' is not plugged into this host", domain.name);
            Error::new(ErrorCode::WrongState, message).with_hint("detach it and attach it again")
        })
    }

    /// Makes the change. What of it was done when it fails is for [`Self::change_port_back`].
    pub(crate) async fn change_port(&self, actor: &Actor, change: &mut PortChange) -> Result<(), Error> {
        let (before, after) = (change.before.clone(), change.after.clone());
        let key = (before.domain, before.mac);
        let moves = before.network != after.network;
        let (mut plugged, filters, changed) = {
            let records = self.networking.records();
            let plugged = records.ports.get(&key).cloned();
            (plugged.ok_or_else(|| gone(&before))?, records.filters.clone(), records.filters_changed)
        };
        let link = LinkName::new(before.link.as_str()).ok();
        let rules = link.as_ref().and_then(|link| self.networking.bindings.get(link));
        change.had = Some(Had { rules, addresses: plugged.addresses.clone() });
        plugged.port = after.clone();
        if moves {
            // Elsewhere it gets others.
            plugged.addresses.clear();
        }
        if moves || (&before.filter, before.bridge()) != (&after.filter, after.bridge()) {
            let binding = self.binding(actor, &plugged, &filters).await?;
            self.apply(binding.into_iter().collect()).await?;
        }
        let (old, new) = (before.clone(), after.clone());
        self.on_networks(move |networks| networks.change(&old, &new)).await?;
        if let (None, Some(_), Some(link)) = (&after.filter, &before.filter, link) {
            self.unbind(link).await?;
        }
        self.note_port(&after, moves.then(Vec::new)).await?;
        if self.networking.records().filters_changed != changed && after.filter.is_some() {
            self.renew_rules(actor, &[key]).await?;
        }
        Ok(())
    }

    /// Tells who listens of a port that moved to another network.
    pub(crate) fn tell_port_change(&self, actor: &Actor, change: &PortChange) {
        if change.before.network != change.after.network {
            self.tell_port(actor, &change.before, NetworkChange::PortUnplugged);
            self.tell_port(actor, &change.after, NetworkChange::PortPlugged);
        }
    }

    /// Takes a change back, however much of it was done; nothing to do for a port that is gone.
    pub(crate) async fn change_port_back(&self, change: &PortChange) -> Result<(), Error> {
        let (before, after) = (change.before.clone(), change.after.clone());
        let known = self.networking.records().ports.contains_key(&(before.domain, before.mac));
        if !known {
            return Ok(());
        }
        self.on_networks(move |networks| match networks.has_link(&before)? {
            true => networks.change(&after, &before),
            false => Ok(()),
        })
        .await?;
        if let (Some(had), Ok(link)) = (&change.had, LinkName::new(change.before.link.as_str()))
            && self.networking.bindings.get(&link) != had.rules
        {
            match had.rules.clone() {
                Some(binding) => self.apply(vec![binding]).await?,
                None => self.unbind(link).await?,
            }
        }
        self.note_port(&change.before, change.had.as_ref().map(|had| had.addresses.clone())).await
    }

    /// Notes what a port is now, for this daemon and the next.
    async fn note_port(&self, port: &PlannedPort, addresses: Option<Vec<IpAddr>>) -> Result<(), Error> {
        let row = row(port)?;
        self.store(move |store| store.put_port(&row)).await?;
        let key: (Uuid, MacAddress) = (port.domain, port.mac);
        if let Some(plugged) = self.networking.records().ports.get_mut(&key) {
            plugged.port = port.clone();
            if let Some(addresses) = addresses {
                plugged.addresses = addresses;
            }
            return Ok(());
        }
        // Its domain ended meanwhile.
        self.unplug(port).await?;
        Err(gone(port))
    }

    async fn unbind(&self, link: LinkName) -> Result<(), Error> {
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || Ok(networking.bindings.unbind(&[link])?)).await
    }
}

fn gone(port: &PlannedPort) -> Error {
    let (link, domain) = (&port.link, &port.domain_name);
    let message = format!("interface '{link}' of domain '{domain}' was unplugged while it was being changed");
    Error::new(ErrorCode::WrongState, message)
}
