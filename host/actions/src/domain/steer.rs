//! Moving a domain to another host: what operators see and say of it meanwhile, and what the other host asks.

use reeve_domain::migration::MigrationOrder;
use reeve_model::migration::{MigrationJob, MigrationLimits, MigrationReport};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use uuid::Uuid;

use crate::Actions;
use crate::error::explain;
use crate::migrating::AN_OPERATOR;

/// Most milliseconds that a guest may be let stand still: more is a guest that was suspended.
const MOST_DOWNTIME_MS: u64 = 2_000_000;
/// Most MiB a second that mean anything.
const MOST_MIB: u64 = 1 << 24;
/// Most hundredths of its time that a guest may lose and still run.
const MOST_THROTTLE: u8 = 99;

/// Refuses limits that are none.
pub(super) fn check_limits(limits: &MigrationLimits) -> Result<(), Error> {
    let MigrationLimits { max_downtime_ms, bandwidth_mib, max_throttle, post_copy_bandwidth_mib, .. } =
        *limits;
    let mib = bandwidth_mib.max(post_copy_bandwidth_mib);
    let sentence = if max_downtime_ms > MOST_DOWNTIME_MS {
        format!("a guest may stand still for at most {MOST_DOWNTIME_MS} ms, not {max_downtime_ms}")
    } else if mib > MOST_MIB {
        format!("a limit of speed is at most {MOST_MIB} MiB a second, not {mib}; 0 is none")
    } else if max_throttle > MOST_THROTTLE {
        format!("a guest may lose at most {MOST_THROTTLE} hundredths of its time, not {max_throttle}")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorCode::Invalid, sentence))
}

impl Actions {
    /// How far the migration of a domain is.
    pub fn migration_job(&self, actor: &Actor, key: &str) -> Result<MigrationJob, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        let progress = self.domains.migration_progress(subject.uuid).map_err(explain)?;
        let job = progress.borrow().job.clone();
        Ok(job)
    }

    /// Ends the migration of a domain; it stays here.
    pub async fn abort_migration(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let subject = self.subject(actor, Verb::DomainMigrate, key)?;
        if self.migrations.give_up(subject.uuid) {
            return Ok(());
        }
        let order = MigrationOrder::Abort(AN_OPERATOR.to_owned());
        self.domains.migrate(subject.uuid, order).await.map_err(explain)
    }

    /// What the migration of a domain may cost.
    pub fn migration_limits(&self, actor: &Actor, key: &str) -> Result<MigrationLimits, Error> {
        let subject = self.subject(actor, Verb::DomainRead, key)?;
        Ok(self.migrations.limits(subject.uuid))
    }

    /// Sets what the migration of a domain may cost, also while it moves.
    pub async fn set_migration_limits(
        &self,
        actor: &Actor,
        key: &str,
        limits: MigrationLimits,
    ) -> Result<MigrationLimits, Error> {
        let subject = self.subject(actor, Verb::DomainMigrate, key)?;
        check_limits(&limits)?;
        self.migrations.set_limits(subject.uuid, limits);
        let moving = self.domains.migration_progress(subject.uuid);
        if moving.is_ok_and(|progress| progress.borrow().job.active) {
            self.domains.migrate(subject.uuid, MigrationOrder::Limit(limits)).await.map_err(explain)?;
        }
        Ok(limits)
    }

    /// How this host sees a migration, for the other host. A host that a guest was sent to asks, whether it may send some or not:
    /// it knows the id.
    pub fn migration_report(&self, actor: &Actor, migration: Uuid) -> Result<MigrationReport, Error> {
        if !matches!(actor, Actor::Host { .. }) {
            self.authorize(actor, Verb::DomainMigrate, "")?;
        }
        let (stage, boot_id) = (self.migrations.stage(migration), self.migrations.boot_id.clone());
        // A guest may wait for this: a host that can't say who it is still says whose the guest is.
        let host = self.this_host().unwrap_or_default();
        let max_streams = self.migrations.max_streams();
        Ok(MigrationReport { stage, host, boot_id, takes_disks: true, hears_disk_facts: true, max_streams })
    }
}
