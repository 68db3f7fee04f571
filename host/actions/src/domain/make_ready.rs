//! Making ready to move a domain to another host, until its stream is open: nothing has left yet, and an operator can give it up.

use std::sync::Arc;

use reeve_domain::Turn;
use reeve_model::domain::DomainConfig;
use reeve_model::migration::{
    CopiedDisk, Journey, Migrate, MigrationReport, MigrationStage, PrepareMigration, StreamRoute,
};
use reeve_model::policy::Hook;
use reeve_model::stats::DomainSnapshot;
use reeve_model::{Actor, Error, ErrorCode};
use uuid::Uuid;

use super::migrate::Leave;
use super::save_image::same_guest;
use super::shares::refuse_shares;
use super::streams::{AT_FIRST, Outgoing};
use super::{copied_disks, disk_facts};
use crate::error::explain;
use crate::migrating::{CurrentLimits, StreamTarget, transport_of};
use crate::peer_address::PeerAddress;
use crate::policy_port::{MigrationGuard, Steering, StrategyRequest};
use crate::{Actions, document};

/// The strategy of that name is the host's own.
const OWN_STRATEGY: &str = "host";

/// How a guest goes.
pub(super) struct Way {
    /// The daemon that takes it.
    pub host: PeerAddress,
    pub route: StreamRoute,
    /// Name of the host at which a connection of its own ends.
    pub at: Option<String>,
    /// Where that daemon reaches this one.
    pub source: String,
    pub migration: Uuid,
    /// What it may cost.
    pub limits: CurrentLimits,
}

impl Actions {
    /// Asks guards and strategy, has the destination make ready, and opens the streams.
    pub(super) async fn make_ready(
        self: &Arc<Self>,
        actor: &Actor,
        turn: Turn,
        snapshot: DomainSnapshot,
        request: Migrate,
        way: Way,
    ) -> Result<Leave, Error> {
        let Way { host, route, at, source, migration, limits } = way;
        let uuid = turn.uuid();
        let paused = request.suspend || self.domains.phase(uuid).map_err(explain)?.stands_still();
        let there = self.migrations.peers.report(&host, migration).await?;
        let hears_disk_facts = there.hears_disk_facts;
        let most_streams = self.most_streams(&there, request.streams)?;
        let journey = self.journey(&host, &route, there, &request, migration)?;
        let sent = match &request.xml {
            Some(xml) => self.read_document(xml, false)?.config,
            None => snapshot.config.clone(),
        };
        check_same(&snapshot.config, &sent)?;
        if request.xml.is_some() {
            same_guest(&snapshot.config, &sent)?;
        }
        let sent = match &request.name {
            // As if it had been written so.
            Some(name) => self.read_document(&document::format(&named(sent, name)), false)?.config,
            None => sent,
        };
        let disks = Box::pin(self.chosen_disks(&snapshot.config, &request, &host, migration)).await?;
        let moving = disk_facts::moving(&snapshot.config, disks.clone()).await?;
        let (state, running) = (snapshot.summary.state, Arc::new(snapshot.config));
        let guard = MigrationGuard {
            hook: Hook::MigrateOut,
            actor: actor.clone(),
            state,
            config: Arc::new(sent),
            journey: Arc::clone(&journey),
            disks: Arc::clone(&moving),
        };
        let sent = Box::pin(self.ask_migration(guard)).await?;
        refuse_shares(&sent, "migrated")?;
        let steered = StrategyRequest {
            actor: actor.clone(),
            state,
            config: running,
            journey: Arc::clone(&journey),
            disks: Arc::clone(&moving),
            policy: request.strategy.clone(),
        };
        let steering = Box::pin(self.steering(steered)).await?;
        let prepare = PrepareMigration {
            migration,
            xml: document::format(&sent),
            slots: self.domains.device_slots(uuid).await.map_err(explain)?,
            paused,
            persistent: request.persistent,
            source,
            route: route.clone(),
            boot_id: self.migrations.boot_id.clone(),
            allow_unsafe: request.allow_unsafe,
            host: journey.source.clone(),
            disks: disks.clone(),
            // A host that knows nothing of them would not take the whole request.
            disk_facts: if hears_disk_facts { moving.facts.clone() } else { Vec::new() },
        };
        self.migrations.set_stage(migration, MigrationStage::UnderWay);
        let prepared = self.migrations.peers.prepare(&host, &prepare).await?;
        let target = StreamTarget { daemon: host.clone(), migration, route, host: at, prepared };
        let stream = self.migrations.peers.connect(&target).await?;
        let mut streams = Outgoing::new(target, most_streams);
        let beside = match request.streams.unwrap_or(1).saturating_sub(1) {
            0 => Vec::new(),
            more => self.open_streams(&mut streams, more, AT_FIRST).await?,
        };
        Ok(Leave {
            uuid,
            instance: self.instance(uuid),
            migration,
            host,
            undefine: request.undefine_source,
            suspend_after: request.suspend_after_s,
            post_copy_then: request.post_copy_then,
            post_copy: false,
            actor: actor.clone(),
            downtime_us: None,
            strategy_us: 0,
            disks,
            limits: Some(limits),
            beginning: None,
            turn: Some(turn),
            stream: Some(stream),
            beside,
            streams: Some(streams),
            steering,
        })
    }

    /// What is asked for, with what the destination says of itself.
    fn journey(
        &self,
        host: &PeerAddress,
        route: &StreamRoute,
        destination: MigrationReport,
        request: &Migrate,
        migration: Uuid,
    ) -> Result<Arc<Journey>, Error> {
        Ok(Arc::new(Journey {
            id: migration,
            source: self.this_host()?,
            destination: destination.host,
            same_machine: destination.boot_id == self.migrations.boot_id,
            transport: transport_of(host, route),
            unchecked: request.allow_unsafe,
            persistent: request.persistent,
        }))
    }

    /// The disks that go along; none where the destination does not take them.
    async fn chosen_disks(
        &self,
        config: &DomainConfig,
        request: &Migrate,
        host: &PeerAddress,
        migration: Uuid,
    ) -> Result<Vec<CopiedDisk>, Error> {
        let (config, request) = (config.clone(), request.clone());
        let disks = crate::blocking(move || copied_disks::choose(&config, &request)).await?;
        if disks.is_empty() {
            return Ok(disks);
        }
        let report = self.migrations.peers.report(host, migration).await?;
        if !report.takes_disks {
            let message = format!(
                "the destination can't take disks along with a guest: its reeve is of version {}",
                report.host.version
            );
            let hint = "give both hosts the same version, or move the disks to storage that both have";
            return Err(Error::new(ErrorCode::Unsupported, message).with_hint(hint));
        }
        Ok(disks)
    }

    /// Who steers; none for the host's own strategy.
    async fn steering(&self, request: StrategyRequest) -> Result<Option<Box<dyn Steering>>, Error> {
        if request.policy.as_deref() == Some(OWN_STRATEGY) {
            return Ok(None);
        }
        self.policy.strategy(request).await
    }
}

fn named(mut config: DomainConfig, name: &str) -> DomainConfig {
    name.clone_into(&mut config.name);
    config
}

/// Another document for the destination is still the same domain's.
fn check_same(running: &DomainConfig, sent: &DomainConfig) -> Result<(), Error> {
    if (&running.name, running.uuid) == (&sent.name, sent.uuid) {
        return Ok(());
    }
    let message = format!(
        "a document for the destination may not change the name or UUID of domain '{}' ({})",
        running.name, running.uuid
    );
    Err(Error::new(ErrorCode::Invalid, message))
}
