//! Networks are started, created and stopped.

use std::sync::Arc;

use reeve_model::network::{DefinedNetwork, NetworkChange, NetworkConfig, NetworkSummary};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use uuid::Uuid;

use super::summary;
use crate::networking::Network;
use crate::policy_port::{Denial, NetworkGuard, NetworkQuestion};
use crate::{Actions, document};

impl Actions {
    /// Starts a defined network.
    pub async fn start_network(&self, actor: &Actor, key: &str) -> Result<NetworkSummary, Error> {
        let (uuid, network) = self.network(actor, Verb::NetworkStart, key)?;
        refuse_active(&network)?;
        let config = Arc::clone(network.config());
        self.ask_network_start(actor, uuid, &network, &config).await?;
        let _changing = self.networking.changing.lock().await;
        let (_, network) = self.network(actor, Verb::NetworkStart, key)?;
        refuse_active(&network)?;
        if !Arc::ptr_eq(network.config(), &config) {
            let message = format!("network '{}' was redefined while its start was decided", config.name);
            return Err(Error::new(ErrorCode::Busy, message).with_hint("start it again"));
        }
        self.bring_up_network(actor, &config).await?;
        self.network_info(&Actor::Daemon, key)
    }

    /// Starts a network that has no definition; it is gone when it stops. One that is defined is started with this document.
    pub async fn create_network(
        &self,
        actor: &Actor,
        xml: &str,
        strict: bool,
    ) -> Result<DefinedNetwork, Error> {
        let (config, warnings) = self.read_network(actor, Verb::NetworkStart, xml, strict)?;
        let config = Arc::new(self.fill_network(config).await?);
        self.check_network_identity(&config)?;
        let uuid = config.uuid;
        let asked = Network { definition: Some(Arc::clone(&config)), live: None, autostart: false };
        self.ask_network_start(actor, uuid, &asked, &config).await?;
        let _changing = self.networking.changing.lock().await;
        self.check_network_identity(&config)?;
        if let Some(network) = self.networking.records().networks.get(&uuid) {
            refuse_active(network)?;
        }
        let mut warnings = warnings;
        warnings.extend(self.bring_up_network(actor, &config).await?);
        Ok(DefinedNetwork { network: self.network_info(&Actor::Daemon, &uuid.to_string())?, warnings })
    }

    /// Stops a network at once. Guests that are plugged in are cut off until it is started again.
    pub async fn destroy_network(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let (uuid, network) = self.network(actor, Verb::NetworkDestroy, key)?;
        refuse_inactive(&network)?;
        let row = summary(&self.networking.records(), uuid, &network);
        let question = NetworkQuestion::Stop { network: row };
        self.ask_network(actor, question, "network-stop", &network.config().name).await?;
        let _changing = self.networking.changing.lock().await;
        let (_, network) = self.network(actor, Verb::NetworkDestroy, key)?;
        refuse_inactive(&network)?;
        let config = Arc::clone(network.config());
        self.on_networks(move |networks| networks.stop(uuid)).await?;
        self.store(move |store| store.remove_active_network(uuid)).await?;
        {
            let mut records = self.networking.records();
            match records.networks.get_mut(&uuid) {
                Some(record) if record.definition.is_some() => record.live = None,
                _ => drop(records.networks.remove(&uuid)),
            }
        }
        self.tell_network(actor, &config, NetworkChange::Stopped, "");
        Ok(())
    }

    /// Starts every network that the daemon starts; the errors by name. Failing ones do not stop the others.
    pub async fn start_networks(&self) -> Vec<(String, Error)> {
        let wanted: Vec<String> = {
            let records = self.networking.records();
            let inactive =
                records.networks.values().filter(|network| network.autostart && network.live.is_none());
            inactive.map(|network| network.config().name.clone()).collect()
        };
        let mut failed = Vec::new();
        for name in wanted {
            if let Err(error) = self.start_network(&Actor::Daemon, &name).await {
                tracing::warn!(network = name, %error, "could not be started with the daemon");
                failed.push((name, error));
            }
        }
        failed
    }

    async fn ask_network_start(
        &self,
        actor: &Actor,
        uuid: Uuid,
        network: &Network,
        config: &NetworkConfig,
    ) -> Result<(), Error> {
        let row = summary(&self.networking.records(), uuid, network);
        let question = NetworkQuestion::Start { network: row, xml: document::format_network(config) };
        self.ask_network(actor, question, "network-start", &config.name).await
    }

    /// Asks the guards; their denial as an error.
    async fn ask_network(
        &self,
        actor: &Actor,
        question: NetworkQuestion,
        hook: &str,
        name: &str,
    ) -> Result<(), Error> {
        let asked = self.policy.guard_network(NetworkGuard { actor: actor.clone(), question }).await;
        asked.map_err(|Denial { policy, reason }| {
            let message = format!("policy '{policy}' denies {hook} of network '{name}': {reason}");
            let hint = format!("'reeve policy decisions --subject {name}' shows what it was asked");
            Error::new(ErrorCode::Denied, message).with_hint(hint)
        })
    }

    /// Makes it active and notes that. The caller holds the right to change networks.
    async fn bring_up_network(
        &self,
        actor: &Actor,
        config: &Arc<NetworkConfig>,
    ) -> Result<Vec<String>, Error> {
        let uuid = config.uuid;
        let live = serde_json::to_string(config.as_ref()).map_err(|fault| {
            Error::new(ErrorCode::Internal, format!("network '{}' can't be noted: {fault}", config.name))
        })?;
        // Noted first: a daemon that dies in between finds it again, and takes down what there is of it.
        self.store(move |store| store.put_active_network(uuid, &live)).await?;
        let wanted = Arc::clone(config);
        let warnings = match self.on_networks(move |networks| networks.start(&wanted)).await {
            Ok(warnings) => warnings,
            Err(error) => {
                self.store(move |store| store.remove_active_network(uuid)).await?;
                return Err(error);
            }
        };
        {
            let mut records = self.networking.records();
            let none = || Network { definition: None, live: None, autostart: false };
            records.networks.entry(uuid).or_insert_with(none).live = Some(Arc::clone(config));
        }
        for warning in &warnings {
            tracing::warn!(network = config.name, "{warning}");
        }
        self.tell_network(actor, config, NetworkChange::Started, "");
        Ok(warnings)
    }
}

fn refuse_active(network: &Network) -> Result<(), Error> {
    match network.live.is_some() {
        false => Ok(()),
        true => {
            let message = format!("network '{}' is active already", network.config().name);
            Err(Error::new(ErrorCode::WrongState, message))
        }
    }
}

fn refuse_inactive(network: &Network) -> Result<(), Error> {
    match network.live.is_some() {
        true => Ok(()),
        false => {
            let name = &network.config().name;
            let hint = format!("start it with 'reeve network start {name}'");
            Err(Error::new(ErrorCode::WrongState, format!("network '{name}' is not active")).with_hint(hint))
        }
    }
}
