//! Verbs on virtual networks (guide 14.14, 14.22), a file a group.

mod define;
mod life;
mod notices;
mod read;
mod recover;
mod update;

use std::sync::Arc;

use reeve_model::event::EventKind;
use reeve_model::network::{ForwardMode, NetworkChange, NetworkConfig, NetworkSummary};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use uuid::Uuid;

use crate::Actions;
use crate::networking::{Network, Records};

impl Actions {
    /// The network with this name or UUID, if `actor` may use `verb` on it.
    fn network(&self, actor: &Actor, verb: Verb, key: &str) -> Result<(Uuid, Network), Error> {
        let found = self.networking.records().network(key).map(|(uuid, network)| (uuid, network.clone()));
        let Some((uuid, network)) = found else {
            self.authorize(actor, verb, key)?;
            let message = format!("network '{key}' does not exist");
            let hint = "'reeve network list --all' shows all networks";
            return Err(Error::new(ErrorCode::NotFound, message).with_hint(hint));
        };
        self.authorize(actor, verb, &network.config().name)?;
        Ok((uuid, network))
    }

    pub(crate) fn tell_network(
        &self,
        actor: &Actor,
        config: &NetworkConfig,
        change: NetworkChange,
        detail: &str,
    ) {
        let (uuid, name, detail) = (config.uuid, config.name.clone(), detail.to_owned());
        self.bus.publish(actor.clone(), EventKind::Network { uuid, name, change, detail });
    }

    /// Runs what may block for a moment on the network crate; it ends even when the caller stops waiting.
    pub(crate) async fn on_networks<T: Send + 'static>(
        &self,
        work: impl FnOnce(&reeve_network::Networks) -> Result<T, reeve_network::NetworkError> + Send + 'static,
    ) -> Result<T, Error> {
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || Ok(work(&networking.networks)?)).await
    }
}

/// The row of a network.
pub(crate) fn summary(records: &Records, uuid: Uuid, network: &Network) -> NetworkSummary {
    let config = network.config();
    NetworkSummary {
        uuid,
        name: config.name.clone(),
        active: network.live.is_some(),
        persistent: network.definition.is_some(),
        autostart: network.autostart,
        mode: config.forward.as_ref().map_or("isolated", |forward| forward.mode.as_str()).to_owned(),
        bridge: config.bridge.name.clone(),
        addresses: config.ips.iter().map(|ip| ip.network.to_string()).collect(),
        connections: records.connections(uuid),
    }
}

/// True where the host makes a bridge.
pub(crate) fn has_own_bridge(config: &NetworkConfig) -> bool {
    config.forward.as_ref().is_none_or(|forward| ForwardMode::has_own_bridge(forward.mode))
}
