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
use reeve_domain::migration::{MigrationEnd, MigrationOrder, MigrationPlace, MigrationProgress, MovedDisk};
use reeve_domain::{Request, Turn};
use reeve_migrate::StrategyAnswer;
use reeve_model::migration::{CopiedDisk, Migrate, Migrated, MigrationStage};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use super::Subject;
use super::hand_over::HandOver;
use super::make_ready::Way;
use super::shares::refuse_shares;
use super::steer::check_limits;
use super::streams::Outgoing;
use crate::Actions;
use crate::error::explain;
use crate::journal::{Operation, Step};
use crate::migrating::{AN_OPERATOR, Beginning, CurrentLimits};
use crate::peer_address::{self, PeerAddress};
use crate::policy_port::Steering;

/// How long the destination's daemon may take to say that its guest is there, and how often it is asked.
const ARRIVAL: Duration = Duration::from_secs(5);
const LOOK_AT_ARRIVAL: Duration = Duration::from_millis(10);

/// How long a worker may take to let its guest run again.
const PATIENCE: Duration = Duration::from_secs(20);

/// What whoever moves a domain hears that somebody ends by force.
const DESTROYED: &str = "the domain was not migrated: it is being destroyed";

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
        self.permits(&subject, Request::Migrate).map_err(|error| self.moved_by_hand(&subject, error))?;
        self.refuse_leashed(&subject).await?;
        if request.resume_post_copy {
            return Box::pin(self.resume_post_copy(&subject, &request, begun)).await;
        }
        check_limits(&request.limits(self.migrations.limits(subject.uuid)))?;
        let host = PeerAddress::parse(&request.destination)?;
        let (route, at) = peer_address::route(&host, &request)?;
        let source = self.migrations.peers.own_address(&host, &route)?;
        let uuid = subject.uuid;
        let turn = self.turn(actor, uuid, Request::Migrate).await?;
        if self.migrations.leaving(uuid).is_some()
            || self.migrations.given(uuid, Some(Instant::now())).is_some()
        {
            let message = format!("domain '{}' is being handed over to another host", subject.name);
            return Err(Error::new(ErrorCode::WrongState, message));
        }
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
        let destroyed = turn.to_be_destroyed();
        let limits = self.migrations.limit(uuid, migration, &request);
        let beginning = self.migrations.begin(uuid, migration);
        let way = Way { host: host.clone(), route, at, source, migration, limits };
        let making = Box::pin(self.make_ready(actor, turn, snapshot, request, way));
        let made = tokio::select! {
            made = beginning.or_given_up(making) => made,
            () = destroyed => Err(ended_by_force(&subject.name)),
        };
        let operation = match made {
            Ok(operation) => Leave { beginning: Some(beginning), ..operation },
            Err(error) => {
                drop(beginning);
                self.see_arrival(&host, migration).await;
                return Err(error);
            }
        };
        let done = tokio::select! {
            done = self.perform(actor, operation) => done,
            // It goes on all the same, when somebody mends it.
            error = self.interruption(&subject, &host, migration) => return Err(error),
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

    /// What helps where nothing runs that could be moved (guide 4.4).
    fn moved_by_hand(&self, subject: &Subject, error: Error) -> Error {
        if self.domains.phase(subject.uuid).is_ok_and(|phase| phase.has_machine()) {
            return error;
        }
        let name = &subject.name;
        error.with_hint(format!(
            "start it with 'reeve domain start {name}', or move its definition: 'reeve domain dumpxml {name}' here, 'reeve domain define' there, 'reeve domain undefine {name}' here"
        ))
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
}

/// What somebody hears whose work on a domain is given up for a destroy.
pub(super) fn ended_by_force(name: &str) -> Error {
    Error::new(ErrorCode::WrongState, format!("domain '{name}' is being destroyed"))
}

/// A domain goes to another host.
#[derive(Serialize, Deserialize)]
pub(crate) struct Leave {
    pub(super) uuid: Uuid,
    /// See [`Actions::instance`].
    #[serde(default)]
    pub(super) instance: Option<u32>,
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
    /// What it may cost, as long as it lasts.
    #[expect(dead_code, reason = "it counts until it is dropped")]
    #[serde(skip)]
    pub(super) limits: Option<CurrentLimits>,
    /// Its worker does not have it yet.
    #[serde(skip)]
    pub(super) beginning: Option<Beginning>,
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
        let progress = actions.domains.migration_progress(uuid).map_err(explain)?;
        let steered = leave.steering.is_some();
        let disks = leave.disks.iter().map(MovedDisk::from).collect();
        let beside = std::mem::take(&mut leave.beside);
        let most_streams = leave.streams.as_ref().map_or(1, |streams| streams.most);
        let order = MigrationOrder::Send { migration, stream, limits, steered, disks, beside, most_streams };
        actions.domains.migrate(uuid, order).await.map_err(explain)?;
        if let Some(mut beginning) = leave.beginning.take()
            && let Err(given_up) = beginning.begun()
            // Refused where all of it is at the destination by now: undone, it hears that it stays.
            && actions.domains.migrate(uuid, MigrationOrder::Abort(AN_OPERATOR.to_owned())).await.is_err()
        {
            return Err(given_up);
        }
        let wanted = leave.turn.as_ref().map(Turn::to_be_destroyed);
        let moved = tokio::select! {
            biased;
            // Also while the other host is silent.
            () = actions.end_when_wanted(uuid, wanted, progress.clone()) => {
                Err(Error::new(ErrorCode::WrongState, DESTROYED))
            }
            moved = actions.follow(leave, progress) => moved,
        };
        let is_wanted = leave.turn.as_ref().is_some_and(Turn::is_to_be_destroyed);
        moved.map_err(|error| if is_wanted { Error::new(ErrorCode::WrongState, DESTROYED) } else { error })
    }

    async fn undo(&self, actions: &Arc<Actions>, leave: &mut Leave) -> Result<(), Error> {
        actions.migrations.set_stage(leave.migration, MigrationStage::Unknown);
        if actions.is_another(leave.uuid, leave.instance) {
            return Ok(());
        }
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

impl Actions {
    /// Answers the questions of a migration that has begun, until all of the guest is there.
    async fn follow(
        self: &Arc<Self>,
        leave: &mut Leave,
        mut progress: watch::Receiver<MigrationProgress>,
    ) -> Result<(), Error> {
        let now = tokio::time::Instant::now();
        let stop_at = leave.suspend_after.and_then(|seconds| now.checked_add(Duration::from_secs(seconds)));
        let (uuid, mut stopped, mut answered) = (leave.uuid, false, 0);
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
                let limits = self.migrations.limits(uuid);
                let answer = match &mut leave.steering {
                    Some(steering) => steering.answer(question, limits).await,
                    None => StrategyAnswer::Nothing,
                };
                let (answer, streams) = self.with_streams(leave.streams.as_mut(), answer).await;
                // One that comes too late changes nothing; how the migration ends is told.
                let _ = self.domains.migrate(uuid, MigrationOrder::Advise(number, answer, streams)).await;
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
                    self.domains.migrate(uuid, order).await.map_err(explain)?;
                }
            }
        }
    }

    /// Ends the migration of a domain once somebody waits to end that by force. Where it is too late for it, this has no end.
    async fn end_when_wanted(
        &self,
        uuid: Uuid,
        wanted: Option<impl Future<Output = ()>>,
        mut progress: watch::Receiver<MigrationProgress>,
    ) {
        if let Some(wanted) = wanted {
            wanted.await;
            let order = MigrationOrder::Abort("the domain is being destroyed".to_owned());
            // One that is refused comes too late, or its worker says nothing: what it says next, or that it says nothing, decides.
            let _ = self.domains.migrate(uuid, order).await;
            let over = progress.wait_for(|progress| progress.end.is_some() || progress.ready);
            let is_too_late = match tokio::time::timeout(PATIENCE, over).await {
                Ok(Ok(now)) => now.end.is_none(),
                Ok(Err(_)) | Err(_) => false,
            };
            if !is_too_late {
                return;
            }
        }
        std::future::pending().await
    }
}
