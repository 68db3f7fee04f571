//! What the tests of this crate share: documents, a sink that remembers and a keeper in memory.
#![allow(dead_code, reason = "every test binary uses another part")]

pub mod lab;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reeve_domain::{
    DomainNotice, Domains, DomainsConfig, Driver, EventSink, Keeper, KeeperError, Request, RuntimeRecord,
    StartOptions,
};
use reeve_model::domain::{
    BlkioTune, ClockConfig, CpuTune, Devices, DomainConfig, DomainType, Extra, Features, Iothreads,
    LifecycleAction, MemTune, MemoryBacking, NumaTune, OsConfig, PmConfig, VcpuConfig,
};
use reeve_model::event::DomainChange;
use reeve_model::{Actor, Bytes, DomainState};
use uuid::Uuid;

/// A small document of some type.
pub fn document(kind: DomainType, name: &str) -> DomainConfig {
    DomainConfig {
        domain_type: kind,
        name: name.to_owned(),
        uuid: Uuid::new_v4(),
        title: None,
        description: None,
        metadata: None,
        memory: Bytes::mib(64),
        current_memory: Bytes::mib(64),
        memory_backing: MemoryBacking::default(),
        vcpu: VcpuConfig { max: 1, current: None, placement: None, cpuset: None, extra: Extra::default() },
        iothreads: Iothreads::default(),
        cputune: CpuTune::default(),
        memtune: MemTune::default(),
        blkiotune: BlkioTune::default(),
        numatune: NumaTune::default(),
        resource: Box::default(),
        sysinfo: None,
        os: OsConfig { os_type: "hvm".to_owned(), ..OsConfig::default() },
        features: Features::default(),
        cpu: None,
        clock: ClockConfig::default(),
        pm: PmConfig::default(),
        on_poweroff: LifecycleAction::Destroy,
        on_reboot: LifecycleAction::Restart,
        on_crash: LifecycleAction::Destroy,
        devices: Devices::default(),
        seclabels: Vec::new(),
        extra: Extra::default(),
    }
}

/// A simulated domain with a script.
pub fn sim(name: &str, script: &str) -> DomainConfig {
    let mut config = document(DomainType::Sim, name);
    config.os.cmdline = Some(script.to_owned());
    config
}

/// Remembers every change.
#[derive(Default)]
pub struct Told(Mutex<Vec<DomainNotice>>);

impl EventSink for Told {
    fn emit(&self, notice: DomainNotice) {
        self.0.lock().unwrap().push(notice);
    }
}

impl Told {
    pub fn changes(&self, uuid: Uuid) -> Vec<DomainChange> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|notice| notice.uuid == uuid)
            .map(|notice| notice.change)
            .collect()
    }

    pub fn forget(&self) {
        self.0.lock().unwrap().clear();
    }
}

/// Keeps records in memory.
#[derive(Default)]
pub struct InMemory(Mutex<BTreeMap<Uuid, RuntimeRecord>>);

#[async_trait]
impl Keeper for InMemory {
    async fn keep(&self, record: &RuntimeRecord) -> Result<(), KeeperError> {
        self.0.lock().unwrap().insert(record.uuid, record.clone());
        Ok(())
    }

    async fn forget(&self, uuid: Uuid) -> Result<(), KeeperError> {
        self.0.lock().unwrap().remove(&uuid);
        Ok(())
    }
}

impl InMemory {
    pub fn records(&self) -> Vec<RuntimeRecord> {
        self.0.lock().unwrap().values().cloned().collect()
    }
}

/// A host with some drivers.
pub struct Host {
    pub domains: Domains,
    pub told: Arc<Told>,
    pub kept: Arc<InMemory>,
}

impl Host {
    pub fn new(drivers: Vec<Arc<dyn Driver>>) -> Self {
        Self::with_records(drivers, Arc::default())
    }

    pub fn with_records(drivers: Vec<Arc<dyn Driver>>, kept: Arc<InMemory>) -> Self {
        let told = Arc::new(Told::default());
        let domains = Domains::new(DomainsConfig {
            drivers,
            sink: told.clone(),
            keeper: kept.clone(),
            boot_id: "this-boot".to_owned(),
            dumps: std::env::temp_dir(),
        });
        Self { domains, told, kept }
    }

    /// Defines a document.
    pub fn define(&self, config: &DomainConfig) -> Uuid {
        self.domains.define(&Actor::Daemon, config.clone()).unwrap();
        config.uuid
    }

    /// Starts a domain from its definition.
    pub async fn start(&self, uuid: Uuid) -> Result<(), reeve_model::Error> {
        let turn = self.domains.begin(Actor::Daemon, uuid, Request::Start).await?;
        let config = self.domains.definition(uuid)?.expect("persistent").as_ref().clone();
        turn.start(StartOptions { config, paused: false }).await?;
        Ok(())
    }

    /// Starts a transient domain.
    pub async fn create(&self, config: &DomainConfig) -> Result<Uuid, reeve_model::Error> {
        let turn = self.domains.begin_transient(Actor::Daemon, config)?;
        turn.start(StartOptions { config: config.clone(), paused: false }).await?;
        Ok(config.uuid)
    }

    /// Does something without parameters.
    pub async fn ask(&self, uuid: Uuid, request: Request) -> Result<(), reeve_model::Error> {
        let turn = self.domains.begin(Actor::Daemon, uuid, request).await?;
        match request {
            Request::Shutdown => turn.shutdown().await?,
            Request::Reboot => turn.reboot().await?,
            Request::Reset => turn.reset().await?,
            Request::Destroy => turn.destroy().await?,
            Request::Suspend => turn.suspend().await?,
            Request::Resume => turn.resume().await?,
            Request::Wake => turn.wake().await?,
            other => panic!("{other:?} has parameters"),
        }
        Ok(())
    }

    pub fn state(&self, uuid: Uuid) -> Option<DomainState> {
        self.domains.phase(uuid).ok().map(|phase| phase.state())
    }

    /// Waits until a domain is in a state; none means it is gone.
    pub async fn reaches(&self, uuid: Uuid, state: Option<DomainState>) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.state(uuid) != state {
            let now = self.domains.phase(uuid);
            assert!(Instant::now() < deadline, "{uuid} is {now:?}, not {state:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until a change was told.
    pub async fn hears(&self, uuid: Uuid, change: DomainChange) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.told.changes(uuid).contains(&change) {
            assert!(Instant::now() < deadline, "{change:?} not in {:?}", self.told.changes(uuid));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
