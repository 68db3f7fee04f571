//! What a guest has made of its clock: where the clock is variable, its definition has it too, and so its next start (guide 8.10).

use reeve_model::{Actor, ErrorCode};
use uuid::Uuid;

use super::definition_change::replace;
use crate::Actions;

/// How often it is tried again when somebody else changes the definition meanwhile.
const ATTEMPTS: u32 = 5;

impl Actions {
    /// Takes the clock of a guest that has set it over into its definition. One whose clock an operator has made fixed since, or put on
    /// another basis, stays as it is.
    pub(crate) async fn keep_clock(&self, uuid: Uuid) {
        let Some(set) = self.domains.take_clock(uuid) else { return };
        let Some(seconds) = set.kept() else { return };
        for attempt in 1..=ATTEMPTS {
            let Ok(Some(old)) = self.domains.definition(uuid) else { return };
            let mut new = old.as_ref().clone();
            if new.clock.is_local() != set.is_local() || !new.clock.keep(seconds) {
                return;
            }
            match replace(self, &Actor::Daemon, &old, new).await {
                Ok(()) => return,
                Err(error) if error.code == ErrorCode::Busy && attempt < ATTEMPTS => {}
                Err(error) => {
                    tracing::warn!(domain = %uuid, %error, "what the guest has set its clock to is not in its definition");
                    return;
                }
            }
        }
    }

    /// The same for every domain.
    pub(crate) async fn keep_clocks(&self) {
        for domain in self.domains.list() {
            self.keep_clock(domain.uuid).await;
        }
    }
}
