//! Storage pools are built, started, created, refreshed, stopped and deleted.

use std::sync::Arc;

use reeve_model::secret::{SecretKind, SecretValue};
use reeve_model::storage::{
    BuildMode, DefinedPool, PoolChange, PoolConfig, PoolKind, PoolSummary, StorageOperation,
};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_storage::Storage;

use crate::Actions;
use crate::storing::Pool;

impl Actions {
    /// Makes the source of a defined pool that is not active.
    pub async fn build_pool(&self, actor: &Actor, key: &str, mode: BuildMode) -> Result<(), Error> {
        self.pool(actor, Verb::PoolBuild, key)?;
        let _changing = self.storing.changing.lock().await;
        let (_, pool) = self.pool(actor, Verb::PoolBuild, key)?;
        refuse_active(&pool)?;
        let config = Arc::clone(pool.config());
        let wanted = Arc::clone(&config);
        self.on_storage(move |storage| storage.build(&wanted, mode)).await?;
        self.tell_pool(actor, &config, PoolChange::Built, "");
        Ok(())
    }

    /// Starts a defined pool.
    pub async fn start_pool(&self, actor: &Actor, key: &str) -> Result<PoolSummary, Error> {
        let (uuid, pool) = self.pool(actor, Verb::PoolStart, key)?;
        refuse_active(&pool)?;
        let config = Arc::clone(pool.config());
        self.ask_pool_start(actor, uuid, &pool, &config).await?;
        let _changing = self.storing.changing.lock().await;
        let (_, pool) = self.pool(actor, Verb::PoolStart, key)?;
        refuse_active(&pool)?;
        if !Arc::ptr_eq(pool.config(), &config) {
            let message = format!("storage pool '{}' was redefined while its start was decided", config.name);
            return Err(Error::new(ErrorCode::Busy, message).with_hint("start it again"));
        }
        self.bring_up_pool(actor, &config).await?;
        self.pool_info(&Actor::Daemon, key)
    }

    /// Starts a pool that has no definition; it is gone when it stops. One that is defined is started with this document.
    pub async fn create_pool(&self, actor: &Actor, xml: &str, strict: bool) -> Result<DefinedPool, Error> {
        let (config, warnings) = self.read_pool(actor, Verb::PoolStart, xml, strict).await?;
        self.check_pool_identity(&config)?;
        let config = Arc::new(config);
        let asked = Pool { definition: Some(Arc::clone(&config)), live: None, autostart: false };
        self.ask_pool_start(actor, config.uuid, &asked, &config).await?;
        let _changing = self.storing.changing.lock().await;
        self.check_pool_identity(&config)?;
        let uuid = config.uuid;
        let known = self.storing.pools().get(&uuid).cloned();
        known.as_ref().map_or(Ok(()), refuse_active)?;
        self.bring_up_pool(actor, &config).await?;
        Ok(DefinedPool { pool: self.pool_info(&Actor::Daemon, &uuid.to_string())?, warnings })
    }

    /// Reads the volumes of an active pool again. Other verbs go on meanwhile.
    pub async fn refresh_pool(&self, actor: &Actor, key: &str) -> Result<PoolSummary, Error> {
        let (uuid, pool) = self.pool(actor, Verb::PoolStart, key)?;
        refuse_inactive(&pool)?;
        let job = self.storing.begin(uuid, StorageOperation::Refresh, "");
        self.on_storage(move |storage| storage.refresh(uuid, &job.progress)).await?;
        self.tell_pool(actor, pool.config(), PoolChange::Refreshed, "");
        self.pool_info(&Actor::Daemon, key)
    }

    /// Stops a pool; its data stays.
    pub async fn destroy_pool(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        self.pool(actor, Verb::PoolDestroy, key)?;
        let _changing = self.storing.changing.lock().await;
        let (uuid, pool) = self.pool(actor, Verb::PoolDestroy, key)?;
        refuse_inactive(&pool)?;
        self.on_storage(move |storage| storage.stop(uuid)).await?;
        self.store(move |store| store.remove_active_pool(uuid)).await?;
        {
            let mut pools = self.storing.pools();
            match pools.get_mut(&uuid) {
                Some(record) if record.definition.is_some() => record.live = None,
                _ => drop(pools.remove(&uuid)),
            }
        }
        self.tell_pool(actor, pool.config(), PoolChange::Stopped, "");
        Ok(())
    }

    /// Removes the source of a pool that is not active, for good. The definition stays.
    pub async fn delete_pool(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        self.pool(actor, Verb::PoolDelete, key)?;
        let _changing = self.storing.changing.lock().await;
        let (_, pool) = self.pool(actor, Verb::PoolDelete, key)?;
        refuse_active(&pool)?;
        let config = Arc::clone(pool.config());
        let wanted = Arc::clone(&config);
        self.on_storage(move |storage| storage.delete(&wanted)).await?;
        self.tell_pool(actor, &config, PoolChange::Deleted, "");
        Ok(())
    }

    /// Starts every pool that the daemon starts; the errors by name. Failing ones do not stop the others.
    pub async fn start_pools(&self) -> Vec<(String, Error)> {
        let wanted: Vec<String> = {
            let pools = self.storing.pools();
            let inactive = pools.values().filter(|pool| pool.autostart && pool.live.is_none());
            inactive.map(|pool| pool.config().name.clone()).collect()
        };
        let mut failed = Vec::new();
        for name in wanted {
            if let Err(error) = self.start_pool(&Actor::Daemon, &name).await {
                tracing::warn!(pool = name, %error, "could not be started with the daemon");
                failed.push((name, error));
            }
        }
        failed
    }

    /// The value of the secret by which a pool's source knows this host, where the document names one.
    pub(super) async fn pool_secret(&self, config: &PoolConfig) -> Result<Option<SecretValue>, Error> {
        let Some(auth) = config.source.auth.as_ref().filter(|_| config.kind == PoolKind::Iscsi) else {
            return Ok(None);
        };
        let subject = format!("storage pool '{}'", config.name);
        let reference = auth.secret.clone().unwrap_or_default();
        self.referred_secret_for(SecretKind::Iscsi, &reference, &subject).await.map(Some)
    }

    /// Makes it active and notes that. The caller holds the right to change pools.
    async fn bring_up_pool(&self, actor: &Actor, config: &Arc<PoolConfig>) -> Result<(), Error> {
        let uuid = config.uuid;
        let secret = self.pool_secret(config).await?;
        let live = serde_json::to_string(config.as_ref()).map_err(|fault| {
            Error::new(ErrorCode::Internal, format!("storage pool '{}' can't be noted: {fault}", config.name))
        })?;
        // Noted first: a daemon that dies in between finds it again, and starts it.
        self.store(move |store| store.put_active_pool(uuid, &live)).await?;
        let wanted = Arc::clone(config);
        let job = self.storing.begin(uuid, StorageOperation::Refresh, "");
        let start = move |storage: &Storage| storage.start_with(&wanted, secret.as_ref(), &job.progress);
        if let Err(error) = self.on_storage(start).await {
            self.store(move |store| store.remove_active_pool(uuid)).await?;
            return Err(error);
        }
        {
            let mut pools = self.storing.pools();
            let none = || Pool { definition: None, live: None, autostart: false };
            pools.entry(uuid).or_insert_with(none).live = Some(Arc::clone(config));
        }
        self.tell_pool(actor, config, PoolChange::Started, "");
        Ok(())
    }
}

fn refuse_active(pool: &Pool) -> Result<(), Error> {
    match pool.live.is_some() {
        false => Ok(()),
        true => {
            let name = &pool.config().name;
            let hint = format!("stop it with 'reeve pool destroy {name}'");
            let message = format!("storage pool '{name}' is active already");
            Err(Error::new(ErrorCode::WrongState, message).with_hint(hint))
        }
    }
}

pub(crate) fn refuse_inactive(pool: &Pool) -> Result<(), Error> {
    match pool.live.is_some() {
        true => Ok(()),
        false => {
            let name = &pool.config().name;
            let hint = format!("start it with 'reeve pool start {name}'");
            let message = format!("storage pool '{name}' is not active");
            Err(Error::new(ErrorCode::WrongState, message).with_hint(hint))
        }
    }
}
