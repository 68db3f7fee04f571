//! Moving a domain to another host: the source's side.
//!
//! ```text
//!   authorize ─▶ turn on the domain ─▶ guards (migrate-out) ─▶ strategy: precheck ─▶ the destination makes ready (it asks its own guards)
//!     ─▶ journal [ move: rounds, guest stopped, the destination has all of it │ hand-over ]
//! ```
//! That the journal has noted the step `hand-over` is the decision: from then on the guest is the destination's, whatever dies. Before
//! that everything is undone by telling the worker to keep its guest.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_domain::migration::{MigrationEnd, MigrationOrder, MigrationPlace, MovedDisk};
use reeve_domain::{Request, Turn};
use reeve_migrate::StrategyAnswer;
use reeve_model::migration::{
    CopiedDisk, Migrate, Migrated, MigrationJob, MigrationLimits, MigrationReport, MigrationStage,
};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::make_ready::Way;
use super::shares::refuse_shares;
use super::streams::Outgoing;
use crate::Actions;
use crate::error::explain;
use crate::journal::{Next, Operation, Step};
use crate::peer_address::{self, PeerAddress};
use crate::policy_port::Steering;

/// How long the destination's daemon may take to say that its guest is there, and how often it is asked.
const ARRIVAL: Duration = Duration::from_secs(5);
const LOOK_AT_ARRIVAL: Duration = Duration::from_millis(10);
/// How often the destination is asked what became of the guest.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// How long a worker may take to let its guest run again.
const PATIENCE: Duration = Duration::from_secs(20);

impl Actions {
    /// Moves a running domain to another host. An error leaves it here as it was.
    pub async fn migrate(
        self: &Arc<Self>,
        actor: &Actor,
        key: &str,
        request: Migrate,
    ) -> Result<Migrated, Error> {
        let begun = Instant::now();
        let subject = self.subject(actor, Verb::DomainMigrate, key)?;
        self.permits(&subject, Request::Migrate)?;
        self.refuse_leashed(&subject).await?;
        if request.resume_post_copy {
            return Box::pin(self.resume_post_copy(&subject, &request, begun)).await;
        }
        let host = PeerAddress::parse(&request.destination)?;
        let (route, at) = peer_address::route(&host, &request)?;
        let source = self.migrations.peers.own_address(&host, &route)?;
        let uuid = subject.uuid;
        let turn = self.turn(actor, uuid, Request::Migrate).await?;
        // Within the turn, so that none is made meanwhile.
        if self.has_snapshots(subject.uuid).await? {
            let message = format!("domain '{}' has snapshots, which would stay behind", subject.name);
            let hint = format!(
                "delete them, or keep their documents with 'reeve domain snapshot-dumpxml {0} NAME' and forget them here with 'reeve domain snapshot-delete {0} NAME --metadata'",
                subject.name
            );
            return Err(Error::new(ErrorCode::WrongState, message).with_hint(hint));
        }
        let snapshot = self.domains.snapshot(uuid).map_err(explain)?;
        refuse_shares(&snapshot.config, "migrated")?;
        let (summary, migration) = (snapshot.summary.clone(), Uuid::new_v4());
        let beginning = self.migrations.begin(uuid, migration);
        let way = Way { host: host.clone(), route, at, source, migration };
        let making = Box::pin(self.make_ready(actor, turn, snapshot, request, way));
        let operation = match beginning.or_given_up(making).await {
            Ok(operation) => operation,
            Err(error) => {
                drop(beginning);
                self.see_arrival(&host, migration).await;
                return Err(error);
            }
        };
        beginning.succeeded();
        let done = tokio::select! {
            done = self.perform(actor, operation) => done,
            // It goes on all the same, when somebody mends it.
            error = self.interruption(&subject) => return Err(error),
        };
        let total_ms = begun.elapsed().as_secs_f64() * 1000.0;
        self.see_arrival(&host, migration).await;
        let done = done?;
        Ok(Migrated {
            domain: summary,
            downtime_ms: done.downtime_us.map(|us| us as f64 / 1000.0),
            total_ms,
            strategy_ms: done.strategy_us as f64 / 1000.0,
        })
    }

    /// Waits until the destination's daemon has heard of its guest too, or has put away what it made for one that did not come: whoever is
    /// told how it went looks there next, or tries again. A host that is not heard of any more has the guest all the same.
    async fn see_arrival(&self, host: &PeerAddress, migration: Uuid) {
        let seen = async {
            while let Ok(report) = self.migrations.peers.report(host, migration).await
                && report.stage == MigrationStage::UnderWay
            {
                tokio::time::sleep(LOOK_AT_ARRIVAL).await;
            }
        };
        let _ = tokio::time::timeout(ARRIVAL, seen).await;
    }

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
        let order = MigrationOrder::Abort("an operator ended it".to_owned());
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

/// A domain goes to another host.
#[derive(Serialize, Deserialize)]
pub(crate) struct Leave {
    pub(super) uuid: Uuid,
    pub(crate) migration: Uuid,
    pub(super) host: PeerAddress,
    pub(super) undefine: bool,
    pub(super) suspend_after: Option<u64>,
    #[serde(default)]
    pub(super) post_copy_then: bool,
    /// The guest goes on at the destination before all of its memory is there.
    #[serde(default)]
    pub(super) post_copy: bool,
    pub(super) actor: Actor,
    pub(super) downtime_us: Option<u64>,
    #[serde(default)]
    pub(super) strategy_us: u64,
    /// They go along.
    #[serde(default)]
    pub(super) disks: Vec<CopiedDisk>,
    #[serde(skip)]
    pub(super) turn: Option<Turn>,
    #[serde(skip)]
    pub(super) stream: Option<OwnedFd>,
    /// Streams beside it.
    #[serde(skip)]
    pub(super) beside: Vec<OwnedFd>,
    #[serde(skip)]
    pub(super) streams: Option<Outgoing>,
    #[serde(skip)]
    pub(super) steering: Option<Box<dyn Steering>>,
}

impl Operation for Leave {
    const KIND: &'static str = "domain-migrate";

    fn subject(&self) -> String {
        self.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&Move, &HandOver]
    }
}

/// Name of the step that is the decision.
pub(crate) const HAND_OVER: &str = "hand-over";

/// All of the guest is at the destination, and stands still here.
struct Move;

#[async_trait]
impl Step<Leave> for Move {
    fn name(&self) -> &'static str {
        "move"
    }

    async fn run(&self, actions: &Arc<Actions>, leave: &mut Leave) -> Result<(), Error> {
        let stream = leave.stream.take().expect("a migration that was interrupted is not run again");
        let (uuid, migration) = (leave.uuid, leave.migration);
        let limits = actions.migrations.limits(uuid);
        let mut progress = actions.domains.migration_progress(uuid).map_err(explain)?;
        let steered = leave.steering.is_some();
        let disks = leave.disks.iter().map(MovedDisk::from).collect();
        let beside = std::mem::take(&mut leave.beside);
        let most_streams = leave.streams.as_ref().map_or(1, |streams| streams.most);
        let order = MigrationOrder::Send { migration, stream, limits, steered, disks, beside, most_streams };
        actions.domains.migrate(uuid, order).await.map_err(explain)?;
        let stop_at =
            leave.suspend_after.map(|seconds| tokio::time::Instant::now() + Duration::from_secs(seconds));
        let (mut stopped, mut answered) = (false, 0);
        loop {
            let asked = {
                let now = progress.borrow_and_update();
                if now.ready {
                    leave.strategy_us = now.strategy_us;
                    leave.post_copy = now.post_copy;
                    return Ok(());
                }
                if let Some(end) = &now.end {
                    return Err(stayed(end));
                }
                now.question.filter(|(number, _)| *number > answered)
            };
            if let Some((number, question)) = asked {
                answered = number;
                let limits = actions.migrations.limits(uuid);
                let answer = match &mut leave.steering {
                    Some(steering) => steering.answer(question, limits).await,
                    None => StrategyAnswer::Nothing,
                };
                let (answer, streams) = actions.with_streams(leave.streams.as_mut(), answer).await;
                // One that comes too late changes nothing; how the migration ends is told.
                let _ = actions.domains.migrate(uuid, MigrationOrder::Advise(number, answer, streams)).await;
                continue;
            }
            let later = tokio::time::Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                changed = progress.changed() => {
                    changed.map_err(|_| Error::new(ErrorCode::Internal, "the domain ended while it was migrated"))?;
                }
                () = tokio::time::sleep_until(stop_at.unwrap_or(later)), if !stopped && stop_at.is_some() => {
                    stopped = true;
                    let order = if leave.post_copy_then { MigrationOrder::SwitchNow } else { MigrationOrder::StopNow };
                    actions.domains.migrate(uuid, order).await.map_err(explain)?;
                }
            }
        }
    }

    async fn undo(&self, actions: &Arc<Actions>, leave: &mut Leave) -> Result<(), Error> {
        actions.migrations.set_stage(leave.migration, MigrationStage::Unknown);
        let order = MigrationOrder::Abort("the migration was undone".to_owned());
        // One that is over is not ended twice. One that waits to hear whether it gives the guest up hears that it does not.
        let _ = actions.domains.migrate(leave.uuid, order).await;
        let _ = actions.domains.migrate(leave.uuid, MigrationOrder::Decide(false)).await;
        let begun = Instant::now();
        while let Ok(place) = actions.domains.migration_place(leave.uuid).await
            && matches!(place, MigrationPlace::Leaving | MigrationPlace::Undecided)
            && begun.elapsed() < PATIENCE
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        actions.note_arrival(leave.uuid, leave.turn.as_ref()).await;
        Ok(())
    }
}

fn stayed(end: &MigrationEnd) -> Error {
    let reason = match end {
        MigrationEnd::Kept(reason) | MigrationEnd::Unconfirmed(reason) => reason.as_str(),
        MigrationEnd::Moved(_) => "it was moved by somebody else",
    };
    Error::new(ErrorCode::Internal, format!("the domain was not migrated and stays here: {reason}"))
}

/// The guest is the destination's. This goes on until it is known that it has it.
struct HandOver;

#[async_trait]
impl Step<Leave> for HandOver {
    fn name(&self) -> &'static str {
        HAND_OVER
    }

    async fn run(&self, actions: &Arc<Actions>, leave: &mut Leave) -> Result<(), Error> {
        actions.migrations.set_stage(leave.migration, MigrationStage::GivenUp);
        // A worker that is gone, or heard it already, decides nothing any more.
        let _ = actions.domains.migrate(leave.uuid, MigrationOrder::Decide(true)).await;
        if leave.post_copy {
            actions.migrations.set_leaving(leave.uuid, Some(leave.migration));
            actions.note_left(leave.uuid, leave.turn.as_ref()).await;
        }
        let outcome = actions.wait_for_destination(leave).await;
        actions.migrations.set_leaving(leave.uuid, None);
        match outcome {
            Outcome::Arrived => {}
            Outcome::NeverRan => return actions.take_back(leave).await,
            Outcome::Lost => return actions.lose_guest(leave).await,
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
                () = tokio::time::sleep(ASK_AGAIN) => {
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
        if let Ok(turn) = self.turn(&Actor::Daemon, leave.uuid, Request::Destroy).await
            && turn.check(Request::Destroy).is_ok()
        {
            turn.lose().await.map_err(explain)?;
        }
        let message = "the guest was lost in post-copy: a worker of it ended before all of its memory was at the destination";
        Err(Error::new(ErrorCode::Internal, message))
    }

    /// The destination never ran the guest and never will: it goes on here.
    async fn take_back(self: &Arc<Self>, leave: &Leave) -> Result<(), Error> {
        self.migrations.set_stage(leave.migration, MigrationStage::Unknown);
        let config = self.domains.snapshot(leave.uuid).map_err(explain)?.config;
        let shared = config.devices.disks.into_iter().filter(|disk| disk.shareable);
        let order = MigrationOrder::TakeBack { shared: shared.map(|disk| disk.target).collect() };
        self.domains.migrate(leave.uuid, order).await.map_err(explain)?;
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
