//! What a migration has for itself while it lasts: what it may cost, and the way to give it up before a worker knows of it.
//!
//! Operators name the domain. What ends is a migration, and its end takes nothing from the next one of the same domain.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

use reeve_model::migration::{Migrate, MigrationLimits, MigrationStage};
use reeve_model::{Error, ErrorCode};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Known, Migrations, lock};

/// Why a migration ends that an operator ends.
pub(crate) const AN_OPERATOR: &str = "an operator ended it";

/// Something that a domain has for one of its migrations.
pub(super) struct OfMigration<T> {
    migration: Uuid,
    pub(super) it: T,
}

impl Migrations {
    /// A migration of a domain, of which somebody has the turn, is made ready.
    pub(crate) fn begin(&self, domain: Uuid, migration: Uuid) -> Beginning {
        let given_up = CancellationToken::new();
        let of = OfMigration { migration, it: given_up.clone() };
        self.lock().beginning.insert(domain, of);
        Beginning { known: Arc::clone(&self.known), domain, migration, given_up, begun: false }
    }

    /// Gives up the migration of a domain of which no worker knows yet. False where none is.
    pub(crate) fn give_up(&self, domain: Uuid) -> bool {
        let known = self.lock();
        known.beginning.get(&domain).map(|beginning| beginning.it.cancel()).is_some()
    }

    /// The limits of the migration of a domain that is under way, or those of the domain.
    pub(crate) fn limits(&self, domain: Uuid) -> MigrationLimits {
        let known = self.lock();
        let current = known.current.get(&domain).map(|current| current.it);
        current.or_else(|| known.limits.get(&domain).copied()).unwrap_or_default()
    }

    /// Sets limits of a domain, and of its migration where one is under way. What that one alone was asked for stays with it.
    pub(crate) fn set_limits(&self, domain: Uuid, said: MigrationLimits) {
        let mut known = self.lock();
        let own = known.limits.get(&domain).copied().unwrap_or_default();
        let own = match known.current.get_mut(&domain) {
            Some(current) => own.changed(std::mem::replace(&mut current.it, said), said),
            None => said,
        };
        known.limits.insert(domain, own);
    }

    /// Begins a migration of a domain with what was asked for it alone, which counts until the answer is dropped. Only in the domain's turn.
    pub(crate) fn limit(&self, domain: Uuid, migration: Uuid, request: &Migrate) -> CurrentLimits {
        let mut known = self.lock();
        let limits = request.limits(known.limits.get(&domain).copied().unwrap_or_default());
        known.current.insert(domain, OfMigration { migration, it: limits });
        CurrentLimits { known: Arc::clone(&self.known), domain, migration }
    }
}

/// A migration that is being made ready. Dropped before it has [begun](Self::begun), the other host hears that there is none.
pub(crate) struct Beginning {
    known: Arc<Mutex<Known>>,
    domain: Uuid,
    migration: Uuid,
    given_up: CancellationToken,
    begun: bool,
}

impl Beginning {
    /// What comes of making it ready, or an error when somebody gives it up meanwhile.
    pub async fn or_given_up<T>(&self, making: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.given_up.cancelled() => Err(given_up()),
            made = making => made,
        }
    }

    /// The worker has it, and is told from now on to give it up. An error where somebody gave it up before.
    pub fn begun(&mut self) -> Result<(), Error> {
        forget(&mut lock(&self.known).beginning, self.domain, self.migration);
        // Nobody finds it any more, so that this is the last word.
        if self.given_up.is_cancelled() {
            return Err(given_up());
        }
        self.begun = true;
        Ok(())
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if !self.begun {
            let mut known = lock(&self.known);
            forget(&mut known.beginning, self.domain, self.migration);
            known.set_stage(self.migration, MigrationStage::Unknown);
        }
    }
}

/// A migration of a domain is under way, with limits of its own.
pub(crate) struct CurrentLimits {
    known: Arc<Mutex<Known>>,
    domain: Uuid,
    migration: Uuid,
}

impl Drop for CurrentLimits {
    fn drop(&mut self) {
        forget(&mut lock(&self.known).current, self.domain, self.migration);
    }
}

/// Takes out what a domain has for a migration, and leaves what it has for another one.
fn forget<T>(all: &mut HashMap<Uuid, OfMigration<T>>, domain: Uuid, migration: Uuid) {
    if all.get(&domain).is_some_and(|of| of.migration == migration) {
        all.remove(&domain);
    }
}

fn given_up() -> Error {
    Error::new(ErrorCode::Internal, format!("the domain was not migrated and stays here: {AN_OPERATOR}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const NEXT: Uuid = Uuid::from_u128(2);
    const DOMAIN: Uuid = Uuid::from_u128(3);

    #[test]
    fn the_end_of_a_migration_takes_nothing_from_the_next_one() {
        let migrations = Migrations::default();
        let asked = |bandwidth_mib| Migrate { bandwidth_mib: Some(bandwidth_mib), ..Migrate::default() };
        let limits = migrations.limit(DOMAIN, ONE, &asked(5));
        let beginning = migrations.begin(DOMAIN, ONE);
        // Nobody has its turn any more: the next one begins before the last of this one is gone.
        let next_limits = migrations.limit(DOMAIN, NEXT, &asked(7));
        let mut next = migrations.begin(DOMAIN, NEXT);
        drop((limits, beginning));
        assert_eq!(migrations.limits(DOMAIN).bandwidth_mib, 7);
        assert!(migrations.give_up(DOMAIN), "it is still being made ready");
        assert!(next.begun().unwrap_err().message.contains("an operator ended it"));
        drop((next_limits, next));
        assert_eq!(migrations.limits(DOMAIN), MigrationLimits::default());
        assert!(!migrations.give_up(DOMAIN));
    }

    #[test]
    fn a_migration_can_be_given_up_until_its_worker_has_it() {
        let migrations = Migrations::default();
        migrations.set_stage(ONE, MigrationStage::UnderWay);
        let mut beginning = migrations.begin(DOMAIN, ONE);
        beginning.begun().unwrap();
        assert!(!migrations.give_up(DOMAIN), "its worker is told");
        drop(beginning);
        assert_eq!(migrations.stage(ONE), MigrationStage::UnderWay);
        drop(migrations.begin(DOMAIN, ONE));
        assert_eq!(migrations.stage(ONE), MigrationStage::Unknown);
    }
}
