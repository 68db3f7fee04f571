//! Storage pools after a start of the daemon.

use std::collections::BTreeMap;
use std::sync::Arc;

use reeve_model::Error;
use reeve_model::storage::PoolConfig;
use reeve_storage::{Progress, Storage};
use reeve_store::PoolRow;

use super::define::row;
use crate::storing::Pool;
use crate::{Actions, document};

/// Set once the pool that comes with the product was defined: it stays away when an operator removes it.
const SHIPPED: &str = "pools.shipped";

impl Actions {
    /// Loads definitions and takes over what is active; sentences on what could not be read.
    pub(crate) async fn recover_pools(&self) -> Result<Vec<String>, Error> {
        let (rows, active, shipped) = self
            .store(|store| Ok((store.pools()?, store.active_pools()?, store.setting(SHIPPED)?.is_some())))
            .await?;
        let mut unreadable = Vec::new();
        let mut pools = BTreeMap::new();
        for PoolRow { uuid, name, xml, autostart } in rows {
            match document::parse_pool(&xml, false) {
                Ok((config, _)) => {
                    pools.insert(uuid, Pool { definition: Some(Arc::new(config)), live: None, autostart });
                }
                Err(error) => unreadable.push(format!("storage pool '{name}' was not loaded: {error}")),
            }
        }
        for text in active {
            let config: Arc<PoolConfig> = match serde_json::from_str(&text) {
                Ok(config) => Arc::new(config),
                Err(fault) => {
                    unreadable.push(format!("an active storage pool was not taken over: {fault}"));
                    continue;
                }
            };
            let (uuid, wanted) = (config.uuid, Arc::clone(&config));
            // A source that is in reach still needs none, as it is where a value was ephemeral.
            let secret = self.pool_secret(&config).await.unwrap_or_else(|error| {
                tracing::warn!(pool = config.name, %error, "its secret can't be had");
                None
            });
            let start =
                move |storage: &Storage| storage.start_with(&wanted, secret.as_ref(), &Progress::default());
            match self.on_storage(start).await {
                Ok(()) => {
                    let none = || Pool { definition: None, live: None, autostart: false };
                    pools.entry(uuid).or_insert_with(none).live = Some(config);
                }
                Err(error) => {
                    tracing::error!(pool = config.name, %error, "could not be taken over and is not active any more");
                    self.store(move |store| store.remove_active_pool(uuid)).await?;
                }
            }
        }
        if !shipped {
            let config = Arc::new(self.storing.default_pool());
            let row = row(&config, true);
            self.store(move |store| {
                store.put_pool(&row)?;
                store.put_setting(SHIPPED, "1")
            })
            .await?;
            pools.insert(config.uuid, Pool { definition: Some(config), live: None, autostart: true });
        }
        *self.storing.pools() = pools;
        Ok(unreadable)
    }
}
