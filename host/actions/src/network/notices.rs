//! What networks tell by themselves: leases, and servers that had to be started again.

use std::net::IpAddr;
use std::sync::Arc;

use reeve_model::network::NetworkChange;
use reeve_model::{Actor, MacAddress};
use uuid::Uuid;

use crate::Actions;
use crate::networking::Notice;

impl Actions {
    /// Hands on what networks tell, until the networking is gone. To be called once, beside the verbs.
    pub async fn follow_networks(self: Arc<Self>) {
        let Some(mut notices) = self.networking.take_notices() else { return };
        // The sender lives in the networking, so this holds the verbs weakly while it waits.
        let actions = Arc::downgrade(&self);
        drop(self);
        while let Some(notice) = notices.recv().await {
            let Some(actions) = actions.upgrade() else { return };
            actions.heed(notice).await;
        }
    }

    async fn heed(&self, notice: Notice) {
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
        let Some(config) = config else { return };
        match &notice {
            Notice::LeaseAcquired { lease, .. } => self.learned(uuid, lease.mac, lease.ip, true).await,
            Notice::LeaseExpired { lease, .. } => self.learned(uuid, lease.mac, lease.ip, false).await,
            Notice::ServiceRestarted { .. } => {}
        }
        self.tell_network(&Actor::Daemon, &config, change, &detail);
    }

    /// Notes an address of a guest, or that it is the guest's no more, and renews the rules of that port alone.
    async fn learned(&self, network: Uuid, mac: Option<MacAddress>, address: IpAddr, is_its: bool) {
        let changed = {
            let mut records = self.networking.records();
            let port = records
                .ports
                .iter_mut()
                .find(|((_, own), plugged)| Some(*own) == mac && plugged.port.network == Some(network));
            port.and_then(|(key, plugged)| {
                let known = plugged.addresses.contains(&address);
                match (is_its, known) {
                    (true, false) => plugged.addresses.push(address),
                    (false, true) => plugged.addresses.retain(|own| *own != address),
                    _ => return None,
                }
                plugged.port.filter.is_some().then_some(*key)
            })
        };
        if let Some(key) = changed
            && let Err(error) = self.renew_rules(&Actor::Daemon, &[key]).await
        {
            tracing::error!(%address, %error, "the rules of an interface could not be renewed; the old ones stay");
        }
    }
}
