//! All domains of the host: looking them up, listing them, defining them, and finding them again after a restart.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use reeve_model::Actor;
use reeve_model::api::{ControlState, DomainControl};
use reeve_model::block_job::BlockJob;
use reeve_model::domain::{ClockConfig, DomainConfig};
use reeve_model::event::DomainChange;
use reeve_model::stats::{DomainInfo, DomainSnapshot, DomainStats, DomainSummary};
use reeve_model::tuning::{CpuStats, Tuning, VcpuInfo};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::admission::{Admitted, Refused, Request};
use crate::driver::{Console, Driver, DriverError, Machine, Refusal, SaveProgress};
use crate::entry::Entry;
use crate::error::DomainError;
use crate::record::{Keeper, RuntimeRecord};
use crate::sink::EventSink;
use crate::state::Phase;
use crate::turn::Turn;

/// What the registry works with.
pub struct DomainsConfig {
    /// Every driver of this host.
    pub drivers: Vec<Arc<dyn Driver>>,
    /// Where changes are told.
    pub sink: Arc<dyn EventSink>,
    /// Who keeps runtime records.
    pub keeper: Arc<dyn Keeper>,
    /// The kernel's boot id, so that records of an earlier boot are known as such.
    pub boot_id: String,
    /// Where cores go that nobody asked for: of guests that crashed, or whose watchdog expired.
    pub dumps: PathBuf,
}

/// All domains of the host. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Domains {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) drivers: BTreeMap<&'static str, Arc<dyn Driver>>,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) keeper: Arc<dyn Keeper>,
    pub(crate) boot_id: String,
    pub(crate) dumps: PathBuf,
    pub(crate) next_id: AtomicU32,
    index: RwLock<Index>,
}

#[derive(Default)]
struct Index {
    by_uuid: HashMap<Uuid, Arc<Entry>>,
    by_name: BTreeMap<String, Arc<Entry>>,
}

impl Domains {
    /// An empty registry.
    pub fn new(config: DomainsConfig) -> Self {
        let drivers = config.drivers.into_iter().map(|driver| (driver.kind(), driver)).collect();
        Self {
            shared: Arc::new(Shared {
                drivers,
                sink: config.sink,
                keeper: config.keeper,
                boot_id: config.boot_id,
                dumps: config.dumps,
                next_id: AtomicU32::new(1),
                index: RwLock::default(),
            }),
        }
    }

    /// The domain with this id, UUID or name, tried in this order as virsh does.
    pub fn lookup(&self, key: &str) -> Result<Uuid, DomainError> {
        let index = self.shared.read();
        if let Ok(id) = key.parse::<u32>() {
            let running = |entry: &&Arc<Entry>| entry.lock().live.as_ref().is_some_and(|live| live.id == id);
            if let Some(entry) = index.by_uuid.values().find(running) {
                return Ok(entry.uuid);
            }
        }
        if let Ok(uuid) = Uuid::try_parse(key)
            && index.by_uuid.contains_key(&uuid)
        {
            return Ok(uuid);
        }
        index.by_name.get(key).map(|entry| entry.uuid).ok_or_else(|| DomainError::NotFound(key.to_owned()))
    }

    /// One row a domain, by name.
    pub fn list(&self) -> Vec<DomainSummary> {
        self.shared.read().by_name.values().map(|entry| entry.summary(&entry.lock())).collect()
    }

    /// How many domains there are.
    pub fn len(&self) -> usize {
        self.shared.read().by_uuid.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A domain's row and its live configuration, or its definition while it is off.
    pub fn snapshot(&self, uuid: Uuid) -> Result<DomainSnapshot, DomainError> {
        let entry = self.shared.entry(uuid)?;
        let inner = entry.lock();
        let config = inner.config().ok_or_else(|| DomainError::NotFound(entry.name.clone()))?;
        Ok(DomainSnapshot { summary: entry.summary(&inner), config: config.as_ref().clone() })
    }

    /// A domain's row and configuration for every domain, by name.
    pub fn snapshots(&self) -> Vec<DomainSnapshot> {
        let entries: Vec<_> = self.shared.read().by_name.values().cloned().collect();
        entries.iter().filter_map(|entry| self.snapshot(entry.uuid).ok()).collect()
    }

    /// The persistent definition; none for a transient domain.
    pub fn definition(&self, uuid: Uuid) -> Result<Option<Arc<DomainConfig>>, DomainError> {
        Ok(self.shared.entry(uuid)?.lock().definition.clone())
    }

    /// Where a domain is in its life.
    pub fn phase(&self, uuid: Uuid) -> Result<Phase, DomainError> {
        Ok(self.shared.entry(uuid)?.lock().phase)
    }

    /// The number of the instance that is there or being made; none while there is no machine.
    pub fn instance(&self, uuid: Uuid) -> Option<u32> {
        self.shared.entry(uuid).ok()?.lock().live.as_ref().map(|live| live.id)
    }

    /// Everything `domain info` shows; asks the machine for what only it knows.
    pub async fn info(&self, uuid: Uuid) -> Result<DomainInfo, DomainError> {
        let entry = self.shared.entry(uuid)?;
        let (summary, config, machine, process) = {
            let inner = entry.lock();
            let config = inner.config().cloned().ok_or_else(|| DomainError::NotFound(entry.name.clone()))?;
            let live = inner.live.as_ref();
            let machine = live.and_then(|live| live.machine.clone());
            (entry.summary(&inner), config, machine, live.and_then(|live| live.process))
        };
        let stats = match machine {
            Some(machine) => machine.stats().await.unwrap_or_default(),
            None => DomainStats::default(),
        };
        let memory = if stats.balloon_current.0 > 0 { stats.balloon_current } else { config.current_memory };
        Ok(DomainInfo {
            summary,
            title: config.title.clone(),
            os_type: config.os.os_type.clone(),
            max_memory: config.memory,
            memory,
            vcpus: config.vcpu.at_boot(),
            cpu_time_ns: stats.cpu_time_ns,
            worker_pid: process.map(|process| process.pid),
        })
    }

    /// Counters of a running domain.
    pub async fn stats(&self, uuid: Uuid) -> Result<DomainStats, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.stats().await.map_err(|source| entry.driver_error("measured", source))
    }

    /// What the host tunes a running domain to.
    pub async fn tuning(&self, uuid: Uuid) -> Result<Tuning, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        let config = self.snapshot(uuid)?.config;
        machine.tuning(&config).await.map_err(|source| entry.driver_error("looked at", source))
    }

    /// vCPUs of a running domain by number.
    pub async fn vcpus(&self, uuid: Uuid) -> Result<Vec<VcpuInfo>, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.vcpus().await.map_err(|source| entry.driver_error("looked at", source))
    }

    /// CPU time of a running domain by host CPU.
    pub async fn cpu_stats(&self, uuid: Uuid) -> Result<CpuStats, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.cpu_stats().await.map_err(|source| entry.driver_error("measured", source))
    }

    /// Whether a running domain can be controlled now. Nobody is waited for but its worker.
    pub async fn control(&self, uuid: Uuid) -> Result<DomainControl, DomainError> {
        let entry = self.shared.entry(uuid)?;
        let busy = {
            let inner = entry.lock();
            inner.admission.busy().filter(|_| inner.phase.has_machine())
        };
        if let Some((request, time)) = busy {
            let state = if request.is_job() { ControlState::BackgroundJob } else { ControlState::Occupied };
            let milliseconds = u64::try_from(time.as_millis()).ok();
            let detail = Some(format!("it is being {}", request.participle()));
            return Ok(DomainControl { state, milliseconds, detail });
        }
        let (_, machine) = self.machine(uuid)?;
        let error = machine.stats().await.err();
        let state = if error.is_some() { ControlState::Error } else { ControlState::Ok };
        Ok(DomainControl { state, milliseconds: None, detail: error.map(|error| error.to_string()) })
    }

    /// Sends every vCPU of a running domain a non-maskable interrupt.
    pub async fn inject_nmi(&self, uuid: Uuid) -> Result<(), DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.inject_nmi().await.map_err(|source| entry.driver_error("interrupted", source))
    }

    /// Opens a console or serial of a running domain by alias; none is the first one.
    pub async fn open_console(&self, uuid: Uuid, alias: Option<&str>) -> Result<Console, DomainError> {
        self.open_console_by(uuid, alias, false).await
    }

    /// As [`Self::open_console`], but a wrong state while somebody has it open.
    pub async fn open_free_console(&self, uuid: Uuid, alias: Option<&str>) -> Result<Console, DomainError> {
        self.open_console_by(uuid, alias, true).await
    }

    async fn open_console_by(
        &self,
        uuid: Uuid,
        alias: Option<&str>,
        exclusive: bool,
    ) -> Result<Console, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        let opened = machine.open_console(alias, exclusive).await;
        opened.map_err(|source| entry.driver_error("given a console", source))
    }

    /// Opens the channel that the guest of a running domain knows by `name`.
    pub async fn open_channel(&self, uuid: Uuid, name: &str) -> Result<Console, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.open_channel(name).await.map_err(|source| entry.driver_error("given a channel", source))
    }

    /// Every reason why this host would not run `config`; empty when it would.
    pub fn check(&self, config: &DomainConfig) -> Vec<Refusal> {
        match self.shared.driver(config) {
            Ok(driver) => driver.check(config),
            Err(error) => vec![Refusal(error.to_string())],
        }
    }

    /// What this host would do in another way than `config` says.
    pub fn notes(&self, config: &DomainConfig) -> Vec<String> {
        self.shared.driver(config).map(|driver| driver.notes(config)).unwrap_or_default()
    }

    /// Whether a definition could be added or replaced: name and UUID must belong together.
    pub fn check_identity(&self, config: &DomainConfig) -> Result<(), DomainError> {
        self.shared.read().check_identity(config)
    }

    /// Adds a definition or replaces the one with the same name and UUID; a running domain goes on as it is, and a transient one
    /// becomes persistent. The document has been validated by the caller.
    pub fn define(&self, actor: &Actor, config: DomainConfig) -> Result<(), DomainError> {
        let config = Arc::new(config);
        let mut index = self.shared.write();
        index.check_identity(&config)?;
        if let Some(entry) = index.by_uuid.get(&config.uuid) {
            let mut inner = entry.lock();
            inner.definition = Some(config);
            entry.emit(&inner, self.shared.sink.as_ref(), actor, DomainChange::Defined);
            return Ok(());
        }
        let entry = Arc::new(Entry::new(&config, Some(config.clone()), false));
        index.insert(entry.clone());
        entry.emit(&entry.lock(), self.shared.sink.as_ref(), actor, DomainChange::Defined);
        Ok(())
    }

    /// Adds a definition that was kept on disk, without telling anybody. For the start of the
    /// daemon, before [`Self::recover`].
    pub fn restore(&self, config: DomainConfig, autostart: bool) -> Result<(), DomainError> {
        let config = Arc::new(config);
        let mut index = self.shared.write();
        index.check_identity(&config)?;
        index.insert(Arc::new(Entry::new(&config, Some(config.clone()), autostart)));
        Ok(())
    }

    /// Removes a definition. A running domain becomes transient (guide 14.8.5).
    pub fn undefine(&self, actor: &Actor, uuid: Uuid) -> Result<(), DomainError> {
        let mut index = self.shared.write();
        let entry =
            index.by_uuid.get(&uuid).cloned().ok_or_else(|| DomainError::NotFound(uuid.to_string()))?;
        let mut inner = entry.lock();
        if inner.definition.is_none() {
            let sentence = "is transient: it has no definition".to_owned();
            return Err(DomainError::WrongState { name: entry.name.clone(), sentence });
        }
        if let Some(request) = inner.admission.running()
            && !matches!(request, Request::Undefine)
            && !inner.phase.has_machine()
        {
            return Err(DomainError::Busy { name: entry.name.clone(), doing: request.participle() });
        }
        inner.definition = None;
        inner.autostart = false;
        if !inner.phase.has_machine() {
            index.remove(&entry);
        }
        entry.emit(&inner, self.shared.sink.as_ref(), actor, DomainChange::Undefined);
        Ok(())
    }

    /// Gives the domain of a turn, which is off, the name that `config` has, its definition otherwise. Whoever waits for a turn on it is told
    /// that there is no domain of the old name.
    pub fn rename(&self, turn: &Turn, config: DomainConfig) -> Result<(), DomainError> {
        let mut index = self.shared.write();
        let missing = || DomainError::NotFound(turn.name().to_owned());
        let old = index.by_uuid.get(&turn.uuid()).cloned().ok_or_else(missing)?;
        if let Some(other) = index.by_name.get(&config.name) {
            return Err(DomainError::NameTaken { name: config.name, uuid: other.uuid });
        }
        let inner = old.lock();
        if inner.definition.is_none() || inner.phase.has_machine() {
            let sentence = "can't be renamed: it is no defined domain that is off".to_owned();
            return Err(DomainError::WrongState { name: old.name.clone(), sentence });
        }
        let config = Arc::new(config);
        let new = Arc::new(Entry::new(&config, Some(config.clone()), inner.autostart));
        {
            let mut new = new.lock();
            new.phase = inner.phase;
            new.clock_set.clone_from(&inner.clock_set);
        }
        index.remove(&old);
        index.insert(new.clone());
        let (sink, actor) = (self.shared.sink.as_ref(), turn.actor());
        old.emit(&inner, sink, actor, DomainChange::Undefined);
        new.emit(&new.lock(), sink, actor, DomainChange::Defined);
        Ok(())
    }

    /// Whether the daemon starts a domain by itself; only a persistent one can be.
    pub fn set_autostart(&self, actor: &Actor, uuid: Uuid, autostart: bool) -> Result<(), DomainError> {
        let entry = self.shared.entry(uuid)?;
        let mut inner = entry.lock();
        if inner.definition.is_none() {
            let sentence = "is transient: it can't be started with the host".to_owned();
            return Err(DomainError::WrongState { name: entry.name.clone(), sentence });
        }
        if inner.autostart != autostart {
            inner.autostart = autostart;
            entry.emit(&inner, self.shared.sink.as_ref(), actor, DomainChange::Changed);
        }
        Ok(())
    }

    /// The right to change a domain, once it is this caller's turn. Busy when the same is being done already; a wrong state when
    /// `request` makes no sense once it is its turn. Dropping the turn lets the next one in.
    pub async fn begin(&self, actor: Actor, uuid: Uuid, request: Request) -> Result<Turn, DomainError> {
        let entry = self.shared.entry(uuid)?;
        let (ticket, waits) = entry.enter(request, true)?;
        let turn = Turn::new(self.clone(), entry, actor, ticket);
        if let Some(waits) = waits
            && waits.await.is_err()
        {
            return Err(DomainError::Overtaken { name: turn.name().to_owned() });
        }
        self.shared.is_current(&turn)?;
        turn.check(request)?;
        Ok(turn)
    }

    /// What is being done to a domain that may last for as long as it likes: "it is being …".
    pub fn lasts(&self, uuid: Uuid) -> Option<&'static str> {
        let entry = self.shared.entry(uuid).ok()?;
        let inner = entry.lock();
        match inner.admission.running()? {
            request @ (Request::Migrate | Request::Save | Request::Dump) => Some(request.participle()),
            // Its guest comes from another host.
            Request::Start if inner.phase.stands_still() => Some("migrated to this host"),
            _ => None,
        }
    }

    /// As [`Self::begin`], but busy instead of waiting. For callers that something else waits for, e.g. policies inside a hook.
    pub fn try_begin(&self, actor: Actor, uuid: Uuid, request: Request) -> Result<Turn, DomainError> {
        let entry = self.shared.entry(uuid)?;
        let (ticket, _) = entry.enter(request, false)?;
        let turn = Turn::new(self.clone(), entry, actor, ticket);
        self.shared.is_current(&turn)?;
        turn.check(request)?;
        Ok(turn)
    }

    /// The right to start a new transient domain; it is gone again when the turn ends without a start.
    pub fn begin_transient(&self, actor: Actor, config: &DomainConfig) -> Result<Turn, DomainError> {
        let entry = {
            let mut index = self.shared.write();
            index.check_identity(config)?;
            if let Some(entry) = index.by_uuid.get(&config.uuid) {
                let (name, uuid) = (entry.name.clone(), entry.uuid);
                return Err(DomainError::NameTaken { name, uuid });
            }
            let entry = Arc::new(Entry::new(config, None, false));
            index.insert(entry.clone());
            entry
        };
        let (ticket, _) = entry.enter(Request::Start, false)?;
        Ok(Turn::new(self.clone(), entry, actor, ticket))
    }

    /// How far the save or dump of a domain is; none when there is none.
    pub async fn save_progress(&self, uuid: Uuid) -> Result<Option<SaveProgress>, DomainError> {
        let (_, machine) = self.machine(uuid)?;
        Ok(machine.save_progress().await)
    }

    /// Gives the save or dump of a domain up.
    pub async fn cancel_save(&self, uuid: Uuid) -> Result<(), DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.cancel_save().await.map_err(|source| entry.driver_error("kept from being saved", source))
    }

    /// How many backing files are below the image that each disk of a running domain has now, by alias.
    pub async fn disk_depths(&self, uuid: Uuid) -> Result<Vec<(String, usize)>, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.disk_depths().await.map_err(|source| entry.driver_error("asked for its images", source))
    }

    /// The jobs on the images of the disks of a running domain: those that go on, and the last one of each disk.
    pub async fn block_jobs(&self, uuid: Uuid) -> Result<Vec<BlockJob>, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        let reports = machine.block_jobs().await;
        let reports = reports.map_err(|source| entry.driver_error("asked for its block jobs", source))?;
        Ok(reports.into_iter().map(|report| report.job).collect())
    }

    /// What the guest of a domain has made of its clock since this was asked last.
    pub fn take_clock(&self, uuid: Uuid) -> Option<ClockConfig> {
        self.shared.entry(uuid).ok()?.lock().clock_set.take()
    }

    pub(crate) fn machine(&self, uuid: Uuid) -> Result<(Arc<Entry>, Arc<dyn Machine>), DomainError> {
        let entry = self.shared.entry(uuid)?;
        let machine = entry.lock().live.as_ref().and_then(|live| live.machine.clone());
        match machine {
            Some(machine) => Ok((entry, machine)),
            None => Err(DomainError::WrongState {
                name: entry.name.clone(),
                sentence: "is not running".to_owned(),
            }),
        }
    }
}

impl Shared {
    /// The driver `config` asks for.
    pub fn driver(&self, config: &DomainConfig) -> Result<&Arc<dyn Driver>, DomainError> {
        let kind = config.domain_type.as_str();
        self.drivers.get(kind).ok_or_else(|| DomainError::NoDriver {
            name: config.name.clone(),
            kind: kind.to_owned(),
            known: self.drivers.keys().copied().collect::<Vec<_>>().join(", "),
        })
    }

    /// The number of the next instance.
    pub fn issue_id(&self) -> u32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a transient domain out that has ended.
    pub fn remove_if_transient(&self, entry: &Arc<Entry>) {
        let mut index = self.write();
        let gone = {
            let inner = entry.lock();
            inner.definition.is_none() && !inner.phase.has_machine() && inner.admission.running().is_none()
        };
        if gone {
            index.remove(entry);
        }
    }

    /// Refuses the turn on a domain that has another name by now.
    fn is_current(&self, turn: &Turn) -> Result<(), DomainError> {
        match self.read().by_name.get(turn.name()).is_some_and(|entry| entry.uuid == turn.uuid()) {
            true => Ok(()),
            false => Err(DomainError::NotFound(turn.name().to_owned())),
        }
    }

    fn entry(&self, uuid: Uuid) -> Result<Arc<Entry>, DomainError> {
        self.read().by_uuid.get(&uuid).cloned().ok_or_else(|| DomainError::NotFound(uuid.to_string()))
    }

    /// The entry of a record; a transient one is made when there is none.
    pub fn entry_for(&self, record: &RuntimeRecord) -> Arc<Entry> {
        let mut index = self.write();
        if let Some(entry) = index.by_uuid.get(&record.uuid) {
            return entry.clone();
        }
        let entry = Arc::new(Entry::new(&record.config, None, false));
        index.insert(entry.clone());
        entry
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn check_identity(&self, config: &DomainConfig) -> Result<(), DomainError> {
        if let Some(entry) = self.by_name.get(&config.name)
            && entry.uuid != config.uuid
        {
            return Err(DomainError::NameTaken { name: config.name.clone(), uuid: entry.uuid });
        }
        if let Some(entry) = self.by_uuid.get(&config.uuid)
            && entry.name != config.name
        {
            return Err(DomainError::UuidTaken { uuid: config.uuid, name: entry.name.clone() });
        }
        Ok(())
    }

    fn insert(&mut self, entry: Arc<Entry>) {
        self.by_uuid.insert(entry.uuid, entry.clone());
        self.by_name.insert(entry.name.clone(), entry);
    }

    fn remove(&mut self, entry: &Entry) {
        self.by_uuid.remove(&entry.uuid);
        self.by_name.remove(&entry.name);
    }
}

impl Entry {
    /// Takes a ticket; with the channel to wait on when it does not run at once.
    fn enter(
        &self,
        request: Request,
        may_wait: bool,
    ) -> Result<(crate::admission::Ticket, Option<oneshot::Receiver<()>>), DomainError> {
        let mut inner = self.lock();
        let busy = |doing: Option<Request>| DomainError::Busy {
            name: self.name.clone(),
            doing: doing.unwrap_or(request).participle(),
        };
        if !may_wait && inner.admission.running().is_some() {
            return Err(busy(inner.admission.running()));
        }
        match inner.admission.offer(request) {
            Ok(Admitted::Runs(ticket)) => Ok((ticket, None)),
            Ok(Admitted::Waits(ticket, dropped)) => {
                for dropped in dropped {
                    inner.waiting.remove(&dropped);
                }
                let (told, waits) = oneshot::channel();
                inner.waiting.insert(ticket, told);
                drop(inner);
                self.offered.notify_waiters();
                Ok((ticket, Some(waits)))
            }
            Err(Refused::Already(same)) => Err(busy(Some(same))),
            Err(Refused::Full) => Err(busy(inner.admission.running())),
        }
    }

    /// A driver's failure with the domain's name on it.
    pub(crate) fn driver_error(&self, doing: &'static str, source: DriverError) -> DomainError {
        DomainError::Driver { name: self.name.clone(), doing, source }
    }

    /// No machine any more.
    pub(crate) fn end(&self, phase: Phase) {
        let mut inner = self.lock();
        inner.phase = phase;
        inner.live = None;
    }
}
