//! Taking a domain in that comes from another host: the destination's side.
//!
//! ```text
//!   authorize ─▶ document ─▶ guards (migrate-in) ─▶ disks seen by both? ─▶ guards and driver as for a start ─▶ turn ─▶ a socket for the guest
//!     ─▶ journal [ guard: domain-start │ disks: those that come along │ ports │ machine: a worker that takes the guest, and runs it when it is this host's │ definition ]
//! ```

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_domain::migration::{Incoming, MigrationOrder, MigrationPlace, MovedDisk};
use reeve_domain::{Request, Turn};
use reeve_model::domain::{Disk, DomainConfig};
use reeve_model::migrated_disk::{MovingDisks, is_coherent, is_plain};
use reeve_model::migration::{
    CopiedDisk, DeviceSlot, Journey, MigrationPrepared, MigrationStage, PrepareMigration,
};
use reeve_model::policy::Hook;
use reeve_model::{Actor, DomainState, Error, ErrorCode, Verb};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::arrive_disks::MakeDisks;
use super::arrive_stream::check_source;
use super::made_file::MadeFile;
use super::migrate::ended_by_force;
use super::post_copy::Late;
use super::shares::refuse_shares;
use super::startup::Occasion;
use super::{Question, Subject, define};
use crate::error::explain;
use crate::journal::{Next, Operation, Step, Unnoted};
use crate::migrating::{Coming, ComingStreams, ended, transport_of};
use crate::peer_address::PeerAddress;
use crate::policy_port::MigrationGuard;
use crate::{Actions, document};

/// How long the source may take to connect.
pub(super) const CONNECT: Duration = Duration::from_secs(30);
/// How often the source is asked meanwhile whether it still wants to, and how often in a row it may be silent.
const LOOK_AT_SOURCE: Duration = Duration::from_millis(500);
const SILENT: u32 = 4;
/// How often a worker is looked at whose guest is on its way.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long a whole guest waits for its source's word before its source's host is asked.
pub(super) const WORD: Duration = Duration::from_millis(500);

impl Actions {
    /// Makes ready for a guest that another host sends.
    pub async fn prepare_migration(
        self: &Arc<Self>,
        actor: &Actor,
        request: PrepareMigration,
    ) -> Result<MigrationPrepared, Error> {
        let config = document::parse_going_on(&request.xml)?;
        define::check(&config)?;
        self.authorize(actor, Verb::DomainMigrate, &config.name)?;
        let source = PeerAddress::try_from(request.source.clone())?;
        check_source(actor, &source)?;
        self.definitions.check_identity(&config)?;
        // Before anything is waited for: the one that wants to send it may be this very host.
        if self.domains.phase(config.uuid).is_ok() {
            let subject = Subject { uuid: config.uuid, name: config.name.clone() };
            self.permits(&subject, Request::Start)?;
        }
        let config = self.ask_arrival(actor, config, &request, &source).await?;
        refuse_shares(&config, "migrated")?;
        if !request.allow_unsafe && request.boot_id != self.migrations.boot_id {
            check_caches(&config, &request.disks)?;
        }
        let config = Box::pin(self.prepare(actor, config, Occasion::GoOn)).await?;
        // What shows here is heard by the source.
        self.missing_disks(&config, &request.disks).await?;
        // What shows when its disks are opened is heard by nobody else.
        self.refuse_wrong_keys(&config).await?;
        let turn = match self.domains.definition(config.uuid) {
            Ok(Some(_)) => self.turn(actor, config.uuid, Request::Start).await?,
            _ => self.domains.begin_transient(actor.clone(), &config).map_err(explain)?,
        };
        let migration = request.migration;
        let (prepared, stream) = self.await_stream(actor, migration, &request.route, 1).await?;
        self.migrations.forget_old_witnesses();
        self.migrations.open_witness(migration).map_err(|fault| no_witness(&fault))?;
        self.migrations.set_stage(migration, MigrationStage::UnderWay);
        let coming = Coming { domain: config.uuid, source: source.clone(), streams: 1 };
        self.migrations.set_coming(migration, Some(coming));
        let arrive = Arrive {
            config,
            instance: Some(turn.next_instance()),
            migration,
            slots: request.slots,
            source,
            paused: request.paused,
            persistent: request.persistent,
            actor: actor.clone(),
            refused: false,
            disks: request.disks,
            places: Vec::new(),
            made: 0,
            files: Vec::new(),
            turn: Some(turn),
            stream: None,
        };
        tokio::spawn(Arc::clone(self).take_guest(arrive, stream));
        Ok(prepared)
    }

    /// Asks the guards of what comes; its document as it shall be here.
    async fn ask_arrival(
        &self,
        actor: &Actor,
        config: DomainConfig,
        request: &PrepareMigration,
        source: &PeerAddress,
    ) -> Result<DomainConfig, Error> {
        let journey = Journey {
            id: request.migration,
            source: request.host.clone(),
            destination: self.this_host()?,
            same_machine: request.boot_id == self.migrations.boot_id,
            transport: transport_of(source, &request.route),
            unchecked: request.allow_unsafe,
            persistent: request.persistent,
        };
        let guard = MigrationGuard {
            hook: Hook::MigrateIn,
            actor: actor.clone(),
            state: DomainState::ShutOff,
            config: Arc::new(config),
            journey: Arc::new(journey),
            disks: Arc::new(MovingDisks { facts: request.disk_facts.clone(), copied: request.disks.clone() }),
        };
        self.ask_migration(guard).await
    }

    /// Waits for the source, and takes its guest.
    async fn take_guest(self: Arc<Self>, mut arrive: Arrive, streams: ComingStreams) {
        let accepted = tokio::select! {
            biased;
            accepted = tokio::time::timeout(CONNECT, streams) => accepted.ok().and_then(Result::ok),
            () = self.source_gives_up(&arrive.source, arrive.migration) => None,
        };
        let (name, migration, actor) = (arrive.config.name.clone(), arrive.migration, arrive.actor.clone());
        let Some(stream) = accepted.and_then(|mut streams| streams.pop()) else {
            // Who hears that this is over may try again at once, and finds the domain free.
            drop(arrive);
            self.migrations.set_coming(migration, None);
            self.migrations.set_stage(migration, MigrationStage::Refused);
            self.migrations.forget_witness(migration);
            tracing::warn!(domain = name, "the host that wanted to send the domain did not connect");
            return;
        };
        arrive.stream = Some(stream);
        if let Err(error) = self.perform(&actor, arrive).await {
            tracing::warn!(domain = name, %error, "a domain did not arrive");
            if self.migrations.stage(migration) == MigrationStage::UnderWay {
                // It could not even be written down that it comes.
                self.migrations.set_stage(migration, ended(self.migrations.witness(migration)));
            }
        }
        self.migrations.set_coming(migration, None);
    }
}

impl Actions {
    /// Ends when the host that wanted to send a guest does not want to any more, or its daemon is gone.
    async fn source_gives_up(&self, source: &PeerAddress, migration: Uuid) {
        let mut silent = 0;
        while silent < SILENT {
            tokio::time::sleep(LOOK_AT_SOURCE).await;
            match self.migrations.peers.report(source, migration).await {
                Ok(report) if report.stage == MigrationStage::UnderWay => silent = 0,
                // It has failed, or was started anew and knows nothing of it.
                Ok(_) => return,
                Err(_) => silent += 1,
            }
        }
    }
}

fn no_witness(fault: &std::io::Error) -> Error {
    Error::new(ErrorCode::Internal, format!("it can't be written down what becomes of the guest: {fault}"))
}

/// Disks are the same for both hosts only where neither of them caches what the other writes. Those that come along are this host's alone.
/// Policies may say so before, with the same word on what is coherent; a host that has none loses nothing either.
fn check_caches(config: &DomainConfig, coming: &[CopiedDisk]) -> Result<(), Error> {
    let comes = |disk: &Disk| coming.iter().any(|coming| coming.target == disk.target);
    let cached = config.devices.disks.iter().find(|disk| !comes(disk) && !is_coherent(disk));
    let Some(disk) = cached else { return Ok(()) };
    let (why, hint) = match (is_plain(disk), &disk.encryption, disk.driver.format.as_deref()) {
        (true, ..) => ("is cached".to_owned(), "give the disk cache='none', "),
        (false, Some(_), _) => {
            ("is encrypted, which the host caches whatever its cache mode says".to_owned(), "")
        }
        (false, None, format) => {
            let format = format.unwrap_or_default();
            (format!("is a {format} image, which the host caches whatever its cache mode says"), "")
        }
    };
    let message = format!(
        "domain '{}' can't be migrated safely: disk '{}' {why}, and another host would not see what was written last",
        config.name, disk.target
    );
    Err(Error::new(ErrorCode::Unsupported, message).with_hint(format!(
        "{hint}use --unsafe when you know that its storage is coherent, or send it along with --copy-storage-all"
    )))
}

/// A domain comes from another host.
#[derive(Serialize, Deserialize)]
pub(crate) struct Arrive {
    pub(crate) config: DomainConfig,
    /// The number that its machine has here; entries of earlier daemons don't say.
    #[serde(default)]
    pub(crate) instance: Option<u32>,
    pub(crate) migration: Uuid,
    slots: Vec<DeviceSlot>,
    pub(super) source: PeerAddress,
    pub(super) paused: bool,
    persistent: bool,
    actor: Actor,
    /// The guest never ran here, and its machine is gone or told never to run it.
    pub(super) refused: bool,
    /// Disks that come with it.
    #[serde(default)]
    pub(super) disks: Vec<CopiedDisk>,
    /// Files that are made for them.
    #[serde(default)]
    pub(super) places: Vec<PathBuf>,
    /// How many are, and have their name.
    #[serde(default)]
    pub(super) made: usize,
    /// Which files they are: those that are made, with or without their name.
    #[serde(default)]
    pub(super) files: Vec<MadeFile>,
    #[serde(skip)]
    pub(super) turn: Option<Turn>,
    #[serde(skip)]
    stream: Option<OwnedFd>,
}

impl Operation for Arrive {
    const KIND: &'static str = "domain-arrive";

    fn subject(&self) -> String {
        self.config.uuid.to_string()
    }

    fn steps() -> &'static [&'static dyn Step<Self>] {
        &[&AskGuards, &MakeDisks, &PlugPorts, &TakeIn, &Keep]
    }
}

struct AskGuards;

#[async_trait]
impl Step<Arrive> for AskGuards {
    fn name(&self) -> &'static str {
        "guard"
    }

    async fn run(&self, actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        let (hook, state, config) = (Hook::DomainStart, DomainState::ShutOff, arrive.config.clone());
        let question = Question { hook, actor: &arrive.actor, state, config, device: None, forced: false };
        arrive.config = actions.ask(question).await?;
        define::check(&arrive.config)?;
        actions.find_disks(&mut arrive.config).await?;
        arrive.places = actions.missing_disks(&arrive.config, &arrive.disks).await?;
        Ok(())
    }

    async fn undo(&self, actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        // Its worker is gone: it never will when it never has.
        let stage = match arrive.refused {
            true => MigrationStage::Refused,
            false => ended(actions.migrations.witness(arrive.migration)),
        };
        // The source's operator, who hears of this next, may try again at once.
        arrive.turn = None;
        actions.migrations.set_stage(arrive.migration, stage);
        actions.migrations.set_arriving(arrive.migration, None);
        Ok(())
    }
}

struct PlugPorts;

#[async_trait]
impl Step<Arrive> for PlugPorts {
    fn name(&self) -> &'static str {
        "ports"
    }

    async fn run(&self, actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        let actor = arrive.actor.clone();
        actions.plug_all(&actor, &mut arrive.config).await
    }

    async fn undo(&self, actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        if actions.is_another(arrive.config.uuid, arrive.instance) {
            return Ok(());
        }
        actions.unplug_all(&arrive.actor, arrive.config.uuid, None).await
    }
}

/// The guest is here and this host's.
struct TakeIn;

#[async_trait]
impl Step<Arrive> for TakeIn {
    fn name(&self) -> &'static str {
        "machine"
    }

    async fn run(&self, actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        if let (Some(stream), Some(turn)) = (arrive.stream.take(), &arrive.turn) {
            let (migration, slots, paused) = (arrive.migration, arrive.slots.clone(), arrive.paused);
            let witness = actions.migrations.open_witness(migration).map_err(|fault| no_witness(&fault))?;
            let disks = arrive.disks.iter().map(MovedDisk::from).collect();
            let most_streams = actions.migrations.max_streams();
            let incoming = Incoming { migration, stream, slots, paused, witness, disks, most_streams };
            turn.receive(arrive.config.clone(), incoming).await.map_err(explain)?;
        }
        actions.migrations.set_arriving(arrive.migration, Some((arrive.config.uuid, arrive.source.clone())));
        actions.wait_for_guest(arrive).await?;
        actions.migrations.set_arriving(arrive.migration, None);
        let tell = || actions.migrations.set_stage(arrive.migration, MigrationStage::Arrived);
        if arrive.turn.is_none() {
            // The stream broke: the source waits for this word, and somebody may have the domain's turn for long.
            tell();
        }
        if !arrive.paused {
            actions.note_arrival(arrive.config.uuid, arrive.turn.as_ref()).await;
        }
        // The source's operator is told after this, and looks here next.
        tell();
        Ok(())
    }

    async fn undo(&self, actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        actions.end_machine(arrive.config.uuid, arrive.instance, arrive.turn.as_ref()).await
    }

    fn after_crash(&self, _actions: &Actions, _arrive: &Arrive) -> Next {
        Next::Again
    }
}

/// It is kept as a definition where that was asked for.
struct Keep;

#[async_trait]
impl Step<Arrive> for Keep {
    fn name(&self) -> &'static str {
        "definition"
    }

    async fn run(&self, actions: &Arc<Actions>, arrive: &mut Arrive) -> Result<(), Error> {
        if !arrive.persistent {
            return Ok(());
        }
        let (by, config) = (arrive.actor.clone(), arrive.config.clone());
        let kept = actions.definitions(move |definitions| definitions.keep(&by, config, None)).await;
        if let Err(error) = kept {
            // The guest runs: it is not ended because of this.
            tracing::warn!(domain = arrive.config.name, %error, "a domain that has arrived could not be defined");
        }
        Ok(())
    }

    fn unnoted(&self) -> Unnoted {
        // The guest runs here.
        Unnoted::OnAnyway
    }

    async fn undo(&self, _actions: &Arc<Actions>, _arrive: &mut Arrive) -> Result<(), Error> {
        Ok(())
    }

    fn after_crash(&self, _actions: &Actions, _arrive: &Arrive) -> Next {
        Next::Again
    }
}

impl Actions {
    /// Waits until the guest is this host's. Where the stream broke at the end, the source's host is asked, as long as it takes.
    async fn wait_for_guest(self: &Arc<Self>, arrive: &mut Arrive) -> Result<(), Error> {
        let uuid = arrive.config.uuid;
        let mut whole_since: Option<Instant> = None;
        let mut late = Late::default();
        loop {
            match self.domains.migration_place(uuid).await {
                Ok(MigrationPlace::Coming) if arrive.turn.as_ref().is_some_and(Turn::is_to_be_destroyed) => {
                    return Err(ended_by_force(&arrive.config.name));
                }
                Ok(MigrationPlace::Coming) => {}
                Ok(MigrationPlace::Waiting) => {
                    let since = *whole_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= WORD {
                        whole_since = Some(Instant::now());
                        // This may take as long as the other host is away: an operator must be able to end the domain.
                        arrive.turn = None;
                        self.ask_source(arrive).await;
                    }
                }
                Ok(MigrationPlace::Late { interrupted }) => {
                    self.watch_late(arrive, &mut late, interrupted).await?;
                }
                // Nothing is known of a worker that does not answer in time; one that has ended is noticed, and then there is no machine.
                Err(error) if self.domains.phase(uuid).is_ok_and(|phase| phase.has_machine()) => {
                    if arrive.turn.as_ref().is_some_and(Turn::is_to_be_destroyed) {
                        return Err(ended_by_force(&arrive.config.name));
                    }
                    tracing::debug!(domain = arrive.config.name, %error, "a guest on its way can't be seen");
                }
                Ok(MigrationPlace::Ended) | Err(_) => {
                    let message = format!("the guest of domain '{}' did not come", arrive.config.name);
                    return Err(Error::new(ErrorCode::Internal, message));
                }
                Ok(_) => return Ok(()),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Asks the source's host whether it has given the guest up, and does what follows from that.
    async fn ask_source(self: &Arc<Self>, arrive: &mut Arrive) {
        let uuid = arrive.config.uuid;
        let report = self.migrations.peers.report(&arrive.source, arrive.migration).await;
        match report.map(|report| report.stage) {
            Ok(MigrationStage::GivenUp) => {
                // It may have heard it by the stream meanwhile.
                if let Err(error) = self.domains.migrate(uuid, MigrationOrder::Settle(true)).await {
                    tracing::warn!(domain = arrive.config.name, %error, "a guest that has arrived does not run yet");
                }
            }
            // Nothing of it has run here, and the source keeps it or has lost what is missing here.
            Ok(MigrationStage::Unknown | MigrationStage::Lost) => {
                // Refused by a worker that has heard the source's word meanwhile, and runs the guest.
                match self.domains.migrate(uuid, MigrationOrder::Settle(false)).await {
                    Ok(()) => arrive.refused = true,
                    Err(error) => {
                        tracing::warn!(domain = arrive.config.name, %error, "a guest that its source keeps was not thrown away");
                    }
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
}
