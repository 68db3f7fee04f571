//! Moving a domain to another host: the source's side from the point of no return on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reeve_domain::migration::{MigrationEnd, MigrationOrder, MigrationPlace};
use reeve_domain::{Request, Turn};
use reeve_model::migration::MigrationStage;
use reeve_model::{Actor, Error, ErrorCode};
use uuid::Uuid;

use super::migrate::Leave;
use super::post_copy::lost;
use crate::Actions;
use crate::error::explain;
use crate::journal::{Next, Step, Unnoted};

/// How often the destination is asked what became of the guest.
const ASK_AGAIN: Duration = Duration::from_millis(300);

/// Name of the step that is the decision.
pub(crate) const HAND_OVER: &str = "hand-over";

/// The guest is the destination's. This goes on until it is known that it has it.
pub(super) struct HandOver;

#[async_trait]
impl Step<Leave> for HandOver {
    fn name(&self) -> &'static str {
        HAND_OVER
    }

    async fn run(&self, actions: &Arc<Actions>, leave: &mut Leave) -> Result<(), Error> {
        actions.migrations.set_stage(leave.migration, MigrationStage::GivenUp);
        actions.migrations.set_given(leave.uuid, Some(leave.host.clone()));
        // A worker that is gone, or heard it already, decides nothing any more.
        let _ = actions.domains.migrate(leave.uuid, MigrationOrder::Decide(true)).await;
        if leave.post_copy {
            actions.migrations.set_leaving(leave.uuid, Some(leave.migration));
            actions.note_left(leave.uuid, leave.turn.as_ref()).await;
        }
        let outcome = actions.wait_for_destination(leave).await;
        actions.migrations.set_leaving(leave.uuid, None);
        match outcome {
            Outcome::Arrived => actions.migrations.settle_given(leave.uuid),
            Outcome::NeverRan => return actions.take_back(leave).await,
            Outcome::Lost => return actions.lose_guest(leave).await,
        }
        // Nobody has its turn while it is waited for, which may be long.
        let is_another = || actions.is_another(leave.uuid, leave.instance);
        if is_another() {
            return Ok(());
        }
        // While it still has a machine: a domain without one can't lose its definition in the middle of something else.
        if leave.undefine {
            let (by, uuid) = (leave.actor.clone(), leave.uuid);
            let removed = actions.definitions(move |definitions| definitions.remove(&by, uuid)).await;
            if let Err(error) = removed {
                tracing::warn!(%error, "the definition of a domain that has moved could not be removed");
            }
        }
        let departed = match &leave.turn {
            Some(turn) => turn.depart().await.map_err(explain),
            None => match actions.turn(&Actor::Daemon, leave.uuid, Request::Destroy).await {
                Ok(_) if is_another() => return Ok(()),
                Ok(turn) => turn.depart().await.map_err(explain),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = departed {
            // Its worker may have ended before; then there is no copy to end.
            tracing::debug!(%error, "the copy of a domain that has moved is gone already");
        }
        Ok(())
    }

    async fn undo(&self, _actions: &Arc<Actions>, _leave: &mut Leave) -> Result<(), Error> {
        Ok(())
    }

    fn unnoted(&self) -> Unnoted {
        // Else the guest would run nowhere, or at two hosts when this one's next daemon reads something else.
        Unnoted::AsWritten
    }

    fn after_crash(&self, _actions: &Actions, _leave: &Leave) -> Next {
        Next::Again
    }
}

/// What became of a guest that was given up.
enum Outcome {
    Arrived,
    /// The destination promises that it never ran it and never will.
    NeverRan,
    /// A half of it is gone.
    Lost,
}

impl Actions {
    /// Waits until the destination has the guest, however long that takes, or it is known that it never will.
    async fn wait_for_destination(self: &Arc<Self>, leave: &mut Leave) -> Outcome {
        let mut progress = self.domains.migration_progress(leave.uuid).ok();
        // News of a post-copy come more often than it is asked, and must not put that off.
        let mut ask = tokio::time::interval_at(tokio::time::Instant::now() + ASK_AGAIN, ASK_AGAIN);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if let Some(progress) = &mut progress
                && let Some(MigrationEnd::Moved(downtime)) = &progress.borrow_and_update().end
            {
                leave.downtime_us = Some(*downtime);
                return Outcome::Arrived;
            }
            let told = async {
                if let Some(progress) = &mut progress
                    && progress.changed().await.is_ok()
                {
                    return;
                }
                // It has told all that it will.
                std::future::pending().await
            };
            tokio::select! {
                () = told => {}
                _ = ask.tick() => {
                    // This may take as long as the other host is away: an operator must be able to end the copy.
                    leave.turn = None;
                    let here = self.domains.phase(leave.uuid).is_ok_and(|phase| phase.has_machine());
                    if leave.post_copy && !here {
                        // The destination hears it and ends its half, unless that is whole.
                        self.migrations.set_stage(leave.migration, MigrationStage::Lost);
                    }
                    let report = self.migrations.peers.report(&leave.host, leave.migration).await;
                    match report.map(|report| report.stage) {
                        Ok(MigrationStage::Arrived) => return Outcome::Arrived,
                        Ok(MigrationStage::Refused) => return Outcome::NeverRan,
                        Ok(MigrationStage::Lost) => return Outcome::Lost,
                        Ok(_) | Err(_) => {}
                    }
                }
            }
        }
    }

    /// The guest is lost, and what is left of it here is no guest.
    async fn lose_guest(self: &Arc<Self>, leave: &Leave) -> Result<(), Error> {
        self.migrations.set_given(leave.uuid, None);
        if let Ok(turn) = self.turn(&Actor::Daemon, leave.uuid, Request::Destroy).await
            && turn.check(Request::Destroy).is_ok()
            && !self.is_another(leave.uuid, leave.instance)
        {
            turn.lose().await.map_err(explain)?;
        }
        let error = lost();
        // Whoever moved it may not listen any more.
        tracing::error!(uuid = %leave.uuid, migration = %leave.migration, "{error}");
        Err(error)
    }

    /// The destination never ran the guest and never will: it goes on here.
    async fn take_back(self: &Arc<Self>, leave: &Leave) -> Result<(), Error> {
        self.migrations.set_stage(leave.migration, MigrationStage::Unknown);
        self.migrations.set_given(leave.uuid, None);
        if self.is_another(leave.uuid, leave.instance) {
            let message = "the domain was not migrated, and has been started anew here";
            return Err(Error::new(ErrorCode::WrongState, message));
        }
        let config = self.domains.snapshot(leave.uuid).map_err(explain)?.config;
        let shared = config.devices.disks.into_iter().filter(|disk| disk.shareable);
        let shared: Vec<String> = shared.map(|disk| disk.target).collect();
        // Nobody else runs it any more. An operator who has enough of this can end it.
        while let Err(error) =
            self.domains.migrate(leave.uuid, MigrationOrder::TakeBack { shared: shared.clone() }).await
        {
            if !self.domains.phase(leave.uuid).is_ok_and(|phase| phase.has_machine()) {
                return Err(explain(error));
            }
            if matches!(self.domains.migration_place(leave.uuid).await, Ok(MigrationPlace::Here)) {
                break;
            }
            tracing::warn!(uuid = %leave.uuid, %error, "a guest that did not move could not be taken back yet");
            tokio::time::sleep(ASK_AGAIN).await;
        }
        self.note_arrival(leave.uuid, leave.turn.as_ref()).await;
        let message = "the domain was not migrated and stays here: the destination could not run it";
        Err(Error::new(ErrorCode::Internal, message))
    }

    /// Notes that the guest of a domain runs, if it does.
    pub(super) async fn note_arrival(&self, uuid: Uuid, turn: Option<&Turn>) {
        let place = self.domains.migration_place(uuid).await;
        if !matches!(place, Ok(MigrationPlace::Here | MigrationPlace::Late { .. })) {
            return;
        }
        let noted = match turn {
            Some(turn) => turn.arrive().await.map_err(explain),
            None => match self.turn(&Actor::Daemon, uuid, Request::Migrate).await {
                Ok(turn) => turn.arrive().await.map_err(explain),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = noted {
            tracing::warn!(%uuid, %error, "it could not be noted that a domain runs");
        }
    }
}
