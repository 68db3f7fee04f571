//! Definitions of networks: added, replaced, removed.

use std::sync::Arc;

use reeve_model::network::{DefinedNetwork, NetworkChange, NetworkConfig, NetworkSummary};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::NetworkRow;

use super::{has_own_bridge, summary};
use crate::networking::Network;
use crate::{Actions, document};

impl Actions {
    /// Adds a definition, or replaces the one with the same name and UUID. A running network goes on as it is until its next start.
    pub async fn define_network(
        &self,
        actor: &Actor,
        xml: &str,
        strict: bool,
    ) -> Result<DefinedNetwork, Error> {
        let (config, warnings) = self.read_network(actor, Verb::NetworkDefine, xml, strict)?;
        let _changing = self.networking.changing.lock().await;
        self.keep_network(actor, config, None, warnings).await
    }

    /// Replaces the definition of a network; its name and UUID must stay. `expected` is the digest of the document that the editor began
    /// with; none overwrites anything.
    pub async fn edit_network(
        &self,
        actor: &Actor,
        key: &str,
        xml: &str,
        strict: bool,
        expected: Option<&str>,
    ) -> Result<DefinedNetwork, Error> {
        let (uuid, network) = self.network(actor, Verb::NetworkDefine, key)?;
        let name = network.config().name.clone();
        let (config, warnings) = self.read_network(actor, Verb::NetworkDefine, xml, strict)?;
        if config.name != name || config.uuid != uuid {
            let message = format!("an edit may not change the name or UUID of network '{name}' ({uuid})");
            return Err(Error::new(ErrorCode::Invalid, message).with_hint("define a new network instead"));
        }
        let _changing = self.networking.changing.lock().await;
        self.keep_network(actor, config, expected, warnings).await
    }

    /// Removes the definition of a network; one that runs becomes transient.
    pub async fn undefine_network(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let (uuid, _) = self.network(actor, Verb::NetworkUndefine, key)?;
        let _changing = self.networking.changing.lock().await;
        let (_, network) = self.network(actor, Verb::NetworkUndefine, key)?;
        let name = network.config().name.clone();
        let Some(definition) = network.definition.clone() else {
            let message = format!("network '{name}' is transient: it has no definition");
            let hint = format!("stop it with 'reeve network destroy {name}'");
            return Err(Error::new(ErrorCode::WrongState, message).with_hint(hint));
        };
        self.store(move |store| store.remove_network(uuid)).await?;
        let gone = {
            let mut records = self.networking.records();
            match records.networks.get_mut(&uuid) {
                Some(record) if record.live.is_some() => {
                    (record.definition, record.autostart) = (None, false);
                    false
                }
                _ => records.networks.remove(&uuid).is_some(),
            }
        };
        if gone {
            self.on_networks(move |networks| networks.forget(uuid)).await?;
        }
        self.tell_network(actor, &definition, NetworkChange::Undefined, "");
        Ok(())
    }

    /// Whether the daemon starts a network by itself.
    pub async fn set_network_autostart(
        &self,
        actor: &Actor,
        key: &str,
        autostart: bool,
    ) -> Result<NetworkSummary, Error> {
        let (uuid, _) = self.network(actor, Verb::NetworkDefine, key)?;
        let _changing = self.networking.changing.lock().await;
        let (_, network) = self.network(actor, Verb::NetworkDefine, key)?;
        let Some(definition) = network.definition.clone() else {
            let message = format!(
                "network '{}' is transient: it can't be started by the daemon",
                network.config().name
            );
            return Err(Error::new(ErrorCode::WrongState, message).with_hint("define it first"));
        };
        let row = row(&definition, autostart);
        self.store(move |store| store.put_network(&row)).await?;
        if let Some(record) = self.networking.records().networks.get_mut(&uuid) {
            record.autostart = autostart;
        }
        self.tell_network(actor, &definition, NetworkChange::Updated, "autostart");
        self.network_info(&Actor::Daemon, key)
    }

    /// Reads a document, checks it against what holds on every host, and refuses what `actor` may not do to it.
    pub(super) fn read_network(
        &self,
        actor: &Actor,
        verb: Verb,
        xml: &str,
        strict: bool,
    ) -> Result<(NetworkConfig, Vec<String>), Error> {
        let (config, warnings) = document::parse_network(xml, strict)?;
        self.authorize(actor, verb, &config.name)?;
        check(&config)?;
        Ok((config, warnings))
    }

    /// Fills in what the document leaves to the host, and keeps it. The caller holds the right to change networks.
    pub(super) async fn keep_network(
        &self,
        actor: &Actor,
        config: NetworkConfig,
        expected: Option<&str>,
        mut warnings: Vec<String>,
    ) -> Result<DefinedNetwork, Error> {
        let config = self.fill_network(config).await?;
        self.check_network_identity(&config)?;
        let uuid = config.uuid;
        let old = self.networking.records().networks.get(&uuid).cloned();
        let before = old.as_ref().and_then(|network| network.definition.clone());
        let now = before.map(|definition| document::digest(&document::format_network(&definition)));
        if expected.is_some() && now.as_deref() != expected {
            let message =
                format!("the definition of network '{}' was changed by somebody else meanwhile", config.name);
            let hint = "begin the edit again from the new document";
            return Err(Error::new(ErrorCode::Busy, message).with_hint(hint));
        }
        let autostart = old.as_ref().is_some_and(|network| network.autostart);
        let row = row(&config, autostart);
        self.store(move |store| store.put_network(&row)).await?;
        let config = Arc::new(config);
        let network = {
            let mut records = self.networking.records();
            let live = old.and_then(|network| network.live);
            let network = Network { definition: Some(Arc::clone(&config)), live, autostart };
            records.networks.insert(uuid, network.clone());
            summary(&records, uuid, &network)
        };
        if network.active {
            warnings.push("the network is running: the new definition counts from its next start".to_owned());
        }
        self.tell_network(actor, &config, NetworkChange::Defined, "");
        Ok(DefinedNetwork { network, warnings })
    }

    /// What the document leaves to the host: the bridge's name and its hardware address.
    pub(super) async fn fill_network(&self, mut config: NetworkConfig) -> Result<NetworkConfig, Error> {
        let (others, kept) = {
            let records = self.networking.records();
            let others: Vec<NetworkConfig> =
                records.networks.values().map(|network| network.config().as_ref().clone()).collect();
            (others, records.networks.get(&config.uuid).map(|network| Arc::clone(network.config())))
        };
        // A definition that is replaced keeps what was chosen for it.
        if let Some(kept) = kept.filter(|kept| has_own_bridge(kept) && has_own_bridge(&config)) {
            config.bridge.name = config.bridge.name.or_else(|| kept.bridge.name.clone());
            config.mac = config.mac.or(kept.mac);
        }
        self.on_networks(move |networks| networks.fill(&mut config, &others).map(|()| config)).await
    }

    /// Refuses a name, UUID or bridge that belongs to another network.
    pub(super) fn check_network_identity(&self, config: &NetworkConfig) -> Result<(), Error> {
        let records = self.networking.records();
        for (uuid, network) in &records.networks {
            let (name, other) = (&network.config().name, network.config());
            if (*uuid == config.uuid) != (*name == config.name) {
                let message = match *uuid == config.uuid {
                    true => format!("UUID {uuid} belongs to network '{name}', not to '{}'", config.name),
                    false => format!("a network named '{name}' exists already, with UUID {uuid}"),
                };
                let hint =
                    format!("write <uuid>{uuid}</uuid> and <name>{name}</name> to change that network");
                return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint));
            }
            let taken = config.bridge.name.is_some() && other.bridge.name == config.bridge.name;
            if *uuid != config.uuid && taken && has_own_bridge(config) && has_own_bridge(other) {
                let bridge = config.bridge.name.as_deref().unwrap_or_default();
                let message =
                    format!("bridge '{bridge}' of network '{}' is that of network '{name}'", config.name);
                let hint = "name another bridge, or leave the name out to have one chosen";
                return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint));
            }
        }
        Ok(())
    }
}

/// What holds on every host.
pub(crate) fn check(config: &NetworkConfig) -> Result<(), Error> {
    config.check().map_err(|broken| {
        Error::new(ErrorCode::Invalid, format!("network '{}' is not valid: {broken}", config.name))
    })
}

/// The row of a definition.
pub(super) fn row(config: &NetworkConfig, autostart: bool) -> NetworkRow {
    let xml = document::format_network(config);
    NetworkRow { uuid: config.uuid, name: config.name.clone(), xml, autostart }
}
