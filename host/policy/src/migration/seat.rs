//! One policy in one migration.

use std::sync::Arc;

use reeve_model::policy::{FailureMode, Hook};

use super::{Accepted, StrategyAsk, judge};
use crate::asked::{Asking, Occasion};
use crate::binding::{Active, Binding};
use crate::exports::Question;
use crate::failure::Failure;
use crate::session;
use crate::shared::Shared;

/// A policy that is asked about a migration for as long as it gives answers that count.
pub(super) struct Seat {
    binding: Arc<Binding>,
    active: Arc<Active>,
    /// The version that failed, when its last good one answers in its place.
    in_place_of: Option<Arc<Active>>,
    /// It failed, and is not asked again.
    over: bool,
    migration: String,
}

impl Seat {
    pub(super) fn new(binding: Arc<Binding>, active: Arc<Active>, migration: &str) -> Self {
        Self { binding, active, in_place_of: None, over: false, migration: migration.to_owned() }
    }

    /// Name of the policy.
    pub(super) fn policy(&self) -> &str {
        &self.active.name
    }

    /// Asks it, or its last good version once it failed and where that is bound so; none when there is no answer that counts.
    pub(super) async fn ask(
        &mut self,
        shared: &Shared,
        occasion: &Occasion,
        ask: &StrategyAsk,
    ) -> Option<Accepted> {
        while !self.over {
            match self.ask_version(shared, occasion, ask).await {
                Ok(accepted) => return Some(accepted),
                Err(failure) => self.fall_back(&failure),
            }
        }
        None
    }

    async fn ask_version(
        &self,
        shared: &Shared,
        occasion: &Occasion,
        ask: &StrategyAsk,
    ) -> Result<Accepted, Failure> {
        let question = Question::Strategy(Box::new(ask.clone()));
        let asking = Asking {
            active: &self.active,
            in_place_of: self.in_place_of.as_ref(),
            domain: ask.domain().map(|domain| Arc::clone(&domain.config)),
            detail: session::question(&question).to_string(),
            question,
        };
        occasion.ask(shared, &self.binding, asking, |answer| judge(ask, answer)).await
    }

    fn fall_back(&mut self, failure: &Failure) {
        let may = self.in_place_of.is_none() && self.active.on_failure == FailureMode::Previous;
        match self.binding.previous().filter(|_| may) {
            Some(previous) => self.in_place_of = Some(std::mem::replace(&mut self.active, previous)),
            None => {
                self.over = true;
                self.forget();
                let policy = self.policy();
                tracing::warn!(
                    policy,
                    migration = self.migration,
                    "the host goes on by itself with a migration: policy '{policy}': {failure}"
                );
            }
        }
    }
}

impl Seat {
    /// Drops what was kept of either version for this migration.
    fn forget(&self) {
        for active in [Some(&self.active), self.in_place_of.as_ref()].into_iter().flatten() {
            active.program.kept.forget(Hook::MigrationStrategy, &self.migration);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.forget();
    }
}
