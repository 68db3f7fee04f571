//! Post-copy: the guest runs at the destination and some of its memory is still at the source.
//!
//! Both halves are needed until the destination has all of it. Where one ends, the guest is lost and the other one is ended; where only the
//! connection breaks, both wait until an operator has it mended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_domain::migration::{MigrationEnd, MigrationOrder, MigrationPlace};
use reeve_domain::{Request, Turn};
use reeve_model::migration::{
    Migrate, Migrated, MigrationPrepared, MigrationStage, ResumeMigration, StreamRoute,
};
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use uuid::Uuid;

use super::Subject;
use super::arrive::{Arrive, CONNECT, WORD};
use super::arrive_stream::check_source;
use crate::Actions;
use crate::error::explain;
use crate::migrating::StreamTarget;
use crate::peer_address::{self, PeerAddress};

/// How long it may take until both sides see that a connection broke, and until a domain that has gone is gone.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long the destination may take to notice that its worker is gone, where the source sees only that its connection broke.
const VERDICT: Duration = Duration::from_secs(3);

/// What is known at the destination of a guest of which memory is missing.
#[derive(Default)]
pub(super) struct Late {
    begun: bool,
    severed: bool,
    asked: Option<Instant>,
}

impl Actions {
    /// Lets a domain that is being migrated go on at its destination.
    pub async fn switch_to_post_copy(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let subject = self.subject(actor, Verb::DomainMigrate, key)?;
        self.domains.migrate(subject.uuid, MigrationOrder::SwitchNow).await.map_err(explain)
    }

    /// Breaks the connection of post-copy. Nothing is lost: it goes on when it is resumed.
    pub async fn interrupt_post_copy(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let subject = self.subject(actor, Verb::DomainMigrate, key)?;
        self.domains.migrate(subject.uuid, MigrationOrder::Interrupt).await.map_err(explain)
    }

    /// Goes on with post-copy over another connection; answered when the destination has all of the guest.
    pub(super) async fn resume_post_copy(
        self: &Arc<Self>,
        subject: &Subject,
        request: &Migrate,
        begun: Instant,
    ) -> Result<Migrated, Error> {
        let uuid = subject.uuid;
        let daemon = PeerAddress::parse(&request.destination)?;
        let (route, host) = peer_address::route(&daemon, request)?;
        let none = || {
            let message = format!("domain '{}' is not in post-copy", subject.name);
            Error::new(ErrorCode::WrongState, message)
        };
        let migration = self.migrations.leaving(uuid).ok_or_else(none)?;
        let summary = self.domains.snapshot(uuid).map_err(explain)?.summary;
        let mut progress = self.domains.migration_progress(uuid).map_err(explain)?;
        let peers = &self.migrations.peers;
        let prepared = peers.resume(&daemon, migration, &ResumeMigration { route: route.clone() }).await?;
        let target = StreamTarget { daemon: daemon.clone(), migration, route, host, prepared };
        let stream = peers.connect(&target).await?;
        let order = MigrationOrder::Resume { migration, stream };
        self.domains.migrate(uuid, order).await.map_err(explain)?;
        let mut downtime = None;
        loop {
            let interrupted = {
                let now = progress.borrow_and_update();
                if let Some(MigrationEnd::Moved(us)) = &now.end {
                    downtime = Some(*us as f64 / 1000.0);
                }
                now.job.interrupted.clone()
            };
            if let Some(reason) = interrupted {
                return Err(self.broken(&subject.name, &daemon, migration, &reason).await);
            }
            // Its machine here is gone when the operation is at its end.
            if progress.changed().await.is_err() {
                break;
            }
        }
        let left = Instant::now();
        while self.domains.phase(uuid).is_ok_and(|phase| phase.has_machine()) && left.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if self.domains.phase(uuid).is_ok_and(|phase| phase.state() == DomainState::Crashed)
            && self.verdict(&daemon, migration, PATIENCE).await != Some(MigrationStage::Arrived)
        {
            return Err(lost());
        }
        let total_ms = begun.elapsed().as_secs_f64() * 1000.0;
        let downtime_ms = downtime.filter(|downtime| *downtime > 0.0);
        Ok(Migrated { domain: summary, downtime_ms, total_ms, strategy_ms: 0.0 })
    }

    /// Ends when the connection of a domain's post-copy breaks.
    pub(super) async fn interruption(&self, subject: &Subject, host: &PeerAddress, migration: Uuid) -> Error {
        let mut interrupted = None;
        if let Ok(mut progress) = self.domains.migration_progress(subject.uuid)
            && let Ok(now) = progress.wait_for(|progress| progress.job.interrupted.is_some()).await
        {
            interrupted.clone_from(&now.job.interrupted);
        }
        match interrupted {
            Some(reason) => self.broken(&subject.name, host, migration, &reason).await,
            None => std::future::pending().await,
        }
    }

    /// What whoever moves a domain hears whose connection broke: that it can be mended, unless the half at the destination is gone.
    async fn broken(&self, name: &str, host: &PeerAddress, migration: Uuid, reason: &str) -> Error {
        match self.verdict(host, migration, VERDICT).await {
            Some(MigrationStage::Lost) => lost(),
            _ => interrupted(name, reason),
        }
    }

    /// What the destination says became of a guest in post-copy; none where it does not know within that time.
    async fn verdict(
        &self,
        host: &PeerAddress,
        migration: Uuid,
        patience: Duration,
    ) -> Option<MigrationStage> {
        let asking = async {
            loop {
                let stage = self.migrations.peers.report(host, migration).await.ok()?.stage;
                if matches!(stage, MigrationStage::Lost | MigrationStage::Arrived) {
                    return Some(stage);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(patience, asking).await.ok().flatten()
    }

    /// For other hosts: makes ready to go on with post-copy.
    pub async fn resume_migration(
        self: &Arc<Self>,
        actor: &Actor,
        migration: Uuid,
        route: &StreamRoute,
    ) -> Result<MigrationPrepared, Error> {
        self.authorize(actor, Verb::DomainMigrate, "")?;
        let none = || Error::new(ErrorCode::NotFound, format!("no guest comes by migration {migration}"));
        let (uuid, source) = self.migrations.arriving(migration).ok_or_else(none)?;
        check_source(actor, &source)?;
        let begun = Instant::now();
        while self.domains.migration_place(uuid).await.map_err(explain)?
            != (MigrationPlace::Late { interrupted: true })
        {
            if begun.elapsed() > PATIENCE {
                let message = "this host does not see that the connection of the migration broke";
                return Err(Error::new(ErrorCode::Busy, message).with_hint("try again in a minute"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let (prepared, coming) = self.await_stream(actor, migration, route, 1).await?;
        let actions = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(Ok(mut streams)) = tokio::time::timeout(CONNECT, coming).await else { return };
            let Some(stream) = streams.pop() else { return };
            let order = MigrationOrder::Resume { migration, stream };
            if let Err(error) = actions.domains.migrate(uuid, order).await {
                tracing::warn!(%uuid, %error, "the rest of a guest can't be taken");
            }
        });
        Ok(prepared)
    }

    /// Looks after a guest that runs here and misses memory. An error is its end.
    pub(super) async fn watch_late(
        self: &Arc<Self>,
        arrive: &mut Arrive,
        late: &mut Late,
        interrupted: bool,
    ) -> Result<(), Error> {
        let uuid = arrive.config.uuid;
        if !late.begun {
            late.begun = true;
            self.migrations.set_stage(arrive.migration, MigrationStage::PostCopy);
            if !arrive.paused {
                self.note_arrival(uuid, arrive.turn.as_ref()).await;
            }
            // It may last: an operator must be able to end the domain.
            arrive.turn = None;
        }
        if late.severed != interrupted {
            late.severed = interrupted;
            if interrupted {
                self.note_severed(uuid).await;
            } else if !arrive.paused {
                self.note_arrival(uuid, None).await;
            }
        }
        if !interrupted || late.asked.is_some_and(|asked| asked.elapsed() < WORD) {
            return Ok(());
        }
        late.asked = Some(Instant::now());
        let report = self.migrations.peers.report(&arrive.source, arrive.migration).await;
        if report.is_ok_and(|report| report.stage == MigrationStage::Lost) {
            let message = format!(
                "the guest of domain '{}' is lost: its source ended before all of its memory was here",
                arrive.config.name
            );
            return Err(Error::new(ErrorCode::Internal, message));
        }
        Ok(())
    }

    /// Notes that a guest goes on elsewhere with memory that is here.
    pub(super) async fn note_left(&self, uuid: Uuid, turn: Option<&Turn>) {
        let noted = match turn {
            Some(turn) => turn.leave().await.map_err(explain),
            None => match self.turn(&Actor::Daemon, uuid, Request::Migrate).await {
                Ok(turn) => turn.leave().await.map_err(explain),
                Err(error) => Err(error),
            },
        };
        told(uuid, noted);
    }

    async fn note_severed(&self, uuid: Uuid) {
        let noted = match self.turn(&Actor::Daemon, uuid, Request::Migrate).await {
            Ok(turn) => turn.sever().await.map_err(explain),
            Err(error) => Err(error),
        };
        told(uuid, noted);
    }
}

fn told(uuid: Uuid, noted: Result<(), Error>) {
    if let Err(error) = noted {
        tracing::warn!(%uuid, %error, "it could not be noted how far the migration of a domain is");
    }
}

/// A half of the guest is gone, and with it the guest.
pub(super) fn lost() -> Error {
    let message = "the guest was lost in post-copy: a worker of it ended before all of its memory was at the destination";
    Error::new(ErrorCode::Internal, message)
}

fn interrupted(name: &str, reason: &str) -> Error {
    let message = format!(
        "the connection broke after domain '{name}' went on at the destination; nothing is lost: {reason}"
    );
    Error::new(ErrorCode::Internal, message)
        .with_hint("mend the connection, then migrate it with --postcopy-resume")
}
