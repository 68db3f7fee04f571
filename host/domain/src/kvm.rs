//! The native driver: one worker process per domain, on /dev/kvm.
//!
//! ```text
//!   DomainConfig ─ plan (pure) ─► VmConfig + list of files ─ open ─► descriptors ┐
//!   run/reeve/domains/UUID/control ─ bind ─► listening socket ─ fd 3 ─► worker ◄─┴─ Launch over the socket
//! ```
//!
//! The worker gets its machine as data and descriptors and opens nothing itself. It outlives the daemon; the next one connects to
//! the same socket. An end of the connection is an end of the worker.

mod block_job;
mod client;
mod clock;
mod consoles;
mod cpu;
mod devices;
mod filesystems;
mod fit;
mod images;
mod interfaces;
mod launch;
mod machine;
mod migrate;
mod placement;
mod plan;
mod smbios;
mod stats;
mod switch;
mod tuning;
mod waiting;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use reeve_model::domain::{DomainConfig, Vsock};
use reeve_sys::cgroup::Cgroups;
use reeve_sys::layout::Layout;
use reeve_vmm::config::{DeviceKind, FdIndex, SandboxConfig, VmConfig};
use reeve_vmm::protocol::{Call, Status};
use tracing::{info, warn};
use uuid::Uuid;

use crate::driver::{Awaiting, Driver, DriverError, Refusal, StartSpec, Started};
use crate::keys::KeyRing;
use crate::migration::Incoming;
use crate::record::{RuntimeRecord, WorkerProcess};
use client::Client;
use launch::{Site, VSOCK};
use machine::KvmMachine;
use migrate::GuestAwaited;
use plan::Plan;

/// What the native driver works with.
#[derive(Debug)]
pub struct KvmConfig {
    /// The executable that becomes a worker.
    pub worker: PathBuf,
    /// Directories of this host.
    pub layout: Arc<Layout>,
    /// Where groups of domains are made; none runs them in the daemon's own.
    pub cgroups: Option<Cgroups>,
    /// What serves directories to guests where their documents do not say; none takes what the host has.
    pub virtiofsd: Option<PathBuf>,
    /// How workers lock themselves in.
    pub sandbox: SandboxConfig,
    /// Where the passphrases of encrypted disks come from.
    pub keys: Arc<KeyRing>,
}

/// Makes machines on /dev/kvm.
pub struct KvmDriver {
    config: Arc<KvmConfig>,
}

impl KvmDriver {
    /// A driver; nothing is touched before the first start.
    pub fn new(config: KvmConfig) -> Self {
        Self { config: Arc::new(config) }
    }

    fn site(&self, uuid: Uuid) -> Site {
        Site::new(self.config.clone(), uuid)
    }
}

#[async_trait]
impl Driver for KvmDriver {
    fn kind(&self) -> &'static str {
        "kvm"
    }

    fn check(&self, config: &DomainConfig) -> Vec<Refusal> {
        let config = placement::settled(config);
        let config = config.as_ref();
        let mut refusals = Plan::new(config, &self.config.sandbox).err().unwrap_or_default();
        refusals.extend(fit::refusals(config, self.config.cgroups.as_ref()).into_iter().map(Refusal));
        let virtiofsd = self.config.virtiofsd.as_deref();
        refusals.extend(filesystems::refusals(config, virtiofsd).into_iter().map(Refusal));
        refusals
    }

    fn notes(&self, config: &DomainConfig) -> Vec<String> {
        let config = placement::settled(config);
        let config = config.as_ref();
        let mut notes = devices::notes(&config.devices.disks);
        notes.extend(clock::notes(&config.clock));
        notes.extend(cpu::notes(config.cpu.as_ref(), cpu::host()));
        notes.extend(fit::notes(config, self.config.cgroups.as_ref()));
        notes.extend(fit::cut_pins(config));
        notes
    }

    fn settle(&self, config: &mut DomainConfig) {
        placement::settle(config);
        let uuid = config.uuid.to_string();
        let own = self.config.layout.domain_path(&uuid).join(VSOCK);
        if let Some(vsock) = &mut config.devices.vsock {
            vsock.cid.get_or_insert(Vsock::FIRST);
            // What another host, or this one before, has chosen for itself is not what an operator wants.
            let chosen = |path: &String| Path::new(path).ends_with(Path::new(&uuid).join(VSOCK));
            vsock.path = vsock.path.take().filter(|path| !chosen(path));
            vsock.path.get_or_insert_with(|| own.to_string_lossy().into_owned());
        }
    }

    async fn start(&self, spec: StartSpec) -> Result<Started, DriverError> {
        self.make(spec, None).await
    }

    async fn restore(&self, spec: StartSpec, image: File) -> Result<Started, DriverError> {
        self.make(spec, Some(image)).await
    }

    async fn await_guest(
        &self,
        spec: StartSpec,
        incoming: Incoming,
    ) -> Result<Box<dyn Awaiting>, DriverError> {
        let plan = self.plan(&spec.config)?;
        Ok(Box::new(GuestAwaited::make(self.site(spec.config.uuid), plan, spec.config, incoming).await?))
    }

    async fn find_unrecorded(&self, uuid: Uuid) -> Option<(WorkerProcess, PathBuf)> {
        let mut site = self.site(uuid);
        let (_client, hello) = Client::hello(site.connect().await.ok()?, None).await.ok()?;
        if matches!(hello.status, Status::Empty | Status::Ended { .. }) {
            return None;
        }
        site.find(hello.pid);
        let recorded = machine::recorded(site.process().ok()?.as_ref());
        Some((recorded, site.socket()))
    }

    async fn adopt(&self, record: &RuntimeRecord) -> Result<Started, DriverError> {
        let mut site = self.site(record.uuid);
        match self.reconnect(&mut site, record).await {
            Ok(started) => Ok(started),
            Err(error) => {
                site.clear().await;
                consoles::remove_sockets(&record.config);
                Err(error)
            }
        }
    }

    async fn sweep(&self, known: &[Uuid]) -> Vec<Uuid> {
        let mut undone = Vec::new();
        for name in self.config.layout.domain_directories() {
            let Ok(uuid) = Uuid::try_parse(&name) else { continue };
            if known.contains(&uuid) {
                continue;
            }
            let mut site = self.site(uuid);
            if let Ok(stream) = site.connect().await
                && let Ok((_client, hello)) = Client::hello(stream, None).await
            {
                site.find(hello.pid);
            }
            site.clear().await;
            info!(%uuid, "an unfinished start of an earlier daemon was undone");
            undone.push(uuid);
        }
        undone
    }
}

impl KvmDriver {
    /// What to launch, on this host as it is now.
    fn plan(&self, config: &DomainConfig) -> Result<Plan, DriverError> {
        let plan = Plan::new(config, &self.config.sandbox).map_err(|refusals| {
            DriverError::Unsupported(refusals.into_iter().map(|each| each.0).collect::<Vec<_>>().join("; "))
        })?;
        match fit::huge_pages(config, "free_hugepages", "free") {
            Some(sentence) => Err(DriverError::Unsupported(sentence)),
            None => Ok(plan),
        }
    }

    async fn make(&self, spec: StartSpec, image: Option<File>) -> Result<Started, DriverError> {
        let plan = self.plan(&spec.config)?;
        let mut site = self.site(spec.config.uuid);
        match self.launch(&mut site, plan, &spec.config, image).await {
            Ok(started) => Ok(started),
            Err(error) => {
                site.clear().await;
                consoles::remove_sockets(&spec.config);
                Err(error)
            }
        }
    }

    async fn launch(
        &self,
        site: &mut Site,
        plan: Plan,
        config: &DomainConfig,
        image: Option<File>,
    ) -> Result<Started, DriverError> {
        let kernel = config.os.kernel.clone().unwrap_or_default();
        let (vm, mut fds, stream) = site.prepare(plan).await?;
        let process = site.process()?;
        let (client, _) = Client::hello(stream, Some(process.clone())).await.map_err(|e| site.explain(e))?;
        let (machine, restores) = (Box::new(vm), image.is_some());
        let call = match image {
            Some(image) => {
                fds.push(image.into());
                Call::Restore { config: machine, state: FdIndex(fds.len() as u32 - 1) }
            }
            None => Call::Launch { config: machine },
        };
        client.call(call, fds).await.map_err(|error| match error {
            DriverError::Rejected(message) if !restores => {
                DriverError::Rejected(format!("kernel '{kernel}': {message}"))
            }
            DriverError::Worker(message) => DriverError::Worker(site.explain_shares(message)),
            other => site.explain(other),
        })?;
        site.tune_first(config).await?;
        let status = Status::Paused { reason: reeve_vmm::protocol::PauseReason::Asked };
        Ok(KvmMachine::start(client, process, site.clone(), config, &status))
    }

    async fn reconnect(&self, site: &mut Site, record: &RuntimeRecord) -> Result<Started, DriverError> {
        let recorded =
            record.process.ok_or_else(|| DriverError::Lost("its record names no process".to_owned()))?;
        site.find_exactly(recorded)?;
        let process = site.process()?;
        let stream = site.connect().await?;
        let (client, hello) = Client::hello(stream, Some(process.clone())).await?;
        if hello.status == Status::Empty {
            return Err(DriverError::Lost("its worker has no machine".to_owned()));
        }
        if hello.pid != process.pid() {
            warn!(uuid = %record.uuid, "the worker says pid {} instead of {}", hello.pid, process.pid());
        }
        for alias in &hello.lost {
            // Nobody may have heard of it.
            warn!(uuid = %record.uuid, device = alias, "what serves a shared directory has ended: the guest goes on without it until its next start");
            site.kill_share(alias);
        }
        let vcpus = hello.config.as_ref().map(|config| config.vcpus);
        let clock =
            hello.config.as_ref().filter(|config| config.clock.kept).map(|config| config.clock.adjustment);
        let present = hello.config.map(|config| plugged(&config)).unwrap_or_default();
        let known = pluggable(&record.config);
        for alias in present.iter().filter(|alias| !known.contains(alias)) {
            // An earlier daemon was killed before it could record it: nobody knows what it was to be.
            warn!(uuid = %record.uuid, alias, "a device that is not recorded is taken from the guest");
            client.ask(Call::DetachDevice { alias: alias.clone(), force: true }).await?;
        }
        let mut config = record.config.clone();
        config.vcpu.current = vcpus.or(config.vcpu.current);
        let mut started = KvmMachine::start(client, process, site.clone(), &config, &hello.status);
        if !matches!(hello.status, Status::Ended { .. }) {
            started.missing = known.into_iter().filter(|alias| !present.contains(alias)).collect();
            started.present = vcpus;
            started.clock = clock;
        }
        Ok(started)
    }
}

/// Aliases of the disks and interfaces that a worker has.
fn plugged(config: &VmConfig) -> Vec<String> {
    let kinds = config.devices.iter();
    let kinds = kinds.filter(|device| matches!(device.kind, DeviceKind::Block(_) | DeviceKind::Net(_)));
    kinds.map(|device| device.alias.clone()).collect()
}

/// Aliases of the disks and interfaces of a configuration.
fn pluggable(config: &DomainConfig) -> Vec<String> {
    let disks = config.devices.disks.iter().map(|disk| &disk.common);
    let interfaces = config.devices.interfaces.iter().map(|interface| &interface.common);
    disks.chain(interfaces).filter_map(|common| common.alias.clone()).collect()
}
