//! Addresses of guests that nobody wrote down: who is watched, where what was learned is kept, and how it comes back to the verbs.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use reeve_filter::{AddressSink, Binding, LearningError, LearningMode, Lease, LeaseKeeper, Watch};
use reeve_model::event::FilterChange;
use reeve_model::network::NetworkChange;
use reeve_model::{Actor, Error, ErrorCode};
use reeve_store::Store;
use reeve_sys::link::LinkName;
use tokio::sync::Notify;
use uuid::Uuid;

use super::rules::{Wanted, provisional};
use crate::Actions;
use crate::networking::{Networking, Plugged, PortKey};

/// Keeps learned addresses in the store.
pub(crate) struct StoreLeases(pub(crate) Store);

impl LeaseKeeper for StoreLeases {
    fn load(&self, link: &LinkName) -> io::Result<Vec<Lease>> {
        let kept = self.0.learned(link.as_str()).map_err(io::Error::other)?;
        kept.map_or_else(|| Ok(Vec::new()), |text| serde_json::from_str(&text).map_err(io::Error::other))
    }

    fn save(&self, link: &LinkName, leases: &[Lease]) -> io::Result<()> {
        let kept = match leases {
            [] => self.0.remove_learned(link.as_str()),
            leases => self.0.put_learned(link.as_str(), &serde_json::to_string(leases)?),
        };
        kept.map_err(io::Error::other)
    }
}

/// Links whose addresses are others now, until somebody looks. As many as there are ports at most, whatever guests do.
#[derive(Default)]
pub(crate) struct News {
    links: Mutex<BTreeSet<LinkName>>,
    some: Notify,
}

impl News {
    /// Waits until there is some.
    pub(crate) async fn arrived(&self) {
        self.some.notified().await;
    }

    pub(crate) fn take(&self) -> BTreeSet<LinkName> {
        std::mem::take(&mut *self.links.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AddressSink for News {
    fn changed(&self, link: &LinkName, _: &[IpAddr]) {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).insert(link.clone());
        self.some.notify_one();
    }
}

impl Networking {
    /// Watches the guest of a port this way from now on, or not any more; nothing for a port that is not there.
    pub(crate) fn follow(&self, key: PortKey, watch: Option<Watch>) -> Result<(), LearningError> {
        let _changing = self.rules();
        let Some(learning) = &self.learning else { return Ok(()) };
        let current = match self.records().ports.get(&key) {
            Some(plugged) if plugged.is_made && plugged.watch != watch => plugged.watch.clone(),
            _ => return Ok(()),
        };
        // What was learned another way does not count: a server may be trusted no more.
        if let Some(current) = current {
            learning.forget(&current.link);
        }
        let learned = watch.clone().map_or_else(|| Ok(Vec::new()), |watch| learning.watch(watch))?;
        if let Some(watch) = watch.as_ref().filter(|_| !learned.is_empty()) {
            self.news.changed(&watch.link, &learned);
        }
        self.records().change_addresses(key, |plugged| (plugged.watch, plugged.learned) = (watch, learned));
        Ok(())
    }

    /// Stops watching the guest of a port and forgets what was learned of it; true where that counted.
    pub(crate) fn lose(&self, key: PortKey) -> bool {
        let _changing = self.rules();
        let link = self.records().ports.get(&key).map(|plugged| plugged.port.link.clone());
        let Some(link) = link.and_then(|link| LinkName::new(link).ok()) else { return false };
        self.unfollow(&link);
        let (_, went) = self
            .records()
            .change_addresses(key, |plugged| (plugged.watch, plugged.learned) = (None, Vec::new()));
        !went.is_empty()
    }

    /// Stops watching what was plugged behind a link, and forgets what was learned there.
    pub(crate) fn unfollow(&self, link: &LinkName) {
        if let Some(learning) = &self.learning {
            learning.forget(link);
        }
    }

    /// Lets the next packet of each guest teach its address, where it was a packet that did.
    fn relearn(&self, keys: &[PortKey]) -> Result<(), LearningError> {
        let _changing = self.rules();
        let Some(learning) = &self.learning else { return Ok(()) };
        for key in keys {
            let watch = self.records().ports.get(key).and_then(|plugged| plugged.watch.clone());
            if let Some(watch) = watch.filter(|watch| watch.mode == LearningMode::Any) {
                learning.relearn(&watch.link)?;
                self.news.changed(&watch.link, &[]);
            }
        }
        Ok(())
    }

    /// The port behind a link that is watched.
    fn watched(&self, link: &LinkName) -> Option<PortKey> {
        let records = self.records();
        let mut watched = records.ports.values().filter(|plugged| plugged.watch.is_some());
        watched.find(|plugged| plugged.port.link == link.as_str()).map(Plugged::key)
    }
}

impl Actions {
    /// Watches guests the way their filters want it.
    pub(crate) async fn watch_all(&self, wanted: &[Wanted]) -> Result<(), Error> {
        for one in wanted {
            self.watch_port(one.key, one.watch.clone()).await?;
        }
        Ok(())
    }

    /// Watches the guest of a port from now on the way that its filter wants it.
    pub(crate) async fn watch_anew(&self, key: PortKey) -> Result<(), Error> {
        let (plugged, filters) = {
            let records = self.networking.records();
            let Some(plugged) = records.ports.get(&key).cloned() else { return Ok(()) };
            (plugged, records.filters.clone())
        };
        self.watch_port(key, self.watch_of(&plugged, &filters)?).await
    }

    /// Watches the guest of a port this way from now on, or not any more.
    pub(crate) async fn watch_port(&self, key: PortKey, watch: Option<Watch>) -> Result<(), Error> {
        if self.networking.records().ports.get(&key).is_none_or(|plugged| plugged.watch == watch) {
            return Ok(());
        }
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || Ok(networking.follow(key, watch)?)).await
    }

    /// Takes over what was learned of the addresses behind links, and renews the rules of those ports; the ports that could not have new
    /// ones.
    pub(crate) async fn heed_learned(&self, links: BTreeSet<LinkName>) -> BTreeSet<PortKey> {
        let mut failed = BTreeSet::new();
        for link in links {
            let Some(key) = self.networking.watched(&link) else { continue };
            let learned = self.networking.learning.as_ref().map(|learning| learning.addresses(&link));
            let (came, went) = self.networking.records().change_addresses(key, |plugged| {
                plugged.learned = learned.unwrap_or_default();
            });
            if !self.readdressed(key, &went).await {
                failed.insert(key);
            }
            self.tell_learned(key, came, went).await;
        }
        failed
    }

    /// Renews the rules of a port whose addresses are others now; false where they could not be. An address that the guest has no more
    /// is closed all the same.
    pub(crate) async fn readdressed(&self, key: PortKey, went: &[IpAddr]) -> bool {
        let Err(error) = self.renew_rules(&Actor::Daemon, &[key]).await else { return true };
        let Some(plugged) = self.networking.records().ports.get(&key).cloned() else { return true };
        let link = &plugged.port.link;
        tracing::error!(link, %error, "the rules of an interface could not be renewed");
        let filter = plugged.port.filter.as_ref();
        let filter = filter.and_then(|filter| self.networking.records().filters.get(&filter.filter).cloned());
        if let Some(filter) = filter {
            self.tell_filter(&Actor::Daemon, &filter, FilterChange::Failed);
        }
        if !went.is_empty()
            && let Err(error) = self.close(&plugged).await
        {
            tracing::error!(link, %error, "an interface could not be closed to an address that ended");
        }
        false
    }

    /// Renews the rules of ports that could not have new ones; those that still can't.
    pub(crate) async fn retry(&self, keys: BTreeSet<PortKey>) -> BTreeSet<PortKey> {
        let mut failed = BTreeSet::new();
        for key in keys {
            if let Err(error) = self.renew_rules(&Actor::Daemon, &[key]).await {
                tracing::debug!(%error, "the rules of an interface still can't be renewed");
                failed.insert(key);
            }
        }
        failed
    }

    /// Lets nothing pass but what finds out an address.
    async fn close(&self, plugged: &Plugged) -> Result<(), Error> {
        let Some(watch) = plugged.watch.clone() else { return Ok(()) };
        let Some(current) = self.networking.bindings.get(&watch.link) else { return Ok(()) };
        let rules = provisional(&watch).map_err(|bad| Error::new(ErrorCode::Internal, bad.to_string()))?;
        let binding = Binding { addresses: Vec::new(), rules: Arc::new(rules), ..current };
        let (key, revision) = (plugged.key(), plugged.revision);
        // Where it is other by now it was renewed meanwhile, or will be.
        self.apply(&[Wanted { key, revision, binding, watch: Some(watch) }], None).await.map(drop)
    }

    /// A domain that was suspended goes on: what its first packets say counts (guide 18.12.5.1).
    pub(crate) async fn relearn(&self, domain: Uuid) {
        let keys: Vec<PortKey> = {
            let records = self.networking.records();
            records.ports.keys().filter(|(owner, _)| *owner == domain).copied().collect()
        };
        self.relearn_ports(keys).await;
    }

    /// Lets the next packet of each guest teach its address, where it was a packet that did.
    pub(crate) async fn relearn_ports(&self, keys: Vec<PortKey>) {
        let networking = Arc::clone(&self.networking);
        if let Err(error) = crate::blocking(move || Ok(networking.relearn(&keys)?)).await {
            tracing::error!(%error, "addresses can't be learned again");
        }
    }

    /// Tells of learned addresses, where the port is one of a network and its own DHCP server does not.
    pub(crate) async fn tell_learned(&self, key: PortKey, came: Vec<IpAddr>, went: Vec<IpAddr>) {
        let Some(network) =
            self.networking.records().ports.get(&key).and_then(|plugged| plugged.port.network)
        else {
            return;
        };
        let leases = self.on_networks(move |networks| networks.leases(network)).await.unwrap_or_default();
        let own = |ip: &IpAddr| leases.iter().any(|lease| lease.mac == Some(key.1) && lease.ip == *ip);
        let (acquired, expired): (Vec<IpAddr>, Vec<IpAddr>) = {
            let mut records = self.networking.records();
            let Some(plugged) = records.ports.get_mut(&key) else { return };
            let acquired: Vec<IpAddr> = came.into_iter().filter(|ip| !own(ip)).collect();
            plugged.told.extend(&acquired);
            (acquired, went.into_iter().filter(|ip| plugged.told.remove(ip)).collect())
        };
        let found =
            self.networking.records().networks.get(&network).map(|network| Arc::clone(network.config()));
        let Some(config) = found else { return };
        let told = acquired.into_iter().map(|ip| (NetworkChange::LeaseAcquired, ip));
        for (change, ip) in told.chain(expired.into_iter().map(|ip| (NetworkChange::LeaseExpired, ip))) {
            self.tell_network(&Actor::Daemon, &config, change, &ip.to_string());
        }
    }
}
