//! Verbs on storage pools (guide 14.11), a file a group.

mod define;
pub(crate) mod life;
mod recover;
mod space;

use std::sync::Arc;

use reeve_model::event::EventKind;
use reeve_model::secret::SecretKind;
use reeve_model::storage::{FoundSource, PoolChange, PoolConfig, PoolSummary, SecretReference, SourceLookup};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_storage::{Storage, StorageError};
use uuid::Uuid;

use crate::storing::{self, Pool};
use crate::{Actions, document};

impl Actions {
    /// The pool with this name or UUID, if `actor` may use `verb` on it.
    pub(crate) fn pool(&self, actor: &Actor, verb: Verb, key: &str) -> Result<(Uuid, Pool), Error> {
        let found = storing::find(&self.storing.pools(), key);
        let Some((uuid, pool)) = found else {
            self.authorize(actor, verb, key)?;
            let message = format!("storage pool '{key}' does not exist");
            let hint = "'reeve pool list --all' shows all storage pools";
            return Err(Error::new(ErrorCode::NotFound, message).with_hint(hint));
        };
        self.authorize(actor, verb, &pool.config().name)?;
        Ok((uuid, pool))
    }

    pub(crate) fn tell_pool(&self, actor: &Actor, config: &PoolConfig, change: PoolChange, detail: &str) {
        let (uuid, name, detail) = (config.uuid, config.name.clone(), detail.to_owned());
        self.bus.publish(actor.clone(), EventKind::Pool { uuid, name, change, detail });
        self.tell_low_space(config);
    }

    /// Runs what may block on the storage crate; it ends even when the caller stops waiting.
    pub(crate) async fn on_storage<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Storage) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, Error> {
        let storage = Arc::clone(&self.storing.storage);
        crate::blocking(move || Ok(work(&storage)?)).await
    }

    /// All pools that `actor` may see, by name.
    pub fn pools(&self, actor: &Actor) -> Result<Vec<PoolSummary>, Error> {
        if !matches!(actor, Actor::Policy { .. }) {
            self.authorize(actor, Verb::PoolRead, "")?;
        }
        let pools = self.storing.pools().clone();
        let mut all: Vec<PoolSummary> = (pools.iter())
            .map(|(uuid, pool)| self.pool_summary(*uuid, pool))
            .filter(|row| self.authorize(actor, Verb::PoolRead, &row.name).is_ok())
            .collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// What pools of a kind could be made of, on this host or at a server. Who may start pools may have the host ask a server.
    pub async fn pool_sources(&self, actor: &Actor, lookup: SourceLookup) -> Result<Vec<FoundSource>, Error> {
        self.authorize(actor, Verb::PoolRead, "")?;
        if lookup.host.is_some() || lookup.secret.is_some() {
            self.authorize(actor, Verb::PoolStart, "")?;
        }
        let subject = format!("sources of pools of type '{}'", lookup.kind);
        let secret = match lookup.secret.clone() {
            None => None,
            Some(key) => {
                let reference = SecretReference { kind: None, uuid: None, usage: Some(key) };
                Some(self.referred_secret_for(SecretKind::Iscsi, &reference, &subject).await?)
            }
        };
        self.on_storage(move |_| reeve_storage::find_sources(&lookup, secret.as_ref())).await
    }

    /// One pool.
    pub fn pool_info(&self, actor: &Actor, key: &str) -> Result<PoolSummary, Error> {
        let (uuid, pool) = self.pool(actor, Verb::PoolRead, key)?;
        Ok(self.pool_summary(uuid, &pool))
    }

    /// The document of a pool: the live one while it is active, unless `inactive` asks for the definition.
    pub fn pool_xml(&self, actor: &Actor, key: &str, inactive: bool) -> Result<String, Error> {
        let (_, pool) = self.pool(actor, Verb::PoolRead, key)?;
        Ok(match (&pool.live, &pool.definition) {
            (_, Some(definition)) if inactive => document::format_pool(definition),
            (Some(live), _) => document::format_pool(&self.storing.with_space(live)),
            (None, _) => document::format_pool(pool.config()),
        })
    }

    pub(crate) fn pool_summary(&self, uuid: Uuid, pool: &Pool) -> PoolSummary {
        let config = pool.config();
        let storage = &self.storing.storage;
        PoolSummary {
            uuid,
            name: config.name.clone(),
            kind: config.kind,
            active: pool.live.is_some(),
            persistent: pool.definition.is_some(),
            autostart: pool.autostart,
            path: config.target.path.clone(),
            space: storage.space(uuid).ok(),
            volumes: storage
                .volumes(uuid)
                .map_or(0, |volumes| u32::try_from(volumes.len()).unwrap_or(u32::MAX)),
        }
    }
}
