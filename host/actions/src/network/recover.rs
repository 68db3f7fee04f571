//! The start of the daemon, as far as networks go: definitions, what an earlier daemon left active, and what comes with the product.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use reeve_events::Delivery;
use reeve_filter::{Binding, Limits, ValidRuleset};
use reeve_model::event::{DomainChange, EventKind};
use reeve_model::filter::{Chain, FilterConfig, Flow, Layer, Rule, Ruleset, Verdict};
use reeve_model::network::NetworkConfig;
use reeve_model::{Actor, Error, MacAddress};
use reeve_network::PlannedPort;
use reeve_store::{FilterRow, NetworkRow, PortRow};
use reeve_sys::link::LinkName;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::define::row;
use crate::networking::{Network, Plugged, PortKey};
use crate::{Actions, document};

/// Set when what comes with the product was defined: what an operator removed later stays removed.
const SHIPPED: &str = "networks.shipped";

impl Actions {
    /// Loads definitions and takes over what is active; sentences on what could not be read. To be called before domains are recovered.
    pub(crate) async fn recover_networks(&self) -> Result<Vec<String>, Error> {
        let (networks, filters, active, ports, shipped) = self
            .store(|store| {
                let shipped = store.setting(SHIPPED)?.is_some();
                Ok((store.networks()?, store.filters()?, store.active_networks()?, store.ports()?, shipped))
            })
            .await?;
        let mut unreadable = Vec::new();
        let mut records = BTreeMap::new();
        for NetworkRow { uuid, name, xml, autostart } in networks {
            match document::parse_network(&xml, false) {
                Ok((config, _)) => {
                    let network = Network { definition: Some(Arc::new(config)), live: None, autostart };
                    records.insert(uuid, network);
                }
                Err(error) => unreadable.push(format!("network '{name}' was not loaded: {error}")),
            }
        }
        let mut live: Vec<NetworkConfig> = Vec::new();
        for text in active {
            match serde_json::from_str(&text) {
                Ok(config) => live.push(config),
                Err(fault) => unreadable.push(format!("an active network was not taken over: {fault}")),
            }
        }
        let mut plugged: BTreeMap<(Uuid, MacAddress), Plugged> = BTreeMap::new();
        for PortRow { domain, mac, port } in ports {
            match serde_json::from_str::<PlannedPort>(&port) {
                Ok(port) => {
                    plugged.insert((domain, port.mac), Plugged { is_made: true, ..Plugged::new(port, 0) });
                }
                Err(fault) => {
                    unreadable.push(format!("interface {mac} of domain {domain} was not taken over: {fault}"))
                }
            }
        }
        let known: Vec<PlannedPort> = plugged.values().map(|plugged| plugged.port.clone()).collect();
        let told = live.clone();
        let nothing = told.is_empty() && known.is_empty();
        let adopted = match nothing {
            // A host that had nothing active has nothing to take over, and may lack the rights to look.
            true => Vec::new(),
            false => self.on_networks(move |networks| Ok(networks.adopt(&told, &known))).await?,
        };
        for found in adopted {
            let Some(config) = live.iter().find(|config| config.uuid == found.network) else { continue };
            match found.outcome {
                Ok(mended) => {
                    for sentence in mended {
                        tracing::warn!(network = config.name, "taken over: {sentence}");
                    }
                    let none = || Network { definition: None, live: None, autostart: false };
                    let record = records.entry(config.uuid).or_insert_with(none);
                    record.live = Some(Arc::new(config.clone()));
                }
                Err(error) => {
                    tracing::error!(network = config.name, %error, "could not be taken over and is not active any more");
                    let uuid = config.uuid;
                    self.store(move |store| store.remove_active_network(uuid)).await?;
                }
            }
        }
        let mut loaded = BTreeMap::new();
        for FilterRow { name, xml, .. } in filters {
            match document::parse_filter(&xml, false) {
                Ok((read, _)) => drop(loaded.insert(name, Arc::new(read.filter))),
                Err(error) => unreadable.push(format!("packet filter '{name}' was not loaded: {error}")),
            }
        }
        {
            let mut all = self.networking.records();
            (all.networks, all.filters, all.ports) = (records, loaded, plugged);
        }
        if !shipped {
            self.define_shipped().await?;
        }
        Ok(unreadable)
    }

    /// Defines the filters and the network that come with the product, once.
    async fn define_shipped(&self) -> Result<(), Error> {
        let mut filters: Vec<FilterConfig> = Vec::new();
        for (name, xml) in reeve_filter::shipped::shipped() {
            let (read, _) = document::parse_filter(xml, false)?;
            if !self.networking.records().filters.contains_key(name) {
                filters.push(read.filter);
            }
        }
        let mut network = reeve_network::default_network();
        let taken = self.networking.records().network(&network.name).is_some();
        // A name and an address for the bridge are chosen when it starts first, if the host can't be looked at now.
        if let Ok(filled) = self.fill_network(network.clone()).await {
            network = filled;
        }
        let wanted = (!taken).then_some(network);
        let rows: Vec<FilterRow> = (filters.iter())
            .map(|filter| FilterRow {
                uuid: filter.uuid,
                name: filter.name.clone(),
                xml: document::format_filter(filter),
            })
            .collect();
        let network_row = wanted.as_ref().map(|network| row(network, false));
        self.store(move |store| {
            rows.iter().try_for_each(|row| store.put_filter(row))?;
            network_row.iter().try_for_each(|row| store.put_network(row))?;
            store.put_setting(SHIPPED, "1")
        })
        .await?;
        let mut records = self.networking.records();
        for filter in filters {
            records.filters.insert(filter.name.clone(), Arc::new(filter));
        }
        if let Some(network) = wanted {
            let definition = Some(Arc::new(network));
            let uuid = definition.as_ref().map_or(Uuid::nil(), |network| network.uuid);
            records.networks.insert(uuid, Network { definition, live: None, autostart: false });
        }
        Ok(())
    }

    /// Unplugs what belongs to domains that are not active any more, and puts the rules of the others into force. To be called when
    /// policies can be asked.
    pub async fn settle_networks(self: &Arc<Self>) {
        if self.networking.records().ports.is_empty() {
            // Nor are there rules of an earlier daemon.
            return;
        }
        self.unplug_ended().await;
        let mut unsettled = self.recall_addresses().await;
        let (ports, filters) = {
            let records = self.networking.records();
            (records.ports.values().cloned().collect::<Vec<Plugged>>(), records.filters.clone())
        };
        let mut bindings = Vec::new();
        for plugged in ports {
            match self.wanted(&Actor::Daemon, &plugged, &filters, false).await {
                Ok(wanted) => bindings.extend(wanted.map(|wanted| wanted.binding)),
                Err(error) => {
                    tracing::error!(link = plugged.port.link, %error, "an interface is closed until it has rules again");
                    bindings.extend(closed(&plugged));
                    unsettled.insert(plugged.key());
                }
            }
        }
        *self.networking.unsettled.lock().unwrap_or_else(PoisonError::into_inner) = unsettled;
        let networking = Arc::clone(&self.networking);
        // Interfaces without a filter may have one in the kernel: a change that was unwound left it; or a domain that has ended.
        let adopted =
            crate::blocking(move || match bindings.is_empty() && !networking.bindings.has_tables()? {
                true => Ok(()),
                false => Ok(networking.bindings.adopt(bindings)?),
            })
            .await;
        if let Err(error) = adopted {
            tracing::error!(%error, "packet rules could not be put into force again; those before are in place");
        }
    }

    /// Notes what is known from before of the addresses behind ports, and watches their guests again; the ports that can't be watched.
    async fn recall_addresses(&self) -> BTreeSet<PortKey> {
        let (ports, filters) = {
            let records = self.networking.records();
            (records.ports.values().cloned().collect::<Vec<Plugged>>(), records.filters.clone())
        };
        let networks: BTreeSet<Uuid> = ports.iter().filter_map(|plugged| plugged.port.network).collect();
        for network in networks {
            // One that is not active any more has none.
            let leases = self.on_networks(move |networks| networks.leases(network)).await.unwrap_or_default();
            let mut records = self.networking.records();
            for lease in leases {
                let own = |plugged: &&mut Plugged| {
                    plugged.port.network == Some(network) && Some(plugged.port.mac) == lease.mac
                };
                if let Some(plugged) = records.ports.values_mut().find(own) {
                    plugged.leased.push(lease.ip);
                }
            }
        }
        let mut unwatched = BTreeSet::new();
        for plugged in ports {
            let watched = match self.watch_of(&plugged, &filters) {
                Ok(watch) => self.watch_port(plugged.key(), watch).await,
                // Said when its rules are made.
                Err(_) => continue,
            };
            if let Err(error) = watched {
                tracing::error!(link = plugged.port.link, %error, "addresses of an interface are not learned");
                unwatched.insert(plugged.key());
            }
        }
        let mut records = self.networking.records();
        for plugged in records.ports.values_mut() {
            let learned = plugged.learned.iter().copied();
            plugged.told = learned.filter(|ip| !plugged.leased.contains(ip)).collect();
        }
        unwatched
    }

    /// Unplugs what belongs to domains that are not active.
    async fn unplug_ended(&self) {
        let domains: BTreeSet<Uuid> =
            self.networking.records().ports.keys().map(|(domain, _)| *domain).collect();
        for domain in domains {
            let active = self.domains.snapshot(domain).is_ok_and(|found| found.summary.state.is_active());
            if !active && let Err(error) = self.unplug_all(&Actor::Daemon, domain, None).await {
                tracing::error!(%domain, %error, "interfaces of a domain that has ended could not be unplugged");
            }
        }
    }

    /// Unplugs the interfaces of domains that end, and learns the addresses of resumed ones again, until `stop` is cancelled. To be called
    /// once, beside the verbs.
    pub async fn follow_domains(self: Arc<Self>, stop: CancellationToken) {
        let mut events = self.bus.subscribe(None);
        // Of guests that an earlier daemon did not hear any more.
        self.keep_clocks().await;
        loop {
            let delivery = tokio::select! {
                () = stop.cancelled() => return,
                delivery = events.next() => delivery,
            };
            let Some(delivery) = delivery else { return };
            match delivery {
                Delivery::Event(event) => match event.kind {
                    EventKind::Domain { uuid, change: DomainChange::Released, .. } => {
                        if let Err(error) = self.unplug_all(&Actor::Daemon, uuid, Some(event.seq)).await {
                            tracing::error!(domain = %uuid, %error, "interfaces could not be unplugged");
                        }
                    }
                    EventKind::Domain { uuid, change: DomainChange::Resumed, .. } => self.relearn(uuid).await,
                    EventKind::Domain { uuid, change: DomainChange::ClockChanged, .. } => {
                        self.keep_clock(uuid).await;
                    }
                    _ => {}
                },
                Delivery::Lagged { .. } => {
                    self.unplug_ended().await;
                    self.keep_clocks().await;
                }
            }
        }
    }
}

/// Rules that let nothing through.
fn closed(plugged: &Plugged) -> Option<Binding> {
    let chain = |flow, name: &str| Chain {
        name: name.to_owned(),
        layer: Layer::Link,
        entry: Some(flow),
        rules: vec![Rule { matches: Vec::new(), verdict: Verdict::Drop, comment: None }],
    };
    let rules =
        Ruleset { chains: vec![chain(Flow::In, "in"), chain(Flow::Out, "out")], ..Ruleset::default() };
    let rules: ValidRuleset = reeve_filter::check(rules, &Limits::default()).ok()?;
    Some(Binding {
        link: LinkName::new(plugged.port.link.as_str()).ok()?,
        bridge: plugged.port.bridge().and_then(|bridge| LinkName::new(bridge).ok()),
        addresses: Vec::new(),
        filters: plugged.port.filter.iter().map(|filter| filter.filter.clone()).collect(),
        rules: Arc::new(rules),
    })
}
