//! What networks tell by themselves: leases, and servers that had to be started again.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use reeve_filter::LearningMode;
use reeve_model::network::NetworkChange;
use reeve_model::{Actor, MacAddress};
use tokio::time::Instant;
use uuid::Uuid;

use crate::Actions;
use crate::networking::{Notice, Plugged, PortKey};

/// Pause before rules that could not be renewed are asked for again.
const AGAIN: Duration = Duration::from_secs(10);

impl Actions {
    /// Hands on what networks tell and what is learned of guests, until the networking is gone. To be called once, beside the verbs.
    pub async fn follow_networks(self: Arc<Self>) {
        let Some(mut notices) = self.networking.take_notices() else { return };
        let news = Arc::clone(&self.networking.news);
        let unsettled = &self.networking.unsettled;
        let mut failed = std::mem::take(&mut *unsettled.lock().unwrap_or_else(PoisonError::into_inner));
        // The sender lives in the networking, so this holds the verbs weakly while it waits.
        let actions = Arc::downgrade(&self);
        drop(self);
        let mut again = Instant::now() + AGAIN;
        loop {
            let notice = tokio::select! {
                notice = notices.recv() => match notice {
                    Some(notice) => Some(notice),
                    None => return,
                },
                () = news.arrived() => None,
                () = tokio::time::sleep_until(again), if !failed.is_empty() => None,
            };
            let Some(actions) = actions.upgrade() else { return };
            let before = failed.len();
            match notice {
                Some(notice) => failed.extend(actions.heed(notice).await),
                None => failed.extend(actions.heed_learned(news.take()).await),
            }
            if failed.len() > before {
                again = Instant::now() + AGAIN;
            } else if !failed.is_empty() && again <= Instant::now() {
                failed = actions.retry(failed).await;
                again = Instant::now() + AGAIN;
            }
        }
    }

    /// The port whose rules could not be renewed.
    async fn heed(&self, notice: Notice) -> Option<PortKey> {
        let (uuid, change, detail) = match &notice {
            Notice::ServiceRestarted { network, reason } => {
                (*network, NetworkChange::ServiceRestarted, reason.clone())
            }
            Notice::LeaseAcquired { network, lease } => {
                (*network, NetworkChange::LeaseAcquired, lease.ip.to_string())
            }
            Notice::LeaseExpired { network, lease } => {
                (*network, NetworkChange::LeaseExpired, lease.ip.to_string())
            }
        };
        let config =
            self.networking.records().networks.get(&uuid).map(|network| Arc::clone(network.config()));
        let config = config?;
        let failed = match &notice {
            Notice::LeaseAcquired { lease, .. } => self.leased(uuid, lease.mac, lease.ip, true).await,
            Notice::LeaseExpired { lease, .. } => self.leased(uuid, lease.mac, lease.ip, false).await,
            Notice::ServiceRestarted { .. } => None,
        };
        self.tell_network(&Actor::Daemon, &config, change, &detail);
        failed
    }

    /// Notes an address that a network gave to a guest, or that it is the guest's no more, and renews the rules of that port alone; the
    /// port, where they could not be.
    async fn leased(
        &self,
        network: Uuid,
        mac: Option<MacAddress>,
        address: IpAddr,
        is_its: bool,
    ) -> Option<PortKey> {
        let (key, came, went, outdated) = {
            let mut records = self.networking.records();
            let port =
                |plugged: &&Plugged| Some(plugged.port.mac) == mac && plugged.port.network == Some(network);
            let plugged = records.ports.values().find(port)?;
            let key = plugged.key();
            let learned_other = is_its && plugged.learned.iter().any(|learned| *learned != address);
            let by_packet = plugged.watch.as_ref().filter(|watch| watch.mode == LearningMode::Any).cloned();
            let (came, went) =
                records.change_addresses(key, |plugged| match (is_its, plugged.leased.contains(&address)) {
                    (true, false) => plugged.leased.push(address),
                    (false, true) => plugged.leased.retain(|own| *own != address),
                    _ => {}
                });
            (key, came, went, by_packet.filter(|_| learned_other))
        };
        if outdated.is_some() {
            // A packet told another one, which is not to come back when the lease ends.
            self.relearn_ports(vec![key]).await;
        }
        let changed = !(came.is_empty() && went.is_empty());
        let failed = (changed && !self.readdressed(key, &went).await).then_some(key);
        self.tell_learned(key, Vec::new(), went).await;
        failed
    }
}
