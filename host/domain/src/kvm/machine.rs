//! One machine in a worker, as the domain sees it.

mod backlog;
mod listen;

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reeve_model::Bytes;
use reeve_model::block_job::BlockJobWork;
use reeve_model::domain::{Disk, DomainConfig};
use reeve_model::migration::DeviceSlot;
use reeve_model::stats::DomainStats;
use reeve_model::tuning::{CpuStats, Tuning, VcpuInfo};
use reeve_sys::process::Process;
use reeve_sys::procfs;
use reeve_vmm::protocol::{Answer, BlockJobOrder, Call, PauseReason, Stats, Status};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use self::listen::{Dialer, Told};
use super::client::{self, Client};
use super::launch::{self, Site};
use super::plan::Sources;
use super::waiting::{Removals, Saves};
use super::{block_job, consoles, devices, interfaces, migrate, stats, switch};
use crate::driver::{
    BlockJobDemand, BlockJobReport, Console, Device, DriverError, Machine, SaveProgress, Started, Vcpus,
};
use crate::migration::{MigrationOrder, MigrationPlace, MigrationProgress};
use crate::record::WorkerProcess;

/// How long a guest may take to let go of a device.
const RELEASE: Duration = Duration::from_secs(5);
/// How long an orderly end may take before the worker is killed.
const GOODBYE: Duration = Duration::from_secs(2);
/// The same for one that is not to be killed.
const GRACE: Duration = Duration::from_secs(10);
/// Events that may wait for the owner; more of them wait in the backlog of who listens.
const EVENTS: usize = 16;

pub(super) struct KvmMachine {
    client: Arc<Client>,
    process: Arc<Process>,
    site: Site,
    config: DomainConfig,
    /// Targets of disks and interfaces by alias.
    targets: Mutex<HashMap<String, String>>,
    removals: Arc<Removals>,
    migration: Arc<watch::Sender<MigrationProgress>>,
    saves: Arc<Saves>,
    /// How many vCPUs are there.
    vcpus: Arc<watch::Sender<u32>>,
}

/// A worker as its record names it.
pub(super) fn recorded(process: &Process) -> WorkerProcess {
    WorkerProcess { pid: process.pid(), start_time: process.start_time() }
}

impl KvmMachine {
    /// The machine of a worker that was launched now or earlier.
    pub fn start(
        client: Client,
        process: Arc<Process>,
        site: Site,
        config: &DomainConfig,
        status: &Status,
    ) -> Started {
        let client = Arc::new(client);
        let (sender, events) = mpsc::channel(EVENTS);
        let removals = Arc::<Removals>::default();
        let migration = Arc::new(watch::Sender::default());
        let saves = Arc::<Saves>::default();
        let count = Arc::new(watch::Sender::new(config.vcpu.at_boot()));
        if let Some(event) = listen::missed(status, config) {
            // The channel is new and has room.
            let _ = sender.try_send(event);
        }
        let told = Told {
            removals: removals.clone(),
            saves: saves.clone(),
            migration: migration.clone(),
            vcpus: count.clone(),
            dialer: Dialer {
                client: Arc::downgrade(&client),
                path: config.devices.vsock.as_ref().and_then(|vsock| vsock.path.clone()).map(PathBuf::from),
            },
        };
        if let Some(news) = client.news() {
            if !config.devices.filesystems.is_empty() {
                tokio::spawn(listen::watch_share_log(sender.downgrade(), site.clone()));
            }
            tokio::spawn(listen::listen(news, sender, site.clone(), told));
        }
        let recorded = recorded(&process);
        let runs = matches!(status, Status::Running | Status::Late { interrupted: false });
        let asleep = matches!(status, Status::Paused { reason: PauseReason::Suspended });
        let vcpus = match runs {
            true => Vcpus::Running,
            false if asleep => Vcpus::Suspended,
            false => Vcpus::Stopped,
        };
        let socket = site.socket();
        let (config, targets) = (config.clone(), Mutex::new(targets(config)));
        let vcpus_present = count;
        let machine = Arc::new(Self {
            client,
            process,
            site,
            config,
            targets,
            removals,
            saves,
            migration,
            vcpus: vcpus_present,
        });
        let (process, socket) = (Some(recorded), Some(socket));
        Started { machine, events, vcpus, process, socket, missing: Vec::new(), present: None, clock: None }
    }

    async fn open(&self, call: Call) -> Result<UnixStream, DriverError> {
        let (_, fds) = self.client.call(call, Vec::new()).await?;
        let socket = fds
            .into_iter()
            .next()
            .ok_or_else(|| DriverError::Worker("its worker sent no socket".to_owned()))?;
        let stream = std::os::unix::net::UnixStream::from(socket);
        let broken =
            |error: std::io::Error| DriverError::Worker(format!("the console's socket is broken: {error}"));
        stream.set_nonblocking(true).map_err(broken)?;
        UnixStream::from_std(stream).map_err(broken)
    }
}

impl KvmMachine {
    /// Asks the worker to end, and waits until it has.
    async fn say_goodbye(&self) -> Result<(), DriverError> {
        // A machine that has ended refuses to quit, and only then is released.
        let _ = self.client.ask(Call::Quit).await;
        self.client.ask(Call::Release).await?;
        client::ended(&self.process).await;
        Ok(())
    }
}

#[async_trait]
impl Machine for KvmMachine {
    async fn pause(&self) -> Result<(), DriverError> {
        self.client.ask(Call::Pause).await
    }

    async fn resume(&self) -> Result<(), DriverError> {
        self.client.ask(Call::Resume).await
    }

    async fn save(&self, image: File) -> Result<(), DriverError> {
        self.saves.run(&self.client, Call::Save, image).await
    }

    async fn dump(&self, core: File, live: bool) -> Result<(), DriverError> {
        self.saves.run(&self.client, Call::Dump { live }, core).await
    }

    async fn drop_save(&self, running: bool) {
        self.client.post(Call::CancelSave).await;
        if running {
            self.client.post(Call::Resume).await;
        }
    }

    async fn save_progress(&self) -> Option<SaveProgress> {
        match self.client.call(Call::SaveStatus, Vec::new()).await.ok()? {
            (Answer::Save(status), _) => {
                Some(SaveProgress { done: status.done, total: status.total, dump: status.dump })
            }
            _ => None,
        }
    }

    async fn cancel_save(&self) -> Result<(), DriverError> {
        let cancelled = self.client.ask(Call::CancelSave).await;
        self.saves.cancelled(cancelled.as_ref().is_err_and(DriverError::is_open));
        cancelled
    }

    async fn reset(&self) -> Result<(), DriverError> {
        self.client.ask(Call::Reset).await
    }

    async fn power_button(&self) -> Result<(), DriverError> {
        self.client.ask(Call::PowerButton).await
    }

    async fn wake(&self) -> Result<(), DriverError> {
        self.client.ask(Call::Wake).await
    }

    async fn quit(&self) -> Result<(), DriverError> {
        let late = || {
            let seconds = GRACE.as_secs();
            DriverError::NotNow(format!(
                "its worker did not end within {seconds} s, and was not to be killed"
            ))
        };
        tokio::time::timeout(GRACE, self.say_goodbye()).await.map_err(|_| late())?
    }

    async fn destroy(&self) {
        // What does not end in time is killed by clear.
        let _ = tokio::time::timeout(GOODBYE, self.say_goodbye()).await;
        self.site.clear().await;
        consoles::remove_sockets(&self.config);
    }

    async fn set_balloon(&self, target: Bytes) -> Result<(), DriverError> {
        self.client.ask(Call::SetBalloon { bytes: target.0 }).await
    }

    async fn set_stats_period(&self, seconds: u32) -> Result<(), DriverError> {
        self.client.ask(Call::SetStatsPeriod { seconds }).await
    }

    async fn inject_nmi(&self) -> Result<(), DriverError> {
        self.client.ask(Call::InjectNmi).await
    }

    async fn set_vcpus(&self, count: u32) -> Result<(), DriverError> {
        let mut present = self.vcpus.subscribe();
        self.client.ask(Call::SetVcpus { count }).await?;
        match tokio::time::timeout(RELEASE, present.wait_for(|present| *present == count)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(DriverError::Lost("it ended before its guest let go of a vCPU".to_owned())),
            Err(_) => Err(DriverError::Deadline {
                what: "the request to let go of vCPUs",
                seconds: RELEASE.as_secs(),
            }),
        }
    }

    async fn stats(&self) -> Result<DomainStats, DriverError> {
        let counted = self.counters().await?;
        let resident = procfs::resident(self.process.pid()).unwrap_or_default();
        Ok(stats::translate(counted, self.config.memory, resident, &lock(&self.targets)))
    }

    async fn tune(&self, old: &DomainConfig, new: &DomainConfig) -> Result<(), DriverError> {
        for (old, new) in old.devices.memories.iter().zip(&new.devices.memories) {
            if let Some(alias) = new.common.alias.clone().filter(|_| old != new) {
                self.client.ask(Call::RequestMemory { alias, bytes: new.requested().0 }).await?;
            }
        }
        let (before, after) = (old.iothreads.ids(), new.iothreads.ids());
        let missing = |in_one: &[u32], in_other: &[u32]| -> Vec<u32> {
            in_one.iter().filter(|id| !in_other.contains(id)).copied().collect()
        };
        let mut added = Vec::new();
        let mut tuned = Ok(());
        for id in missing(&after, &before) {
            tuned = self.client.ask(Call::AddIothread { id }).await;
            if tuned.is_err() {
                break;
            }
            added.push(id);
        }
        if tuned.is_ok() {
            let (site, old, new) = (self.site.clone(), old.clone(), new.clone());
            tuned = launch::blocking(move || site.tune(&old, &new)).await;
        }
        if let Err(error) = tuned {
            for id in added {
                // It serves nobody yet; a worker that does not end it has ended itself.
                let _ = self.client.ask(Call::RemoveIothread { id }).await;
            }
            return Err(error);
        }
        for id in missing(&before, &after) {
            self.client.ask(Call::RemoveIothread { id }).await?;
        }
        Ok(())
    }

    async fn tuning(&self, config: &DomainConfig) -> Result<Tuning, DriverError> {
        let (site, config) = (self.site.clone(), config.clone());
        let mut tuning = launch::blocking(move || site.tuning(&config)).await?;
        if tuning.plugged.is_empty() {
            return Ok(tuning);
        }
        let stats = self.counters().await?;
        for memory in &mut tuning.plugged {
            let found = stats.memory.iter().find(|found| Some(&found.alias) == memory.alias.as_ref());
            memory.current = found.map(|found| Bytes(found.plugged));
        }
        Ok(tuning)
    }

    async fn vcpus(&self) -> Result<Vec<VcpuInfo>, DriverError> {
        let site = self.site.clone();
        let present: Vec<u32> = self.counters().await?.vcpus.iter().map(|vcpu| vcpu.number).collect();
        let mut vcpus = launch::blocking(move || site.vcpus()).await?;
        vcpus.retain(|vcpu| present.contains(&vcpu.vcpu));
        Ok(vcpus)
    }

    async fn cpu_stats(&self) -> Result<CpuStats, DriverError> {
        let site = self.site.clone();
        launch::blocking(move || site.cpu_stats()).await
    }

    async fn open_console(&self, alias: Option<&str>, exclusive: bool) -> Result<Console, DriverError> {
        let alias = match alias {
            Some(alias) => consoles::console_port(&self.config, alias),
            None => consoles::first_console(&self.config)
                .ok_or_else(|| DriverError::Unsupported("it has no console and no serial port".to_owned()))?,
        };
        let opened = self.open(Call::OpenConsole { alias, exclusive }).await;
        let stream = opened.map_err(|error| match error {
            DriverError::Worker(sentence) if exclusive => DriverError::NotNow(sentence),
            other => other,
        })?;
        Ok(Box::new(stream))
    }

    async fn open_channel(&self, name: &str) -> Result<Console, DriverError> {
        let alias = consoles::channel(&self.config, name).ok_or_else(|| {
            let xml = format!("<channel type='unix'><target type='virtio' name='{name}'/></channel>");
            DriverError::Unsupported(format!("it has no channel '{name}'; its next start has one with {xml}"))
        })?;
        let opened = self.open(Call::OpenChannel { alias }).await;
        let stream = opened.map_err(|error| match error {
            DriverError::Worker(sentence) => DriverError::NotNow(sentence),
            other => other,
        })?;
        Ok(Box::new(stream))
    }

    async fn attach_device(&self, device: &Device) -> Result<(), DriverError> {
        let mut sources = Sources::default();
        let made = match device {
            Device::Disk(disk) => devices::disk(disk, &mut sources),
            Device::Interface(interface) => interfaces::interface(interface, &mut sources),
            Device::Rng(_) | Device::Channel(_) | Device::Other(_) => {
                Err(format!("{} can't be plugged into a running machine", device.describe()))
            }
        };
        let mut made = made.map_err(DriverError::Unsupported)?;
        let passphrases = self.site.passphrases(&sources).await?;
        let (made, fds) = launch::blocking(move || {
            let given = launch::Given { passphrases: &passphrases, shares: Vec::new() };
            let fds = launch::open_all(&sources, std::slice::from_mut(&mut made), given)?;
            Ok((made, fds))
        })
        .await?;
        self.client.call(Call::AttachDevice { device: made }, fds).await?;
        lock(&self.targets).extend(target(device));
        Ok(())
    }

    async fn detach_device(&self, device: &Device) -> Result<(), DriverError> {
        let alias = removable(device)?;
        let gone = self.removals.expect(&alias);
        let asked = self.client.ask(Call::DetachDevice { alias: alias.clone(), force: false }).await;
        let released = match asked {
            Ok(()) => tokio::time::timeout(RELEASE, gone).await,
            Err(error) => {
                self.removals.done(&alias);
                return Err(error);
            }
        };
        match released {
            Ok(Ok(())) => {
                lock(&self.targets).remove(&alias);
                Ok(())
            }
            Ok(Err(_)) => Err(DriverError::Lost("it ended before its guest let go of the device".to_owned())),
            Err(_) => {
                let what = "the request to let go of the device";
                Err(DriverError::Deadline { what, seconds: RELEASE.as_secs() })
            }
        }
    }

    async fn remove_device(&self, device: &Device) -> Result<(), DriverError> {
        let alias = removable(device)?;
        self.client.ask(Call::DetachDevice { alias: alias.clone(), force: true }).await?;
        lock(&self.targets).remove(&alias);
        Ok(())
    }

    async fn update_device(&self, old: &Device, new: &Device) -> Result<(), DriverError> {
        if let (Device::Disk(old), Device::Disk(new)) = (old, new) {
            return self.update_disk(old, new).await;
        }
        let (Device::Interface(old), Device::Interface(new)) = (old, new) else {
            let sentence = format!("{} can't be changed while the machine runs", new.describe());
            return Err(DriverError::Unsupported(sentence));
        };
        if old.model != new.model
            || old.target != new.target
            || old.mtu != new.mtu
            || old.driver != new.driver
        {
            let sentence =
                "model, driver, target and MTU of an interface can't be changed while the machine runs";
            return Err(DriverError::Unsupported(sentence.to_owned()));
        }
        let (before, up) = (old.link_up.unwrap_or(true), new.link_up.unwrap_or(true));
        if before == up {
            return Ok(());
        }
        // As when it was opened: a tap is up while its cable is plugged in.
        if let Some(tap) = interfaces::tap(new) {
            launch::blocking(move || launch::set_link(&tap, up)).await?;
        }
        let alias = new.common.alias.clone().unwrap_or_default();
        self.client.ask(Call::SetLink { alias, up }).await
    }

    async fn resize_disk(&self, disk: &Disk, size: Bytes, shrink: bool) -> Result<(), DriverError> {
        let alias = disk.common.alias.clone().unwrap_or_default();
        self.client.ask(Call::ResizeDisk { alias, bytes: size.0, shrink }).await
    }

    async fn switch_disks(&self, old: &[Disk], new: &[Disk]) -> Result<(), DriverError> {
        let (old, new) = (old.to_vec(), new.to_vec());
        let (disks, fds) = launch::blocking(move || switch::open(&old, &new)).await?;
        self.client.call(Call::SwitchDisks { disks }, fds).await.map(drop)
    }

    async fn disk_depths(&self) -> Result<Vec<(String, usize)>, DriverError> {
        switch::depths(&self.client).await
    }

    async fn snapshot_disks(&self, disks: &[Disk], name: &str, taken: i64) -> Result<(), DriverError> {
        let (aliases, name) = (switch::aliases(disks), name.to_owned());
        self.client.ask(Call::SnapshotDisks { aliases, name, taken }).await
    }

    async fn drop_disk_snapshots(&self, disks: &[Disk], name: &str, taken: i64) -> Result<(), DriverError> {
        let (aliases, name) = (switch::aliases(disks), name.to_owned());
        self.client.ask(Call::DropDiskSnapshots { aliases, name, taken }).await
    }

    async fn start_block_job(
        &self,
        disk: &Disk,
        work: &BlockJobWork,
        bandwidth: Bytes,
    ) -> Result<(), DriverError> {
        let (wanted, work) = (disk.clone(), work.clone());
        let start = launch::blocking(move || block_job::open(&wanted, &work)).await?;
        let made = start.made();
        let block_job::Start { work, tag, fds, .. } = start;
        let order = BlockJobOrder::Start { work, bandwidth: bandwidth.0, tag };
        let call = Call::BlockJob { alias: devices::alias(&disk.common), order };
        let begun = self.client.call(call, fds).await.map(drop);
        begun.inspect_err(|error| match &made {
            // A job that begins late must find its file where its disk is to be.
            Some(path) if error.is_open() => {
                warn!(path = %path.display(), "a file is kept for a block job that may begin yet");
            }
            made => block_job::Start::undo(made.as_deref()),
        })
    }

    async fn demand_block_job(&self, disk: &Disk, demand: BlockJobDemand) -> Result<(), DriverError> {
        if demand == BlockJobDemand::Settle {
            let alias = devices::alias(&disk.common);
            let report = self.block_jobs().await?.into_iter().find(|report| report.alias == alias);
            if let Some(report) = report {
                launch::blocking(move || {
                    block_job::clear(&report);
                    Ok(())
                })
                .await?;
            }
        }
        let alias = devices::alias(&disk.common);
        self.client.ask(Call::BlockJob { alias, order: block_job::order(&demand) }).await
    }

    async fn block_jobs(&self) -> Result<Vec<BlockJobReport>, DriverError> {
        match self.client.call(Call::BlockJobs, Vec::new()).await? {
            (Answer::BlockJobs { jobs }, _) => jobs
                .into_iter()
                .map(|job| {
                    let target = lock(&self.targets).get(&job.alias).cloned();
                    let target = target.unwrap_or_else(|| job.alias.clone());
                    block_job::report(job, &target)
                })
                .collect(),
            (other, _) => Err(DriverError::Worker(format!("its worker answers BlockJobs with {other:?}"))),
        }
    }

    async fn migrate(&self, order: MigrationOrder) -> Result<(), DriverError> {
        let targets = lock(&self.targets).clone();
        migrate::order(&self.client, &self.migration, order, self.config.memory.0, &targets).await
    }

    fn migration_progress(&self) -> Option<watch::Receiver<MigrationProgress>> {
        Some(self.migration.subscribe())
    }

    async fn migration_place(&self) -> Result<MigrationPlace, DriverError> {
        migrate::place(&self.client).await
    }

    async fn device_slots(&self) -> Result<Vec<DeviceSlot>, DriverError> {
        migrate::slots(&self.client).await
    }
}

impl KvmMachine {
    /// What the worker has counted.
    async fn counters(&self) -> Result<Stats, DriverError> {
        match self.client.call(Call::Stats, Vec::new()).await? {
            (Answer::Stats(stats), _) => Ok(*stats),
            (other, _) => Err(DriverError::Worker(format!("its worker answers Stats with {other:?}"))),
        }
    }

    /// Gives a disk what it is to have, which may differ in its limits, or in the medium of a drive.
    async fn update_disk(&self, old: &Disk, new: &Disk) -> Result<(), DriverError> {
        let with_medium = old.with_medium_of(new);
        if devices::is_drive(old) && with_medium == *new && with_medium != *old {
            let new = new.clone();
            let (medium, fds) = launch::blocking(move || switch::open_medium(&new)).await?;
            return self.client.call(Call::ChangeMedium { medium }, fds).await.map(drop);
        }
        if (Disk { iotune: old.iotune.clone(), ..new.clone() }) != *old {
            let sentence = format!(
                "disk '{}' can't be changed while the machine runs, but for its limits and the medium of a cdrom",
                new.target
            );
            return Err(DriverError::Unsupported(sentence));
        }
        let alias = old.common.alias.clone().unwrap_or_default();
        self.client.ask(Call::LimitDisk { alias, limits: devices::limits(&new.iotune) }).await
    }
}

/// The alias of a device that can be taken out.
fn removable(device: &Device) -> Result<String, DriverError> {
    match (device, device.alias()) {
        (Device::Disk(_) | Device::Interface(_), Some(alias)) => Ok(alias.to_owned()),
        _ => {
            let sentence = format!("{} can't be unplugged from a running machine", device.describe());
            Err(DriverError::Unsupported(sentence))
        }
    }
}

/// Alias and target of a disk or interface.
fn target(device: &Device) -> Option<(String, String)> {
    let target = match device {
        Device::Disk(disk) => disk.target.clone(),
        // A tunnel has none and goes by its alias.
        Device::Interface(interface) => interface.target.clone()?,
        Device::Rng(_) | Device::Channel(_) | Device::Other(_) => return None,
    };
    device.alias().map(|alias| (alias.to_owned(), target))
}

fn targets(config: &DomainConfig) -> HashMap<String, String> {
    let devices = &config.devices;
    let disks = devices.disks.iter().cloned().map(|disk| Device::Disk(Box::new(disk)));
    let interfaces = devices.interfaces.iter().cloned().map(|each| Device::Interface(Box::new(each)));
    disks.chain(interfaces).filter_map(|device| target(&device)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
