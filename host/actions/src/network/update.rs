//! One section of a network is changed (guide 14.22, net-update): running, defined, or both.

use std::sync::Arc;

use reeve_model::network::{DefinedNetwork, NetworkChange, NetworkConfig, NetworkUpdate};
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::define::{self, check};
use super::summary;
use crate::{Actions, document};

impl Actions {
    /// Changes one section of a network. `live` and `config` of the change say of which; a network that is not active has no live side,
    /// and one that is transient no definition.
    pub async fn update_network(
        &self,
        actor: &Actor,
        key: &str,
        change: &NetworkUpdate,
    ) -> Result<DefinedNetwork, Error> {
        let (uuid, _) = self.network(actor, Verb::NetworkUpdate, key)?;
        let _changing = self.networking.changing.lock().await;
        let (_, network) = self.network(actor, Verb::NetworkUpdate, key)?;
        let name = network.config().name.clone();
        if !change.live && !change.config {
            let message = format!("the change of network '{name}' says neither live nor config");
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        let wrong = |sentence: &str, hint: &str| {
            Err(Error::new(ErrorCode::WrongState, format!("network '{name}' {sentence}")).with_hint(hint))
        };
        let (live, definition) = (network.live.clone(), network.definition.clone());
        let live = match (change.live, live) {
            (true, None) => return wrong("is not active", "change its definition with --config"),
            (true, Some(live)) => Some(live),
            (false, _) => None,
        };
        let definition = match (change.config, definition) {
            (true, None) => return wrong("is transient: it has no definition", "change it with --live"),
            (true, Some(definition)) => Some(definition),
            (false, _) => None,
        };
        // Both are worked out before either is changed.
        let changed = |config: Option<Arc<NetworkConfig>>| {
            config.map(|config| {
                let config = document::update_network(&config, change)?;
                check(&config).map(|()| Arc::new(config))
            })
        };
        let (live, definition) = (changed(live).transpose()?, changed(definition).transpose()?);
        let mut warnings = Vec::new();
        if let Some(live) = &live {
            let wanted = Arc::clone(live);
            warnings = self.on_networks(move |networks| networks.update(&wanted)).await?;
            let text = serde_json::to_string(live.as_ref()).map_err(|fault| {
                Error::new(ErrorCode::Internal, format!("network '{name}' can't be noted: {fault}"))
            })?;
            self.store(move |store| store.put_active_network(uuid, &text)).await?;
            if let Some(record) = self.networking.records().networks.get_mut(&uuid) {
                record.live = Some(Arc::clone(live));
            }
        }
        if let Some(definition) = &definition {
            let row = define::row(definition, network.autostart);
            self.store(move |store| store.put_network(&row)).await?;
            if let Some(record) = self.networking.records().networks.get_mut(&uuid) {
                record.definition = Some(Arc::clone(definition));
            }
        }
        self.tell_network(actor, network.config(), NetworkChange::Updated, change.section.as_str());
        let records = self.networking.records();
        let row = records.networks.get(&uuid).map(|network| summary(&records, uuid, network));
        let gone = || Error::new(ErrorCode::NotFound, format!("network '{name}' does not exist any more"));
        Ok(DefinedNetwork { network: row.ok_or_else(gone)?, warnings })
    }
}
