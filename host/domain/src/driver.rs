//! The seam between a domain and what runs it: a [`Driver`] makes or finds a [`Machine`]; the machine says what happens to it.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use reeve_model::Bytes;
use reeve_model::block_job::{BlockJob, BlockJobWork};
use reeve_model::domain::{CharDevice, Disk, DiskSource, DomainConfig, Interface, Rng};
use reeve_model::migration::DeviceSlot;
use reeve_model::stats::DomainStats;
use reeve_model::tuning::{CpuStats, Tuning, VcpuInfo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::migration::{self, Incoming, MigrationOrder, MigrationPlace, MigrationProgress};
use crate::record::{RuntimeRecord, WorkerProcess};

/// One reason why a driver will not run a configuration: a sentence without the domain's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a driver needs to make a machine.
#[derive(Debug, Clone)]
pub struct StartSpec {
    /// Number of this instance, from 1.
    pub id: u32,
    /// The effective configuration, after guards rewrote it.
    pub config: Arc<DomainConfig>,
}

/// Whether the vCPUs of a machine run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vcpus {
    /// They run or may run.
    Running,
    /// The host stopped them.
    Stopped,
    /// The guest suspended itself (S3).
    Suspended,
}

/// A machine that exists, with the receiving end of what happens to it.
pub struct Started {
    /// Handle to the machine. Dropping it does not end the machine.
    pub machine: Arc<dyn Machine>,
    /// What happens to it, in order; closed after [`MachineEvent::Lost`] or when the machine is gone.
    pub events: mpsc::Receiver<MachineEvent>,
    /// What the vCPUs do now: a started machine is stopped, an adopted one is as it was found.
    pub vcpus: Vcpus,
    /// The process that runs it, where there is one.
    pub process: Option<WorkerProcess>,
    /// Its control socket, where there is one.
    pub socket: Option<PathBuf>,
    /// Aliases of devices in the record of an adopted machine that it has no more.
    pub missing: Vec<String>,
    /// vCPUs that an adopted machine has, where that may differ from its record.
    pub present: Option<u32>,
    /// Seconds that the clock of an adopted machine is ahead of its basis, where its guest may set it for good.
    pub clock: Option<i64>,
}

/// A process that can be recorded before a guest comes to it: once it has the guest's stream it needs no daemon to run the guest, and
/// whoever comes after this daemon must find it.
#[async_trait]
pub trait Awaiting: Send {
    /// The process.
    fn process(&self) -> Option<WorkerProcess>;

    /// Its control socket.
    fn socket(&self) -> Option<PathBuf>;

    /// Lets the guest come; the machine waits for it with its vCPUs stopped. A failure leaves nothing behind, and the guest has not run.
    async fn receive(self: Box<Self>) -> Result<Started, DriverError>;

    /// Ends it; there is nothing of the guest in it.
    async fn end(self: Box<Self>);
}

/// Makes, finds and judges machines of one kind.
#[async_trait]
pub trait Driver: Send + Sync {
    /// The word of `<domain type='…'>` it serves.
    fn kind(&self) -> &'static str;

    /// Every reason why it would not run this configuration; empty when it would. Touches nothing.
    fn check(&self, config: &DomainConfig) -> Vec<Refusal>;

    /// What it would do in another way than this configuration says: sentences without the domain's name. Touches nothing.
    fn notes(&self, _config: &DomainConfig) -> Vec<String> {
        Vec::new()
    }

    /// Decides what the document leaves to it and operators see of a running domain.
    fn settle(&self, _config: &mut DomainConfig) {}

    /// Makes a machine with its vCPUs stopped. A failure leaves nothing behind.
    async fn start(&self, spec: StartSpec) -> Result<Started, DriverError>;

    /// Makes a process for a machine whose guest comes from another host, and gives it nothing of that guest. A failure leaves nothing
    /// behind.
    async fn await_guest(
        &self,
        _spec: StartSpec,
        _incoming: Incoming,
    ) -> Result<Box<dyn Awaiting>, DriverError> {
        Err(migration::unsupported())
    }

    /// Looks for a machine of this domain of which there is no record: its process and its control socket. Nothing where there is no
    /// guest in it and none on its way to it.
    async fn find_unrecorded(&self, _uuid: Uuid) -> Option<(WorkerProcess, PathBuf)> {
        None
    }

    /// Makes a machine that goes on from what [`Machine::save`] wrote, its vCPUs stopped. A failure leaves nothing behind, and the image as
    /// it is.
    async fn restore(&self, spec: StartSpec, image: File) -> Result<Started, DriverError>;

    /// Finds the machine of a record that an earlier daemon wrote; [`DriverError::Lost`] when it is gone.
    async fn adopt(&self, record: &RuntimeRecord) -> Result<Started, DriverError>;

    /// Ends machines and removes what is left of machines that have no record: the remains of starts that a killed daemon did
    /// not finish. Says whose they were.
    async fn sweep(&self, known: &[Uuid]) -> Vec<Uuid>;
}

/// A device to plug or unplug.
#[derive(Debug, Clone, PartialEq)]
pub enum Device {
    /// A disk.
    Disk(Box<Disk>),
    /// A network interface.
    Interface(Box<Interface>),
    /// An entropy source.
    Rng(Box<Rng>),
    /// A channel.
    Channel(Box<CharDevice>),
    /// Anything else, named by its element.
    Other(String),
}

impl Device {
    /// Its alias, if it was given one.
    pub fn alias(&self) -> Option<&str> {
        match self {
            Self::Disk(disk) => disk.common.alias.as_deref(),
            Self::Interface(interface) => interface.common.alias.as_deref(),
            Self::Rng(rng) => rng.common.alias.as_deref(),
            Self::Channel(channel) => channel.common.alias.as_deref(),
            Self::Other(_) => None,
        }
    }

    /// What to call it in a message: its element and target.
    pub fn describe(&self) -> String {
        match self {
            Self::Disk(disk) => format!("disk '{}'", disk.target),
            Self::Interface(interface) => match interface.mac.as_deref() {
                Some(mac) => format!("interface '{mac}'"),
                None => "interface".to_owned(),
            },
            Self::Rng(_) => "rng".to_owned(),
            Self::Channel(channel) => match channel.name.as_deref() {
                Some(name) => format!("channel '{name}'"),
                None => "channel".to_owned(),
            },
            Self::Other(element) => format!("<{element}>"),
        }
    }
}

/// Both directions of a console as one byte stream.
pub trait ConsoleStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ConsoleStream for T {}

/// An open console: what the guest writes can be read, what is written reaches the guest.
pub type Console = Box<dyn ConsoleStream>;

/// How far a save or dump is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveProgress {
    /// Bytes of memory that are done.
    pub done: u64,
    /// Bytes of memory.
    pub total: u64,
    /// It is a dump.
    pub dump: bool,
}

/// One machine. All calls may overlap; a call on a machine that is gone answers [`DriverError::Lost`].
#[async_trait]
pub trait Machine: Send + Sync {
    /// Stops the vCPUs and waits until they have.
    async fn pause(&self) -> Result<(), DriverError>;

    /// Lets the vCPUs run.
    async fn resume(&self) -> Result<(), DriverError>;

    /// Stops the machine and writes all of it to `image`, from where that stands. When it failed the machine goes on as before.
    /// Otherwise it stands still until it is destroyed, or resumed because nobody wants what was written.
    async fn save(&self, image: File) -> Result<(), DriverError>;

    /// Writes memory and vCPUs to `core`, an empty file, as an ELF core. It is stopped for that, if it does not stand still already, and stays
    /// so; a live one runs on. When it failed the machine goes on as before.
    async fn dump(&self, core: File, live: bool) -> Result<(), DriverError>;

    /// Makes a save or dump void that it did not answer for in time, whenever it comes to it. The guest goes on then, if it is to be `running`.
    async fn drop_save(&self, _running: bool) {}

    /// How far a save or dump is; none when there is none.
    async fn save_progress(&self) -> Option<SaveProgress>;

    /// Gives a save or dump up, which then fails.
    async fn cancel_save(&self) -> Result<(), DriverError>;

    /// Back to power-on state, as the reset button does. vCPUs that the host paused stay stopped; the others run.
    async fn reset(&self) -> Result<(), DriverError>;

    /// Presses the power button; the guest decides what follows.
    async fn power_button(&self) -> Result<(), DriverError>;

    /// Wakes a guest that suspended itself.
    async fn wake(&self) -> Result<(), DriverError>;

    /// Ends it as [`Self::destroy`] does, but by asking alone: an error when its process is still there afterwards.
    async fn quit(&self) -> Result<(), DriverError>;

    /// Ends the machine and gives back all it holds; done when nothing of it is left. Never fails: what can't be asked is killed.
    async fn destroy(&self);

    /// Asks the balloon for `target` bytes of guest memory; the guest follows in its own time.
    async fn set_balloon(&self, target: Bytes) -> Result<(), DriverError>;

    /// Has the guest tell statistics of its memory every so many seconds; 0 for only when they are asked for.
    async fn set_stats_period(&self, seconds: u32) -> Result<(), DriverError>;

    /// Sends every vCPU a non-maskable interrupt.
    async fn inject_nmi(&self) -> Result<(), DriverError>;

    /// Sets how many vCPUs are there: lets some come, or asks the guest to let go of the last ones and waits until it has. A guest that
    /// does it after the wait is over says so by [`MachineEvent::VcpusChanged`].
    async fn set_vcpus(&self, count: u32) -> Result<(), DriverError>;

    /// Counters as they are now.
    async fn stats(&self) -> Result<DomainStats, DriverError>;

    /// Changes CPU, memory and block I/O tuning from what one configuration says to what another does, and how much memory the guest shall have
    /// of what is plugged, which it follows in its own time.
    async fn tune(&self, old: &DomainConfig, new: &DomainConfig) -> Result<(), DriverError>;

    /// What the host tunes it to now; `config` is the configuration it has.
    async fn tuning(&self, config: &DomainConfig) -> Result<Tuning, DriverError>;

    /// vCPUs by number.
    async fn vcpus(&self) -> Result<Vec<VcpuInfo>, DriverError>;

    /// CPU time by host CPU.
    async fn cpu_stats(&self) -> Result<CpuStats, DriverError>;

    /// Opens a console or serial by alias; none is the first one. Who has it open loses it, unless it is to be `exclusive`: that is refused then.
    async fn open_console(&self, alias: Option<&str>, exclusive: bool) -> Result<Console, DriverError>;

    /// Opens the channel that the guest knows by `name`, for a conversation with who has it open in the guest. Refused when nobody has,
    /// or another program of the host talks through it.
    async fn open_channel(&self, name: &str) -> Result<Console, DriverError>;

    /// Plugs a device.
    async fn attach_device(&self, device: &Device) -> Result<(), DriverError>;

    /// Unplugs a device: asks the guest to let go of it, and waits until it has. A guest that does it after the wait is over says
    /// so by [`MachineEvent::DeviceRemoved`].
    async fn detach_device(&self, device: &Device) -> Result<(), DriverError>;

    /// Takes a device from the guest without asking.
    async fn remove_device(&self, device: &Device) -> Result<(), DriverError>;

    /// Changes what the guest sees of a device: the link state of an interface, the limits of a disk. Where the frames of an interface go on the host is
    /// not the machine's; who changes it has done so before.
    async fn update_device(&self, old: &Device, new: &Device) -> Result<(), DriverError>;

    /// Gives a disk another capacity, and the file behind it with it; the guest is told. One that would become smaller is refused unless
    /// `shrink` says that what is beyond its new end may be lost.
    async fn resize_disk(&self, disk: &Disk, size: Bytes, shrink: bool) -> Result<(), DriverError>;

    /// Puts other images in the place of those of disks, all at one moment or none: `old` and `new` are the disks before and after, in the
    /// same order. The content is the same; what is below a new image may be the old one.
    async fn switch_disks(&self, _old: &[Disk], _new: &[Disk]) -> Result<(), DriverError> {
        Err(no_images())
    }

    /// How many backing files are below the image that each disk has now, by alias.
    async fn disk_depths(&self) -> Result<Vec<(String, usize)>, DriverError> {
        Err(no_images())
    }

    /// Makes a snapshot within the image of each disk, all at one moment or none. `taken` is in seconds since 1970.
    async fn snapshot_disks(&self, _disks: &[Disk], _name: &str, _taken: i64) -> Result<(), DriverError> {
        Err(no_images())
    }

    /// Deletes the snapshot of a name and time within the image of each disk that has one.
    async fn drop_disk_snapshots(
        &self,
        _disks: &[Disk],
        _name: &str,
        _taken: i64,
    ) -> Result<(), DriverError> {
        Err(no_images())
    }

    /// Begins a job on the images of a disk.
    async fn start_block_job(
        &self,
        _disk: &Disk,
        _work: &BlockJobWork,
        _bandwidth: Bytes,
    ) -> Result<(), DriverError> {
        Err(no_images())
    }

    /// Does something about the job of a disk.
    async fn demand_block_job(&self, _disk: &Disk, _demand: BlockJobDemand) -> Result<(), DriverError> {
        Err(no_images())
    }

    /// The jobs of its disks: those that go on, and the last one of each disk.
    async fn block_jobs(&self) -> Result<Vec<BlockJobReport>, DriverError> {
        Ok(Vec::new())
    }

    /// Does something about the move of its guest.
    async fn migrate(&self, _order: MigrationOrder) -> Result<(), DriverError> {
        Err(migration::unsupported())
    }

    /// How far the move of its guest is, as it tells it; none where guests are not moved.
    fn migration_progress(&self) -> Option<watch::Receiver<MigrationProgress>> {
        None
    }

    /// Where its guest is.
    async fn migration_place(&self) -> Result<MigrationPlace, DriverError> {
        Err(migration::unsupported())
    }

    /// Where its devices are on the guest's PCI bus.
    async fn device_slots(&self) -> Result<Vec<DeviceSlot>, DriverError> {
        Err(migration::unsupported())
    }
}

fn no_images() -> DriverError {
    DriverError::Unsupported("its driver has no images".to_owned())
}

/// What becomes of a job on the images of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockJobDemand {
    /// Another bandwidth in bytes a second; 0 for any.
    Limit(Bytes),
    /// Give it up.
    Cancel,
    /// Let its image take the place of the disk's.
    Pivot,
    /// Its end has been taken note of.
    Settle,
}

/// A job on the images of a disk, as its machine tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockJobReport {
    /// What is shown of it.
    pub job: BlockJob,
    /// Alias of the disk.
    pub alias: String,
    /// Its end has been taken note of.
    pub settled: bool,
    /// Where the disk is since it has pivoted, and in which format.
    pub successor: Option<(DiskSource, Option<String>)>,
    /// Files that nobody needs once it has completed.
    pub remove: Vec<PathBuf>,
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It powered itself off.
    PowerOff,
    /// It suspended itself to its disk.
    Hibernated,
    /// It asked for a reboot.
    Reboot,
    /// It failed.
    Crash {
        /// What the hypervisor said, one sentence.
        detail: String,
    },
}

/// What a machine says of itself. The machine carries out `on_poweroff`, `on_reboot` and `on_crash` itself, so that they hold while
/// no daemon runs; these are the outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineEvent {
    /// The guest ended and boots again.
    Restarted {
        /// How it ended before.
        after: End,
    },
    /// The guest ended and its machine is kept, vCPUs stopped.
    Preserved {
        /// How it ended.
        after: End,
    },
    /// The guest ended and so did its machine; [`Machine::destroy`] gives back the rest.
    Ended(End),
    /// The watchdog expired; what follows of its action is told by itself.
    WatchdogExpired {
        /// The action.
        action: &'static str,
    },
    /// The guest has panicked and looks at what is left by itself.
    PanicHandled,
    /// The watchdog stopped the vCPUs.
    Paused,
    /// The watchdog stopped the vCPUs so that the guest is dumped; it is to go on afterwards.
    DumpWanted,
    /// The guest suspended itself.
    Suspended,
    /// A suspended guest woke up.
    Woke,
    /// Every vCPU waits.
    Halted,
    /// A halted guest runs again.
    Unhalted,
    /// A request to a disk failed, and the vCPUs stand still until they are resumed.
    IoError {
        /// Alias of the disk; empty where it is not known.
        alias: String,
        /// What the host said.
        error: String,
    },
    /// Who serves a directory to the guest has gone; the guest goes on without it.
    FilesystemLost {
        /// Alias of the device.
        alias: String,
    },
    /// A job on the images of a disk is ready or has ended; [`Machine::block_jobs`] tells the rest.
    BlockJob,
    /// vCPUs came or went.
    VcpusChanged {
        /// How many are there now.
        count: u32,
    },
    /// The guest has set its clock.
    ClockSet {
        /// Seconds it is ahead of its basis.
        adjustment: i64,
    },
    /// The guest let go of a device that nobody waits for any more.
    DeviceRemoved {
        /// Its alias.
        alias: String,
    },
    /// The machine ended without being asked to.
    Lost {
        /// What was seen, one sentence.
        detail: String,
    },
}

/// Why a driver could not do something.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A file of the configuration can't be used.
    #[error("{what} '{path}' can't be opened")]
    Open {
        /// What the file is, e.g. `kernel` or `disk vda`.
        what: String,
        /// Its path on the host.
        path: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// A file of the configuration is locked by another machine or operation.
    #[error("{what} '{path}' is in use by another domain, or by an operation on it")]
    InUse {
        /// What the file is.
        what: String,
        /// Its path on the host.
        path: String,
    },
    /// A device of the configuration is claimed as a whole or in part.
    #[error(
        "{what} '{path}' is a part of what is in use, or a part of it is: mounted, in a storage pool or volume group, or written by another domain"
    )]
    Claimed {
        /// What the device is.
        what: String,
        /// Its path on the host.
        path: String,
    },
    /// The secret of an encrypted disk can't be had.
    #[error("{0}")]
    Key(reeve_model::Error),
    /// The driver or this machine can't do this.
    #[error("{0}")]
    Unsupported(String),
    /// The guest, or who has what it would need, does not let it do this now.
    #[error("{0}")]
    NotNow(String),
    /// A resource of the host could not be had.
    #[error("{what} can't be set up")]
    Host {
        /// What was being set up.
        what: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The machine can't be built or booted from what was given.
    #[error("{0}")]
    Rejected(String),
    /// The worker refused, in its own words.
    #[error("{0}")]
    Worker(String),
    /// The machine did not answer in time.
    #[error("the machine did not answer {what} within {seconds} s")]
    Deadline {
        /// What it was asked.
        what: &'static str,
        /// How long it had.
        seconds: u64,
    },
    /// The machine is gone.
    #[error("the machine is gone: {0}")]
    Lost(String),
}

impl DriverError {
    /// Whether what was asked for may still be done, since nobody said that it is not.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Deadline { .. })
    }
}
