//! A snapshot of disks whose file systems are in order: the guest's agent freezes them, and thaws them after it.
//!
//! ```text
//!   turn ─▶ plan ─▶ task [ freeze ─▶ snapshot ─▶ thaw ─▶ again, where the agent did not answer ]
//! ```
//! The turn comes first, so that no guest stands still for what others do to its domain. From the freeze on it goes by itself: a guest is
//! thawed also when nobody waits for the snapshot any more, and when the agent was too late to say that it froze.

use std::sync::Arc;
use std::time::Duration;

use reeve_agent::AgentError;
use reeve_domain::Turn;
use reeve_model::snapshot::SnapshotRow;
use reeve_model::{Actor, Error, ErrorCode};
use tokio::time::Instant;

use super::take::Prepared;
use crate::Actions;
use crate::domain::Subject;
use crate::journal::to_its_end;

/// How long an agent is asked again to thaw that does not answer, and how often. It may be freezing all the while.
const THAW_PATIENCE: Duration = Duration::from_secs(300);
const THAW_AGAIN: Duration = Duration::from_secs(2);

/// Why a guest is not frozen.
struct Unfrozen {
    error: Error,
    /// It may be all the same, or will be.
    in_doubt: bool,
}

impl Actions {
    /// Takes a snapshot while the file systems of the guest are frozen.
    pub(super) async fn take_quiesced(
        self: &Arc<Self>,
        actor: &Actor,
        subject: Subject,
        prepared: Box<Prepared>,
    ) -> Result<SnapshotRow, Error> {
        let (actions, actor) = (Arc::clone(self), actor.clone());
        to_its_end(async move {
            let instance = actions.instance(subject.uuid);
            let frozen = actions.freeze_for(&subject, prepared.turn()).await;
            let (taken, in_doubt) = match frozen {
                Ok(()) => (Box::pin(actions.take_snapshot(&actor, &subject.name, prepared)).await, true),
                Err(Unfrozen { error, in_doubt }) => {
                    // Others may have their turn.
                    drop(prepared);
                    (Err(error), in_doubt)
                }
            };
            if !in_doubt {
                return taken;
            }
            let thawed = actions.thaw_after(&subject).await;
            if thawed.is_err() {
                tokio::spawn(Arc::clone(&actions).thaw_later(subject, instance));
            }
            match (taken, thawed) {
                (Ok(_), Err(error)) => {
                    let message =
                        format!("the snapshot is made, but the guest may be frozen: {}", error.message);
                    Err(Error { message, ..error })
                }
                (taken, _) => taken,
            }
        })
        .await
    }

    /// Has the guest freeze its file systems, for no longer than nobody waits to end it by force.
    async fn freeze_for(&self, subject: &Subject, turn: Option<&Turn>) -> Result<(), Unfrozen> {
        let asked = self.conversation(subject).await;
        let mut asked = asked.map_err(|error| Unfrozen { error, in_doubt: false })?;
        let destroyed = async {
            match turn {
                Some(turn) => turn.to_be_destroyed().await,
                None => std::future::pending().await,
            }
        };
        let frozen = tokio::select! {
            frozen = asked.agent.freeze(&[]) => frozen,
            () = destroyed => {
                let message = format!("domain '{}' is to be destroyed", subject.name);
                return Err(Unfrozen { error: Error::new(ErrorCode::WrongState, message), in_doubt: true });
            }
        };
        frozen.map(drop).map_err(|error| {
            // One that refuses has frozen nothing; what is frozen then is somebody else's.
            let in_doubt = !matches!(error, AgentError::Refused { .. } | AgentError::Unknown { .. });
            let hint = format!("'reeve domain domfsthaw {}' thaws what may be frozen", subject.name);
            Unfrozen { error: asked.told(error).with_hint(hint), in_doubt }
        })
    }

    async fn thaw_after(&self, subject: &Subject) -> Result<(), Error> {
        let mut asked = self.conversation(subject).await?;
        asked.agent.thaw().await.map(drop).map_err(|error| asked.told(error))
    }

    /// Asks again until a guest is thawed, or is no more.
    async fn thaw_later(self: Arc<Self>, subject: Subject, instance: Option<u32>) {
        let begun = Instant::now();
        let domain = &subject.name;
        loop {
            tokio::time::sleep(THAW_AGAIN).await;
            let is_there = self.domains.phase(subject.uuid).is_ok_and(|phase| phase.has_machine());
            if !is_there || self.is_another(subject.uuid, instance) {
                return;
            }
            match self.thaw_after(&subject).await {
                Ok(()) => {
                    tracing::info!(domain, "the file systems of its guest are thawed at last");
                    return;
                }
                Err(error) if begun.elapsed() >= THAW_PATIENCE => {
                    tracing::error!(domain, %error, "the file systems of its guest may be frozen");
                    return;
                }
                Err(_) => {}
            }
        }
    }
}
