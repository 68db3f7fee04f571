//! A plugged interface is changed while its guest runs: another network, another filter, other limits, the cable.
//!
//! ```text
//!   plan ─▶ guard port-plug, where it sees another port ─▶ rules of a new filter ─▶ change ─▶ rules of none ─▶ note
//! ```
//! At no moment is the port where it is going without the filter that it has there, nor where it was without the one it had. What was
//! learned of the guest's addresses stays where it was learned.

use std::collections::BTreeSet;
use std::sync::Arc;

use reeve_filter::Binding;
use reeve_model::domain::{DomainConfig, Interface};
use reeve_model::network::NetworkChange;
use reeve_model::{Actor, DomainState, Error, ErrorCode, MacAddress};
use reeve_network::{PlannedPort, PortRequest};
use reeve_sys::link::LinkName;
use serde::{Deserialize, Serialize};

use crate::Actions;
use crate::filter::{ATTEMPTS, Wanted, restless};
use crate::networking::{Plugged, PortKey};
use crate::port::row;

/// How a port becomes another.
#[derive(Serialize, Deserialize)]
pub(crate) struct PortChange {
    pub before: PlannedPort,
    pub after: PlannedPort,
    /// What was learned of the guest's addresses before, as it is in the store.
    learned: Option<String>,
    /// What it had, once that may have been replaced. After a crash all rules are made anew.
    #[serde(skip)]
    had: Option<Had>,
}

/// What a port had besides its plan.
struct Had {
    rules: Option<Binding>,
    plugged: Plugged,
}

impl PortChange {
    fn key(&self) -> PortKey {
        (self.before.domain, self.before.mac)
    }

    /// Whether it leaves its neighbours: its guest gets other addresses then.
    fn moves(&self) -> bool {
        (self.before.network, self.before.bridge()) != (self.after.network, self.after.bridge())
    }

    /// Whether its rules are to be made anew.
    fn refilters(&self) -> bool {
        let filtered = self.before.filter.is_some() || self.after.filter.is_some();
        filtered && (self.moves() || self.before.filter != self.after.filter)
    }

    fn link(&self) -> Option<LinkName> {
        LinkName::new(self.before.link.as_str()).ok()
    }

    /// The record of the port, changed.
    fn of(&self, plugged: &Plugged) -> Plugged {
        let new = Plugged { port: self.after.clone(), ..plugged.clone() };
        if !self.moves() {
            return new;
        }
        // Who watches it is told when it has moved.
        Plugged { leased: Vec::new(), learned: Vec::new(), told: BTreeSet::new(), watch: None, ..new }
    }
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
        let link = before.link.clone();
        let learned = self.store(move |store| store.learned(&link)).await?;
        Ok(PortChange { before, after, learned, had: None })
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
        let key = change.key();
        let (wanted, filters) = self.record_change(actor, change).await?;
        if !self.apply(&wanted, Some(filters)).await? {
            self.renew_rules(actor, &[key]).await?;
        }
        {
            let _plugged = self.networking.unplugging.lock().await;
            if !self.networking.records().ports.contains_key(&key) {
                return Err(gone(&change.before));
            }
            let (old, new) = (change.before.clone(), change.after.clone());
            self.on_networks(move |networks| networks.change(&old, &new)).await?;
            self.note_port(&change.after).await?;
        }
        if !change.refilters() {
            return Ok(());
        }
        if change.moves() && self.lose(key).await? {
            // Something was learned before it had moved.
            self.renew_rules(actor, &[key]).await?;
        }
        self.watch_anew(key).await?;
        match change.after.filter {
            Some(_) => Ok(()),
            None => self.unbind(key).await,
        }
    }

    /// Records what the port will be, so that rules that are made from now on are of that. The ones that it is to have, where they are not
    /// to stay, and the number of the filters that they were made from.
    async fn record_change(
        &self,
        actor: &Actor,
        change: &mut PortChange,
    ) -> Result<(Vec<Wanted>, u64), Error> {
        let key = change.key();
        let missing = || gone(&change.before);
        for _ in 0..ATTEMPTS {
            let (seen, filters, changed) = {
                let records = self.networking.records();
                let plugged = records.ports.get(&key).cloned().ok_or_else(missing)?;
                (plugged, records.filters.clone(), records.filters_changed)
            };
            let wanted = match change.refilters() {
                true => self.wanted(actor, &change.of(&seen), &filters, true).await?,
                false => None,
            };
            let rules = change.link().and_then(|link| self.networking.bindings.get(&link));
            let mut records = self.networking.records();
            let plugged = records.ports.get(&key).cloned().ok_or_else(missing)?;
            if plugged.revision != seen.revision {
                // The guest has other addresses now.
                continue;
            }
            let revision = records.put_port(change.of(&plugged)).revision;
            change.had = Some(Had { rules, plugged });
            let wanted = wanted.into_iter().map(|wanted| Wanted { revision, ..wanted }).collect();
            return Ok((wanted, changed));
        }
        Err(restless())
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
        let key = change.key();
        {
            let _plugged = self.networking.unplugging.lock().await;
            let Some(revision) = self.record_back(change) else { return Ok(()) };
            if let Some(Had { rules: Some(rules), plugged }) = &change.had
                && change.refilters()
            {
                let (binding, watch) = (rules.clone(), plugged.watch.clone());
                // Where it is other by now it was renewed meanwhile.
                self.apply(&[Wanted { key, revision, binding, watch }], None).await?;
            }
            let (before, after) = (change.before.clone(), change.after.clone());
            self.on_networks(move |networks| match networks.has_link(&before)? {
                true => networks.change(&after, &before),
                false => Ok(()),
            })
            .await?;
            self.note_port(&change.before).await?;
        }
        if !change.refilters() {
            return Ok(());
        }
        let watched = self.networking.records().ports.get(&key).and_then(|plugged| plugged.watch.clone());
        let Some(had) = &change.had else {
            // Where nothing was changed yet it is as it was; after a crash nobody is watched yet.
            return if watched.is_none() { self.keep_learned(change).await } else { Ok(()) };
        };
        if change.moves() || watched != had.plugged.watch {
            self.lose(key).await?;
            self.keep_learned(change).await?;
            self.watch_port(key, had.plugged.watch.clone()).await?;
        }
        if change.before.filter.is_none() {
            return self.unbind(key).await;
        }
        if let Err(error) = self.renew_rules(&Actor::Daemon, &[key]).await {
            let link = &change.before.link;
            tracing::error!(link, %error, "an interface that was not changed has the rules that it had");
        }
        Ok(())
    }

    /// Records what the port was; its revision, where it is plugged still.
    fn record_back(&self, change: &PortChange) -> Option<u64> {
        let mut records = self.networking.records();
        let now = records.ports.get(&change.key()).cloned()?;
        let back = match &change.had {
            Some(had) if change.moves() => {
                Plugged { watch: now.watch, learned: now.learned, ..had.plugged.clone() }
            }
            _ => Plugged { port: change.before.clone(), ..now },
        };
        Some(records.put_port(back).revision)
    }

    /// Notes what a port is now for the next daemon.
    async fn note_port(&self, port: &PlannedPort) -> Result<(), Error> {
        let row = row(port)?;
        self.store(move |store| store.put_port(&row)).await
    }

    /// Keeps what was learned before the change, for who watches the guest from now on.
    async fn keep_learned(&self, change: &PortChange) -> Result<(), Error> {
        let (link, learned) = (change.before.link.clone(), change.learned.clone());
        self.store(move |store| match learned {
            Some(learned) => store.put_learned(&link, &learned),
            None => store.remove_learned(&link),
        })
        .await
    }

    /// Forgets what was learned of a guest; true where something was that counted.
    async fn lose(&self, key: PortKey) -> Result<bool, Error> {
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || Ok(networking.lose(key))).await
    }

    /// Takes the rules of a port away that has no filter any more.
    async fn unbind(&self, key: PortKey) -> Result<(), Error> {
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || {
            let _changing = networking.rules();
            let unfiltered = |plugged: &&Plugged| plugged.port.filter.is_none();
            let link = networking
                .records()
                .ports
                .get(&key)
                .filter(unfiltered)
                .map(|plugged| plugged.port.link.clone());
            match link.and_then(|link| LinkName::new(link).ok()) {
                Some(link) => Ok(networking.bindings.unbind(&[link])?),
                None => Ok(()),
            }
        })
        .await
    }
}

fn gone(port: &PlannedPort) -> Error {
    let (link, domain) = (&port.link, &port.domain_name);
    let message = format!("interface '{link}' of domain '{domain}' was unplugged while it was being changed");
    Error::new(ErrorCode::WrongState, message)
}
