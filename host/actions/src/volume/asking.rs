//! Guards of storage are asked before anything is made, resized, deleted or started; a policy that asks for room is held to its quota.
//!
//! A volume that is on its way counts from the moment its guard is asked, for everybody else who asks: two that are made at once can
//! both be refused, but never slip through together.

use std::sync::Arc;

use reeve_model::storage::{PoolConfig, ResizeVolume, VolumeConfig};
use reeve_model::{Actor, Bytes, Error, ErrorCode, Verb};
use uuid::Uuid;

use crate::policy_port::{Denial, StorageGuard, StorageQuestion, VolumeView};
use crate::storing::{Intent, Pool};
use crate::{Actions, document};

impl Actions {
    /// Asks the guards of a new volume, and keeps its name and capacity until it is made. The document as they rewrote it.
    pub(super) async fn ask_volume_create(
        &self,
        actor: &Actor,
        (uuid, pool): (Uuid, &Pool),
        config: VolumeConfig,
        source: Option<&VolumeView>,
    ) -> Result<(VolumeConfig, Intent), Error> {
        let mut config = Arc::new(config);
        let capacity = self.planned_capacity(uuid, &config, source);
        let mut intent = self.storing.intend(pool.config(), &config.name, capacity.unwrap_or_default())?;
        let subject = subject(pool, &config.name);
        let question =
            StorageQuestion::Create { config: Arc::clone(&config), capacity, source: source.cloned() };
        if let Some(rewritten) =
            self.ask_storage(actor, (uuid, pool), question, "volume-create", &subject).await?
        {
            let capacity = self.planned_capacity(uuid, &rewritten, source).unwrap_or_default();
            drop(intent);
            intent = self.storing.intend(pool.config(), &rewritten.name, capacity)?;
            config = rewritten;
        }
        self.refuse_over_quota(actor, Verb::VolumeCreate, (uuid, pool))?;
        Ok((Arc::unwrap_or_clone(config), intent))
    }

    /// What a guest will see of a volume, where that can be told before it is made.
    fn planned_capacity(
        &self,
        pool: Uuid,
        config: &VolumeConfig,
        source: Option<&VolumeView>,
    ) -> Option<Bytes> {
        let of_backing = || {
            let below = &config.backing.as_ref()?.path;
            let volumes = self.storing.storage.volumes(pool).ok()?;
            let found = volumes.into_iter().find(|volume| volume.name == *below || volume.path == *below);
            found.map(|volume| volume.capacity)
        };
        config.capacity.or_else(|| source.map(|source| source.summary.capacity)).or_else(of_backing)
    }

    /// Asks the guards of a new capacity and keeps it until the volume has it. None where the change can't be: it says so itself.
    pub(super) async fn ask_volume_resize(
        &self,
        actor: &Actor,
        (uuid, pool): (Uuid, &Pool),
        volume: VolumeView,
        change: ResizeVolume,
    ) -> Result<Option<(Bytes, Intent)>, Error> {
        let before = volume.summary.capacity;
        let after = match (change.delta, change.shrink) {
            (false, _) => Some(change.capacity.0),
            (true, false) => before.0.checked_add(change.capacity.0),
            (true, true) => before.0.checked_sub(change.capacity.0),
        };
        let Some(capacity) = after.map(Bytes) else { return Ok(None) };
        let name = volume.summary.name.clone();
        let intent = self.storing.intend(pool.config(), &name, capacity)?;
        let question = StorageQuestion::Resize { volume, capacity };
        self.ask_storage(actor, (uuid, pool), question, "volume-resize", &subject(pool, &name)).await?;
        if capacity > before {
            self.refuse_over_quota(actor, Verb::VolumeChange, (uuid, pool))?;
        }
        Ok(Some((capacity, intent)))
    }

    /// Asks the guards of a deletion.
    pub(super) async fn ask_volume_delete(
        &self,
        actor: &Actor,
        (uuid, pool): (Uuid, &Pool),
        volume: VolumeView,
    ) -> Result<(), Error> {
        let subject = subject(pool, &volume.summary.name);
        let question = StorageQuestion::Delete { volume };
        self.ask_storage(actor, (uuid, pool), question, "volume-delete", &subject).await.map(drop)
    }

    /// Asks the guards of a pool that is about to start as `config` says.
    pub(crate) async fn ask_pool_start(
        &self,
        actor: &Actor,
        uuid: Uuid,
        pool: &Pool,
        config: &PoolConfig,
    ) -> Result<(), Error> {
        let question = StorageQuestion::Start { xml: document::format_pool(config) };
        let subject = format!("storage pool '{}'", config.name);
        self.ask_storage(actor, (uuid, pool), question, "pool-start", &subject).await.map(drop)
    }

    /// Asks the guards; their denial as an error, what they rewrote where they did.
    async fn ask_storage(
        &self,
        actor: &Actor,
        (uuid, pool): (Uuid, &Pool),
        question: StorageQuestion,
        hook: &str,
        subject: &str,
    ) -> Result<Option<Arc<VolumeConfig>>, Error> {
        let request = StorageGuard { actor: actor.clone(), pool: self.pool_summary(uuid, pool), question };
        self.policy.guard_storage(request).await.map_err(|Denial { policy, reason }| {
            let message = format!("policy '{policy}' denies {hook} of {subject}: {reason}");
            let hint = format!("'reeve policy decisions --hook {hook}' shows what it was asked");
            Error::new(ErrorCode::Denied, message).with_hint(hint)
        })
    }

    /// Refuses a policy whose grant bounds the volumes of the pool, when they would have more together. What is on its way counts.
    fn refuse_over_quota(&self, actor: &Actor, verb: Verb, (uuid, pool): (Uuid, &Pool)) -> Result<(), Error> {
        let Actor::Policy { name, .. } = actor else { return Ok(()) };
        let pool = &pool.config().name;
        let Some(most) = self.policy.volume_quota(name, verb, pool) else { return Ok(()) };
        let mut capacities = self.storing.intended(uuid);
        for volume in self.storing.storage.volumes(uuid)? {
            let capacity = capacities.entry(volume.name).or_default();
            *capacity = Bytes(capacity.0.max(volume.capacity.0));
        }
        let sum = capacities.values().fold(0_u64, |sum, capacity| sum.saturating_add(capacity.0));
        if sum <= most.0 {
            return Ok(());
        }
        let message = format!(
            "policy '{name}' may use {verb} on storage pool '{pool}' while its volumes have {} bytes together at most; \
             they would have {sum}",
            most.0
        );
        Err(Error::new(ErrorCode::Denied, message).with_hint("grant it more max-bytes, or delete volumes"))
    }
}

fn subject(pool: &Pool, volume: &str) -> String {
    format!("volume '{volume}' of pool '{}'", pool.config().name)
}
