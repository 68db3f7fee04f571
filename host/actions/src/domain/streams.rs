//! Streams beside the first one of a migration: memory goes over them, and nothing else (decisions/0022).
//!
//! They come the way that the first one came, from the same host, while its guest is on its way, and never more than both operators allow.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reeve_domain::migration::{MigrationOrder, MigrationPlace};
use reeve_migrate::{Step, StrategyAnswer};
use reeve_model::migration::{AddStreams, MigrationPrepared, MigrationReport};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::arrive::CONNECT;
use super::arrive_stream::check_source;
use crate::Actions;
use crate::error::explain;
use crate::migrating::StreamTarget;

/// How long the first ones may take to open: the destination has to make its machine before. It hears nothing over the first stream meanwhile.
pub(super) const AT_FIRST: Duration = Duration::from_secs(20);
/// How long those of a strategy may take. The source's machine waits a little longer for the strategy's answer.
const MEANWHILE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The streams of a guest that leaves, for opening more of them.
pub(super) struct Outgoing {
    target: StreamTarget,
    /// Most of them in all.
    pub most: u16,
    /// Those that there are, the first one included.
    open: u16,
}

impl Outgoing {
    /// The first one is there.
    pub fn new(target: StreamTarget, most: u16) -> Self {
        Self { target, most, open: 1 }
    }
}

impl Actions {
    /// Most streams that a guest goes over from here to a host that says so of itself; an error where more are asked for.
    pub(super) fn most_streams(&self, report: &MigrationReport, wanted: Option<u16>) -> Result<u16, Error> {
        let (ours, theirs) = (self.migrations.max_streams().max(1), report.max_streams.max(1));
        let refused = |code, message: String, hint: &str| Err(Error::new(code, message).with_hint(hint));
        let invalid = ErrorCode::Invalid;
        match wanted.unwrap_or(1) {
            0 => refused(
                invalid,
                "a guest's memory goes over 1 connection at least".to_owned(),
                "name a number from 1 on",
            ),
            wanted if wanted > ours => refused(
                invalid,
                format!("{wanted} connections are more than this host opens for one guest: {ours}"),
                "ask for fewer, or set 'migration.max-streams' in reeve.toml on both hosts",
            ),
            wanted if wanted > theirs && theirs == 1 => refused(
                ErrorCode::Unsupported,
                format!(
                    "the destination takes a guest's memory over one connection only: its reeve is of version {}, and may be too old, or its operator wants it so",
                    report.host.version
                ),
                "leave --parallel out, or see 'migration.max-streams' in reeve.toml of the destination",
            ),
            wanted if wanted > theirs => refused(
                invalid,
                format!("{wanted} connections are more than the destination takes for one guest: {theirs}"),
                "ask for fewer, or set 'migration.max-streams' in reeve.toml of the destination",
            ),
            _ => Ok(ours.min(theirs)),
        }
    }

    /// Opens more streams, all or none.
    pub(super) async fn open_streams(
        &self,
        outgoing: &mut Outgoing,
        count: u16,
        patience: Duration,
    ) -> Result<Vec<OwnedFd>, Error> {
        let mut target = outgoing.target.clone();
        let peers = Arc::clone(&self.migrations.peers);
        let opening = async {
            let request = AddStreams { count, route: target.route.clone() };
            target.prepared = peers.add_streams(&target.daemon, target.migration, &request).await?;
            let mut connecting = JoinSet::new();
            for _ in 0..count {
                let (peers, target) = (Arc::clone(&peers), target.clone());
                connecting.spawn(async move { peers.connect(&target).await });
            }
            let mut streams: Vec<OwnedFd> = Vec::new();
            while let Some(connected) = connecting.join_next().await {
                let broken = |_: tokio::task::JoinError| {
                    Error::new(ErrorCode::Internal, "a connection was not opened")
                };
                streams.push(connected.map_err(broken)??);
            }
            Ok::<_, Error>(streams)
        };
        let slow = |_: tokio::time::error::Elapsed| {
            Error::new(ErrorCode::Busy, "the destination takes too long to open more connections")
                .with_hint("see its log; a guest goes over fewer connections, or one, too")
        };
        let streams = tokio::time::timeout(patience, opening).await.map_err(slow)??;
        outgoing.open += count;
        Ok(streams)
    }

    /// What a strategy says, with the streams that it asks for. Where they can't be opened the migration goes on as it was, and no others are
    /// opened for it.
    pub(super) async fn with_streams(
        &self,
        outgoing: Option<&mut Outgoing>,
        answer: StrategyAnswer,
    ) -> (StrategyAnswer, Vec<OwnedFd>) {
        let Some(outgoing) = outgoing else { return (answer, Vec::new()) };
        let room = outgoing.most.saturating_sub(outgoing.open);
        let wanted = match &answer {
            StrategyAnswer::Plan(plan) => plan.streams.saturating_sub(outgoing.open),
            StrategyAnswer::Step(Step::AddStreams(more)) => *more,
            _ => 0,
        };
        let count = wanted.min(room);
        if count == 0 {
            return (answer, Vec::new());
        }
        match self.open_streams(outgoing, count, MEANWHILE).await {
            Ok(streams) => (answer, streams),
            Err(error) => {
                let migration = outgoing.target.migration;
                // Some may have come there and broken since: the destination would hold that against those that come later. Nor shall each
                // round wait for a destination that is slow.
                outgoing.most = outgoing.open;
                tracing::warn!(%migration, %error, "the streams that a strategy asks for could not be opened");
                let answer = match answer {
                    StrategyAnswer::Step(_) => StrategyAnswer::Step(Step::Continue),
                    other => other,
                };
                (answer, Vec::new())
            }
        }
    }

    /// For other hosts: makes ready for more streams of a guest that is on its way here.
    pub async fn add_streams(
        self: &Arc<Self>,
        actor: &Actor,
        migration: Uuid,
        request: AddStreams,
    ) -> Result<MigrationPrepared, Error> {
        self.authorize(actor, Verb::DomainMigrate, "")?;
        let none = || Error::new(ErrorCode::NotFound, format!("no guest comes by migration {migration}"));
        let coming = self.migrations.coming(migration).ok_or_else(none)?;
        check_source(actor, &coming.source)?;
        let (count, domain) = (request.count, coming.domain);
        if count == 0 {
            return Err(Error::new(ErrorCode::Invalid, "0 connections are none that could be added"));
        }
        let begun = Instant::now();
        loop {
            match self.domains.migration_place(domain).await {
                Ok(MigrationPlace::Coming) => break,
                // Its machine is being made, as long as somebody knows of it.
                Err(_) if begun.elapsed() < CONNECT => {
                    self.migrations.coming(migration).ok_or_else(none)?;
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                _ => {
                    let message = format!("the guest of migration {migration} takes no more connections now");
                    return Err(Error::new(ErrorCode::WrongState, message));
                }
            }
        }
        self.migrations.count_streams(migration, count).map_err(|most| {
            let message = format!("this host takes the memory of a guest over at most {most} connections");
            Error::new(ErrorCode::Invalid, message)
                .with_hint("set 'migration.max-streams' in reeve.toml of the destination")
        })?;
        let awaited = self.await_stream(actor, migration, &request.route, count).await;
        let (prepared, streams) =
            awaited.inspect_err(|_| self.migrations.discount_streams(migration, count))?;
        let actions = Arc::clone(self);
        tokio::spawn(async move {
            let added = match tokio::time::timeout(CONNECT, streams).await {
                Ok(Ok(streams)) => {
                    let order = MigrationOrder::AddStreams(streams);
                    actions.domains.migrate(domain, order).await.map_err(explain)
                }
                _ => Err(Error::new(ErrorCode::Internal, "the other host did not connect")),
            };
            if let Err(error) = added {
                actions.migrations.discount_streams(migration, count);
                tracing::warn!(%migration, %error, "streams of a guest could not be added");
            }
        });
        Ok(prepared)
    }
}
