//! Definitions of storage pools: added, replaced, removed.

use std::sync::Arc;

use reeve_model::storage::{DefinedPool, PoolChange, PoolConfig, PoolSummary};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::PoolRow;

use crate::storing::Pool;
use crate::{Actions, document};

impl Actions {
    /// Adds a definition, or replaces the one with the same name and UUID. A running pool goes on as it is until its next start.
    pub async fn define_pool(&self, actor: &Actor, xml: &str, strict: bool) -> Result<DefinedPool, Error> {
        let (config, warnings) = self.read_pool(actor, Verb::PoolDefine, xml, strict).await?;
        let _changing = self.storing.changing.lock().await;
        self.keep_pool(actor, config, None, warnings).await
    }

    /// Replaces the definition of a pool; its name and UUID must stay. `expected` is the digest of the document that the editor began with;
    /// none overwrites anything.
    pub async fn edit_pool(
        &self,
        actor: &Actor,
        key: &str,
        xml: &str,
        strict: bool,
        expected: Option<&str>,
    ) -> Result<DefinedPool, Error> {
        let (uuid, pool) = self.pool(actor, Verb::PoolDefine, key)?;
        let name = pool.config().name.clone();
        let (config, warnings) = self.read_pool(actor, Verb::PoolDefine, xml, strict).await?;
        if config.name != name || config.uuid != uuid {
            let message =
                format!("an edit may not change the name or UUID of storage pool '{name}' ({uuid})");
            return Err(Error::new(ErrorCode::Invalid, message).with_hint("define a new pool instead"));
        }
        let _changing = self.storing.changing.lock().await;
        self.keep_pool(actor, config, expected, warnings).await
    }

    /// Removes the definition of a pool that is not active.
    pub async fn undefine_pool(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        self.pool(actor, Verb::PoolUndefine, key)?;
        let _changing = self.storing.changing.lock().await;
        let (uuid, pool) = self.pool(actor, Verb::PoolUndefine, key)?;
        if pool.live.is_some() {
            let name = &pool.config().name;
            let message = format!("storage pool '{name}' is active");
            let hint = format!("stop it with 'reeve pool destroy {name}'");
            return Err(Error::new(ErrorCode::WrongState, message).with_hint(hint));
        }
        self.store(move |store| store.remove_pool(uuid)).await?;
        self.storing.pools().remove(&uuid);
        self.tell_pool(actor, pool.config(), PoolChange::Undefined, "");
        Ok(())
    }

    /// Whether the daemon starts a pool by itself.
    pub async fn set_pool_autostart(
        &self,
        actor: &Actor,
        key: &str,
        autostart: bool,
    ) -> Result<PoolSummary, Error> {
        self.pool(actor, Verb::PoolDefine, key)?;
        let _changing = self.storing.changing.lock().await;
        let (uuid, pool) = self.pool(actor, Verb::PoolDefine, key)?;
        let Some(definition) = pool.definition.clone() else {
            let name = &pool.config().name;
            let message = format!("storage pool '{name}' is transient: it can't be started by the daemon");
            return Err(Error::new(ErrorCode::WrongState, message).with_hint("define it first"));
        };
        let row = row(&definition, autostart);
        self.store(move |store| store.put_pool(&row)).await?;
        if let Some(pool) = self.storing.pools().get_mut(&uuid) {
            pool.autostart = autostart;
        }
        self.tell_pool(actor, &definition, PoolChange::Updated, "");
        self.pool_info(&Actor::Daemon, key)
    }

    /// Reads a document, and refuses what this host can't serve and what `actor` may not do to it.
    pub(super) async fn read_pool(
        &self,
        actor: &Actor,
        verb: Verb,
        xml: &str,
        strict: bool,
    ) -> Result<(PoolConfig, Vec<String>), Error> {
        let (config, mut warnings) = document::parse_pool(xml, strict)?;
        self.authorize(actor, verb, &config.name)?;
        reeve_storage::check(&config)?;
        // What it holds is told by the host, not by a document.
        let config = PoolConfig { capacity: None, allocation: None, available: None, ..config };
        let looked_at = config.clone();
        warnings.extend(self.on_storage(move |_| Ok(reeve_storage::warn_pool_devices(&looked_at))).await?);
        Ok((config, warnings))
    }

    /// Keeps a definition. The caller holds the right to change pools.
    async fn keep_pool(
        &self,
        actor: &Actor,
        config: PoolConfig,
        expected: Option<&str>,
        warnings: Vec<String>,
    ) -> Result<DefinedPool, Error> {
        self.check_pool_identity(&config)?;
        let uuid = config.uuid;
        let old = self.storing.pools().get(&uuid).cloned();
        let before = old.as_ref().and_then(|pool| pool.definition.clone());
        let now = before.map(|definition| document::digest(&document::format_pool(&definition)));
        if expected.is_some() && now.as_deref() != expected {
            let message = format!(
                "the definition of storage pool '{}' was changed by somebody else meanwhile",
                config.name
            );
            return Err(Error::new(ErrorCode::Busy, message).with_hint("edit it again"));
        }
        let config = Arc::new(config);
        let row = row(&config, old.as_ref().is_some_and(|pool| pool.autostart));
        self.store(move |store| store.put_pool(&row)).await?;
        {
            let mut pools = self.storing.pools();
            let none = || Pool { definition: None, live: None, autostart: false };
            pools.entry(uuid).or_insert_with(none).definition = Some(Arc::clone(&config));
        }
        self.tell_pool(actor, &config, PoolChange::Defined, "");
        Ok(DefinedPool { pool: self.pool_info(&Actor::Daemon, &uuid.to_string())?, warnings })
    }

    /// A name has one UUID. A document that names a defined pool and another UUID is refused.
    pub(super) fn check_pool_identity(&self, config: &PoolConfig) -> Result<(), Error> {
        let pools = self.storing.pools();
        let taken =
            pools.iter().find(|(uuid, pool)| pool.config().name == config.name && **uuid != config.uuid);
        if let Some((uuid, _)) = taken {
            let message = format!("a storage pool named '{}' exists already, with UUID {uuid}", config.name);
            let hint = "choose another name, or put its UUID into the document to replace it";
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint));
        }
        match pools.get(&config.uuid).filter(|pool| pool.config().name != config.name) {
            Some(pool) => {
                let message =
                    format!("UUID {} belongs to storage pool '{}'", config.uuid, pool.config().name);
                let hint = "leave <uuid> out to have a new one made";
                Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint))
            }
            None => Ok(()),
        }
    }
}

/// The row of a definition.
pub(super) fn row(config: &PoolConfig, autostart: bool) -> PoolRow {
    let xml = document::format_pool(config);
    PoolRow { uuid: config.uuid, name: config.name.clone(), xml, autostart }
}
