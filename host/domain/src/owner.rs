//! The owner task of one active domain: the only one that changes its machine and its phase.
//!
//! It is born with a start or an adoption, obeys commands and machine events one after the other, and ends with the machine.

mod birth;
mod dump;
mod images;

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use reeve_model::api::SetDescription;
use reeve_model::block_job::BlockJobWork;
use reeve_model::domain::{Disk, DomainConfig, MemBalloon};
use reeve_model::event::DomainChange;
use reeve_model::tuning::Tuning;
use reeve_model::{Actor, Bytes, StateReason};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::driver::{BlockJobDemand, Device, Driver, End, Machine, MachineEvent, StartSpec, Started};
use crate::entry::Entry;
use crate::error::DomainError;
use crate::record::RuntimeRecord;
use crate::registry::Shared;
use crate::state::{Occurrence, Phase};
use crate::{devices, ending};

pub use birth::BeforeRun;
pub(crate) use birth::{Birth, Origin, adopt, start};

/// Events that are heard one after the other while somebody asks for something: a guest may cause them without end.
const EVENTS_IN_A_ROW: u32 = 16;

/// What a turn asks of the owner.
pub(crate) enum Ask {
    Shutdown,
    ShutdownAsked,
    ExpectShutdown(bool),
    Reboot,
    Reset,
    /// End it by force, or only if it does so when it is asked.
    Destroy {
        graceful: bool,
    },
    /// Save it; it stands still afterwards.
    Save(File),
    /// What was saved counts: end it.
    EndSaved,
    /// Dump it, the guest running on or not.
    Dump(File, bool),
    /// Its guest counts as crashed: end it.
    EndCrashed,
    Suspend,
    Resume,
    Wake,
    /// The guest has gone to another host.
    Depart,
    /// The guest was lost on its way to another host.
    Lose,
    /// The guest goes on at another host, which fetches the rest of its memory from here.
    Leave,
    /// The connection broke before all of its memory was here.
    Sever,
    /// The guest that was to come, or was to leave, runs here.
    Arrive,
    SetMemory(Bytes),
    Tune(Box<Tuning>),
    SetVcpus(u32),
    SetStatsPeriod(u32),
    /// Title and description, which no machine knows of.
    Describe(SetDescription),
    Attach(Device),
    Detach(Device),
    Remove(Device),
    Update(Device),
    /// Target, capacity, and whether it may become smaller.
    ResizeDisk(String, Bytes, bool),
    /// Disks of the configuration as they are to be, with images that have the same content.
    SwitchDisks(Vec<Disk>),
    /// The machine has other images, as an earlier daemon had asked for.
    NoteDisks(Vec<Disk>),
    /// Targets, the name of the snapshot, when it is made.
    SnapshotDisks(Vec<String>, String, i64),
    /// Targets, the name of the snapshot, when it was made.
    DropDiskSnapshots(Vec<String>, String, i64),
    /// Target, what to do, and bytes a second.
    StartBlockJob(String, BlockJobWork, Bytes),
    /// Target, and what becomes of its job.
    BlockJob(String, BlockJobDemand),
}

/// One question to the owner.
pub(crate) struct Command {
    /// On whose behalf.
    pub actor: Actor,
    /// What to do.
    pub ask: Ask,
    /// How it went.
    pub reply: oneshot::Sender<Result<(), DomainError>>,
}

/// Whether the owner goes on.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    End,
}

pub(crate) struct Owner {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    driver: Arc<dyn Driver>,
    id: u32,
    machine: Arc<dyn Machine>,
    events: mpsc::Receiver<MachineEvent>,
    commands: mpsc::Receiver<Command>,
    /// On whose behalf a power-off shall become a reboot.
    rebooting: Option<Actor>,
    /// On whose behalf the guest was asked to shut down.
    shutting_down: Option<Actor>,
    /// Disks whose jobs are known to be ready.
    ready: BTreeSet<String>,
}

impl Owner {
    async fn run(mut self) {
        let mut heard = 0;
        loop {
            let asked = if heard < EVENTS_IN_A_ROW { None } else { self.commands.try_recv().ok() };
            heard = EVENTS_IN_A_ROW.min(heard + 1);
            let then = tokio::select! {
                biased;
                Some(command) = std::future::ready(asked) => {
                    heard = 0;
                    self.obey(command).await
                }
                event = self.events.recv() => {
                    // A driver says that a machine is lost before it stops watching it. One that just stops does so because this
                    // daemon ends, and domains outlive daemons.
                    let Some(event) = event else { return };
                    self.hear(event).await
                }
                Some(command) = self.commands.recv() => {
                    heard = 0;
                    self.obey(command).await
                }
            };
            if then == Then::End {
                return;
            }
        }
    }

    async fn obey(&mut self, command: Command) -> Then {
        let Command { actor, ask, reply } = command;
        if let Ask::Destroy { graceful } = ask {
            if graceful && let Err(source) = self.machine.quit().await {
                let _ = reply.send(Err(self.entry.driver_error("ended", source)));
                return Then::GoOn;
            }
            self.end(&actor, Phase::Off(StateReason::Destroyed), DomainChange::Stopped).await;
            let _ = reply.send(Ok(()));
            return Then::End;
        }
        if matches!(ask, Ask::Lose) {
            self.end(&actor, Phase::Crashed(StateReason::PostCopyFailed), DomainChange::Crashed).await;
            let _ = reply.send(Ok(()));
            return Then::End;
        }
        let ending = match ask {
            Ask::Depart => Some((Phase::Off(StateReason::Migrated), DomainChange::Stopped)),
            Ask::EndSaved => Some((Phase::Off(StateReason::Saved), DomainChange::Stopped)),
            Ask::EndCrashed => Some((Phase::Crashed(StateReason::Dumped), DomainChange::Crashed)),
            _ => None,
        };
        if let Some((last, change)) = ending {
            self.end(&actor, last, change).await;
            let _ = reply.send(Ok(()));
            return Then::End;
        }
        let outcome = Box::pin(self.change(&actor, ask)).await;
        let _ = reply.send(outcome);
        Then::GoOn
    }

    async fn change(&mut self, actor: &Actor, ask: Ask) -> Result<(), DomainError> {
        let machine = self.machine.clone();
        let named = |doing| {
            let entry = self.entry.clone();
            move |source| entry.driver_error(doing, source)
        };
        match ask {
            Ask::Shutdown => {
                machine.power_button().await.map_err(named("shut down"))?;
                self.shutting_down = Some(actor.clone());
                self.rebooting = None;
                self.note(actor, Some(Occurrence::ShutdownAsked), DomainChange::ShutdownRequested);
            }
            Ask::ShutdownAsked => {
                self.shutting_down = Some(actor.clone());
                self.rebooting = None;
                self.note(actor, Some(Occurrence::ShutdownAsked), DomainChange::ShutdownRequested);
            }
            Ask::ExpectShutdown(expected) => self.shutting_down = expected.then(|| actor.clone()),
            Ask::Reboot => {
                machine.power_button().await.map_err(named("rebooted"))?;
                self.rebooting = Some(actor.clone());
            }
            Ask::Reset => {
                machine.reset().await.map_err(named("reset"))?;
                (self.rebooting, self.shutting_down) = (None, None);
                self.note(actor, Some(Occurrence::Reset), DomainChange::Rebooted);
            }
            Ask::Suspend => {
                machine.pause().await.map_err(named("suspended"))?;
                self.note(actor, Some(Occurrence::Paused), DomainChange::Suspended);
            }
            Ask::Save(image) => {
                let saved = machine.save(image).await;
                self.drop_late(&saved).await;
                saved.map_err(named("saved"))?;
                self.note(actor, Some(Occurrence::Paused), DomainChange::Suspended);
            }
            Ask::Dump(core, live) => self.dump_to(actor, core, live).await?,
            Ask::Resume => {
                machine.resume().await.map_err(named("resumed"))?;
                self.note(actor, Some(Occurrence::Resumed), DomainChange::Resumed);
            }
            Ask::Wake => {
                machine.wake().await.map_err(named("woken"))?;
                self.note(actor, Some(Occurrence::Woke), DomainChange::PmWoken);
            }
            Ask::SetMemory(target) => {
                let mut config = self.config();
                if target > config.memory {
                    let (name, max) = (self.entry.name.clone(), config.memory);
                    return Err(DomainError::Memory { name, asked: target, max });
                }
                machine.set_balloon(target).await.map_err(named("given another memory size"))?;
                config.current_memory = target;
                self.reconfigure(actor, config, DomainChange::Changed).await?;
            }
            Ask::Tune(change) => {
                let old = self.config();
                let mut config = old.clone();
                change.apply(&mut config);
                machine.tune(&old, &config).await.map_err(named("tuned"))?;
                self.reconfigure(actor, config, DomainChange::Changed).await?;
            }
            Ask::SetVcpus(count) => {
                machine.set_vcpus(count).await.map_err(named("given another number of vCPUs"))?;
                let mut config = self.config();
                devices::count_vcpus(&mut config, count);
                self.reconfigure(actor, config, DomainChange::Changed).await?;
            }
            Ask::SetStatsPeriod(seconds) => {
                let mut config = self.config();
                machine.set_stats_period(seconds).await.map_err(named("asked for statistics"))?;
                // One that the document does not name is there all the same.
                let balloon = config.devices.memballoon.get_or_insert_with(MemBalloon::implicit);
                balloon.stats_period = (seconds > 0).then_some(seconds);
                self.reconfigure(actor, config, DomainChange::Changed).await?;
            }
            Ask::Describe(change) => {
                let mut config = self.config();
                change.apply(&mut config);
                self.reconfigure(actor, config, DomainChange::Changed).await?;
            }
            Ask::Attach(device) => {
                let mut config = self.config();
                let device = devices::add(&mut config, &device).map_err(|sentence| self.device(sentence))?;
                machine.attach_device(&device).await.map_err(named("given a device"))?;
                self.reconfigure(actor, config, DomainChange::DeviceAttached).await?;
            }
            Ask::Detach(device) => {
                let mut config = self.config();
                let device =
                    devices::remove(&mut config, &device).map_err(|sentence| self.device(sentence))?;
                machine.detach_device(&device).await.map_err(named("relieved of a device"))?;
                self.reconfigure(actor, config, DomainChange::DeviceDetached).await?;
            }
            Ask::Remove(device) => {
                let mut config = self.config();
                let device =
                    devices::remove(&mut config, &device).map_err(|sentence| self.device(sentence))?;
                machine.remove_device(&device).await.map_err(named("relieved of a device"))?;
                self.reconfigure(actor, config, DomainChange::DeviceDetached).await?;
            }
            Ask::Update(device) => {
                let mut config = self.config();
                let (old, new) =
                    devices::replace(&mut config, &device).map_err(|sentence| self.device(sentence))?;
                machine.update_device(&old, &new).await.map_err(named("given a changed device"))?;
                self.reconfigure(actor, config, DomainChange::Changed).await?;
            }
            ask @ (Ask::ResizeDisk(..)
            | Ask::SwitchDisks(_)
            | Ask::NoteDisks(_)
            | Ask::SnapshotDisks(..)
            | Ask::DropDiskSnapshots(..)
            | Ask::StartBlockJob(..)
            | Ask::BlockJob(..)) => self.change_images(actor, ask).await?,
            Ask::Arrive => {
                if self.entry.lock().phase.stands_still() {
                    self.note(actor, Some(Occurrence::Arrived), DomainChange::Resumed);
                }
            }
            Ask::Leave => {
                if self.entry.lock().phase.reason() != StateReason::PostCopy {
                    self.note(actor, Some(Occurrence::Left), DomainChange::Suspended);
                }
            }
            Ask::Sever => {
                if self.entry.lock().phase.reason() != StateReason::PostCopyFailed {
                    self.note(actor, Some(Occurrence::Severed), DomainChange::Suspended);
                }
            }
            Ask::Destroy { .. } | Ask::Depart | Ask::EndSaved | Ask::EndCrashed | Ask::Lose => {}
        }
        Ok(())
    }

    async fn hear(&mut self, event: MachineEvent) -> Then {
        match event {
            MachineEvent::Ended(End::PowerOff) if self.rebooting.is_some() => return self.start_over().await,
            MachineEvent::Ended(End::Hibernated) => {
                self.end(&Actor::Daemon, Phase::Off(StateReason::Hibernated), DomainChange::Stopped).await;
                return Then::End;
            }
            MachineEvent::Ended(End::PowerOff | End::Reboot) => {
                let actor = self.shutting_down.take().unwrap_or(Actor::Daemon);
                self.end(&actor, Phase::Off(StateReason::PowerOff), DomainChange::Stopped).await;
                return Then::End;
            }
            MachineEvent::Ended(End::Crash { detail }) => {
                warn!(domain = self.entry.name, detail, "the guest crashed");
                self.end(&Actor::Daemon, Phase::Crashed(StateReason::GuestCrash), DomainChange::Crashed)
                    .await;
                return Then::End;
            }
            MachineEvent::Lost { detail } => {
                warn!(domain = self.entry.name, detail, "the worker was lost");
                self.end(&Actor::Daemon, Phase::Crashed(StateReason::WorkerLost), DomainChange::Crashed)
                    .await;
                return Then::End;
            }
            MachineEvent::Restarted { after } => {
                info!(domain = self.entry.name, ?after, "the guest boots again");
                (self.rebooting, self.shutting_down) = (None, None);
                self.note(&Actor::Daemon, Some(Occurrence::Reset), DomainChange::Rebooted);
            }
            MachineEvent::Preserved { after: End::Crash { detail } }
                if self.config().on_crash.is_coredump() =>
            {
                return self.after_crash(&detail).await;
            }
            MachineEvent::Preserved { after } => {
                info!(domain = self.entry.name, ?after, "the guest ended and its machine is kept");
                let (occurrence, change) = match after {
                    End::Crash { .. } => (Occurrence::KeptCrashed, DomainChange::Crashed),
                    End::PowerOff | End::Hibernated | End::Reboot => {
                        (Occurrence::KeptOff, DomainChange::Stopped)
                    }
                };
                self.note(&Actor::Daemon, Some(occurrence), change);
            }
            MachineEvent::WatchdogExpired { action } => {
                warn!(domain = self.entry.name, action, "the watchdog expired: the guest is not heard of");
            }
            MachineEvent::PanicHandled => {
                warn!(domain = self.entry.name, "the guest has panicked and looks at what is left by itself");
            }
            MachineEvent::Paused => {
                self.note(&Actor::Daemon, Some(Occurrence::Paused), DomainChange::Suspended);
            }
            MachineEvent::DumpWanted => self.dump_and_go_on().await,
            MachineEvent::Suspended => {
                self.note(&Actor::Daemon, Some(Occurrence::Suspended), DomainChange::PmSuspended);
            }
            MachineEvent::Woke => self.note(&Actor::Daemon, Some(Occurrence::Woke), DomainChange::PmWoken),
            MachineEvent::Halted => {
                self.entry.lock().advance(Occurrence::Halted);
            }
            MachineEvent::Unhalted => {
                self.entry.lock().advance(Occurrence::Unhalted);
            }
            MachineEvent::IoError { alias, error } => {
                warn!(
                    domain = self.entry.name,
                    disk = alias,
                    error,
                    "a request to a disk failed: the domain is paused"
                );
                self.note(&Actor::Daemon, Some(Occurrence::IoError), DomainChange::Suspended);
            }
            MachineEvent::FilesystemLost { alias } => {
                let filesystems = self.config().devices.filesystems;
                let lost =
                    filesystems.iter().find(|each| each.common.alias.as_deref() == Some(alias.as_str()));
                warn!(
                    domain = self.entry.name,
                    device = alias,
                    directory = lost.and_then(|lost| lost.source.as_deref()).unwrap_or_default(),
                    "what serves a shared directory has ended: the guest goes on without it until its next start"
                );
            }
            MachineEvent::BlockJob => self.note_block_jobs().await,
            MachineEvent::VcpusChanged { count } => {
                self.record(DomainChange::Changed, |config| devices::count_vcpus(config, count)).await;
            }
            MachineEvent::ClockSet { adjustment } => self.clock_set(adjustment).await,
            MachineEvent::DeviceRemoved { alias } => {
                let change = DomainChange::DeviceDetached;
                self.record(change, |config| devices::remove_named(config, &alias)).await;
            }
        }
        Then::GoOn
    }

    /// A guest that was asked to reboot has powered off: the same instance gets a new machine.
    async fn start_over(&mut self) -> Then {
        let actor = self.rebooting.take().unwrap_or(Actor::Daemon);
        self.machine.destroy().await;
        self.entry.lock().phase = Phase::Starting;
        let spec = StartSpec { id: self.id, config: Arc::new(self.config()) };
        match birth::bring_up(&self.shared, &self.entry, self.driver.as_ref(), spec, Origin::Kernel, false)
            .await
        {
            Ok(Started { machine, events, .. }) => {
                (self.machine, self.events) = (machine, events);
                self.note(&actor, None, DomainChange::Rebooted);
                Then::GoOn
            }
            Err(error) => {
                let error = reeve_model::Error::from(error);
                warn!(domain = self.entry.name, %error, "the domain did not come back from a reboot");
                self.end(&actor, Phase::Crashed(StateReason::Failed), DomainChange::Crashed).await;
                Then::End
            }
        }
    }

    /// Takes the machine apart; nothing of it is left afterwards.
    async fn end(&mut self, actor: &Actor, last: Phase, change: DomainChange) {
        {
            let mut inner = self.entry.lock();
            inner.advance(Occurrence::StopBegan);
            if let Some(live) = &mut inner.live {
                live.machine = None;
            }
        }
        self.machine.destroy().await;
        ending::forget(&self.shared, &self.entry).await;
        ending::finish(&self.shared, &self.entry, actor, last, change);
    }

    fn config(&self) -> DomainConfig {
        let inner = self.entry.lock();
        let live = inner.live.as_ref().expect("an owned domain is live until its owner ends it");
        live.config.as_ref().clone()
    }

    /// What the guest did by itself is so, recorded or not.
    async fn record(&self, change: DomainChange, edit: impl FnOnce(&mut DomainConfig) -> bool) {
        let mut config = self.config();
        if edit(&mut config)
            && let Err(error) = self.reconfigure(&Actor::Daemon, config, change).await
        {
            warn!(domain = self.entry.name, %error, "what the guest let go of is still recorded");
        }
    }

    /// The guest has set its clock: where that is kept, the live configuration follows, and the definition by who hears of it.
    async fn clock_set(&self, adjustment: i64) {
        let mut config = self.config();
        if !config.clock.keep(adjustment) {
            return self.note(&Actor::Daemon, None, DomainChange::ClockChanged);
        }
        self.entry.lock().clock_set = Some(config.clock.clone());
        if let Err(error) = self.reconfigure(&Actor::Daemon, config, DomainChange::ClockChanged).await {
            warn!(domain = self.entry.name, %error, "what the guest has set its clock to is not recorded");
        }
    }

    /// Puts a changed configuration in place of the live one, also for the next daemon.
    async fn reconfigure(
        &self,
        actor: &Actor,
        config: DomainConfig,
        change: DomainChange,
    ) -> Result<(), DomainError> {
        let config = Arc::new(config);
        let record = {
            let mut inner = self.entry.lock();
            let live = inner.live.as_mut().expect("an owned domain is live until its owner ends it");
            live.config = config.clone();
            RuntimeRecord {
                uuid: self.entry.uuid,
                id: self.id,
                driver: self.driver.kind().to_owned(),
                boot_id: self.shared.boot_id.clone(),
                process: live.process,
                socket: live.socket.clone(),
                config: config.as_ref().clone(),
            }
        };
        self.note(actor, None, change);
        let kept = self.shared.keeper.keep(&record).await;
        kept.map_err(|source| DomainError::Keeper {
            name: self.entry.name.clone(),
            doing: "recorded as changed",
            source,
        })
    }

    fn note(&self, actor: &Actor, occurrence: Option<Occurrence>, change: DomainChange) {
        let mut inner = self.entry.lock();
        if let Some(occurrence) = occurrence
            && !inner.advance(occurrence)
        {
            warn!(domain = self.entry.name, ?occurrence, phase = ?inner.phase, "unexpected in this phase");
            return;
        }
        self.entry.emit(&inner, self.shared.sink.as_ref(), actor, change);
    }

    fn device(&self, sentence: String) -> DomainError {
        DomainError::Device { name: self.entry.name.clone(), sentence }
    }
}
