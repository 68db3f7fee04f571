//! What the daemon and a worker say to each other, version 1.
//!
//! ```text
//!   daemon                              worker
//!     │  Request{id, call} (+ fds)  ──>   │     one daemon at a time; the worker outlives the connection
//!     │  <──  Message::Answer{id, …} (+fd)│     answers come in the order of the requests
//!     │  <──  Message::Event{seq, …}      │     at any time
//! ```
//!
//! A frame is a 4-byte little-endian length and that many bytes of JSON, at most [`MAX_FRAME`]. Descriptors travel as
//! SCM_RIGHTS with the first byte of the frame they belong to: at most [`MAX_FDS`] to a worker, [`MAX_ANSWER_FDS`] from
//! one. A frame that can't be understood is answered with [`ErrorCode::BadRequest`] (id 0 when it has none); one that is
//! too large, or brings more descriptors, ends the connection. The guest notices neither. The first request must be
//! [`Call::Hello`].
//!
//! Events carry a sequence number from 1. The worker keeps the last [`EVENT_HISTORY`] of them, so a restarted daemon
//! names the last one it saw in its Hello and gets what it missed.

use reeve_image::Format;
use serde::{Deserialize, Serialize};

use crate::config::{BackingConfig, DeviceConfig, DiskLimits, FdIndex, VmConfig, WatchdogAction};

mod block_job;
mod frame;
mod migration;
mod stats;

pub use block_job::{BlockJobBase, BlockJobOrder, BlockJobState, BlockJobStatus, BlockJobWork};
pub(crate) use frame::send_first;
pub use frame::{Decoder, Frame, FrameError, decode, encode, receive, send};
pub use migration::{MigrationLimits, MigrationNews, MigrationOrder, MigrationRound, MovedDisk, Witness};
pub use stats::{BalloonStats, DiskStats, InterfaceStats, MemoryStats, Stats, VcpuStats};

/// Version of this protocol.
pub const VERSION: u32 = 1;
/// Largest JSON body of a frame in bytes.
pub const MAX_FRAME: usize = 1 << 20;
/// Most descriptors in one frame (what the kernel passes at once).
pub const MAX_FDS: usize = 253;
/// Most descriptors in one frame of a worker: what an answer hands out.
pub const MAX_ANSWER_FDS: usize = 1;
/// Events a worker keeps for a daemon that comes back.
pub const EVENT_HISTORY: usize = 256;
/// Bytes of console output a worker keeps and replays to who opens the console.
pub const CONSOLE_BACKLOG: usize = 64 << 10;

/// Daemon to worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Comes back in the answer.
    pub id: u64,
    /// What to do.
    pub call: Call,
}

/// What a daemon can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    /// Opens the conversation; answered with [`Answer::Hello`], then the events after `events_after` follow.
    Hello {
        /// Protocol version of the daemon.
        version: u32,
        /// Last event the daemon has seen, 0 for none.
        #[serde(default)]
        events_after: u64,
    },
    /// Builds the machine and starts it; descriptors come with it. Once in the life of a worker that succeeds.
    Launch {
        /// The machine.
        config: Box<VmConfig>,
    },
    /// As Launch, but the machine goes on where it was saved. The configuration is that of the saved machine; where its disks and
    /// interfaces are on the host may differ. Answered when all of its memory is there.
    Restore {
        /// The machine.
        config: Box<VmConfig>,
        /// Where [`Call::Save`] wrote, at the same place.
        state: FdIndex,
    },
    /// Stops the machine and writes its state and memory to the descriptor that comes along: a file at the right place, opened with or
    /// without O_DIRECT, or a socket. Answered when it has begun; [`Event::SaveEnded`] follows. When it failed the machine
    /// goes on as before. Otherwise it stands until Quit, or until Resume when what was written is not wanted.
    Save,
    /// Writes guest memory and the registers of the vCPUs to the descriptor that comes along, a file that is empty, as an ELF core.
    /// Answered when it has begun; [`Event::SaveEnded`] follows. The machine is paused for it, if it is not, and stays so; when it failed
    /// it goes on as before.
    Dump {
        /// The guest runs on, and changes memory while it is written.
        live: bool,
    },
    /// Answered with [`Answer::Save`] while the machine is being saved or dumped.
    SaveStatus,
    /// Gives a save or dump up. Resume and Quit do it too.
    CancelSave,
    /// Stops the vCPUs; answered when all of them stand still. Nothing happens when they do already.
    Pause,
    /// Lets the vCPUs run on.
    Resume,
    /// Resets the machine as its reset button would: memory is cleared and the kernel is loaded again.
    Reset,
    /// Presses the ACPI power button.
    PowerButton,
    /// Wakes a guest that suspended itself; nothing happens when it runs.
    Wake,
    /// Ends the machine at once; the worker stays until Release.
    Quit,
    /// Answered with [`Answer::Status`].
    Status,
    /// Answered with [`Answer::Config`].
    Config,
    /// Answered with [`Answer::Stats`].
    Stats,
    /// Sets the memory the guest shall keep; the balloon takes the rest.
    SetBalloon {
        /// Bytes, at most the memory of the machine.
        bytes: u64,
    },
    /// Answered with [`Answer::Done`] and one end of a stream socket pair: the backlog, then what the guest writes;
    /// bytes written to it reach the guest. One opening at a time: a new one ends the one before, or is refused.
    OpenConsole {
        /// A serial port or console port.
        alias: String,
        /// Refused while somebody has it open.
        #[serde(default)]
        exclusive: bool,
    },
    /// As OpenConsole, of a channel that somebody in the guest has open; refused while a client that came by the channel's
    /// own socket has it.
    OpenChannel {
        /// A port with a name.
        alias: String,
    },
    /// Adds a disk or network interface to a machine that was launched, and tells the guest; descriptors come with it.
    AttachDevice {
        /// The device.
        device: DeviceConfig,
    },
    /// Asks the guest to let go of a device; answered at once, and [`Event::DeviceRemoved`] follows when the guest has
    /// done it. A guest that is reset or restarted comes back without the device.
    DetachDevice {
        /// Its alias.
        alias: String,
        /// Takes the device from the guest without asking; it is gone when this is answered.
        #[serde(default)]
        force: bool,
    },
    /// Sends every vCPU a non-maskable interrupt.
    InjectNmi,
    /// Sets how much memory of a device the guest shall have; it plugs and unplugs blocks by itself.
    RequestMemory {
        /// Alias of the device.
        alias: String,
        /// Bytes, whole blocks.
        bytes: u64,
    },
    /// Sets how many vCPUs are there. Those that come are there when this is answered. Those that shall go are asked for, the last ones
    /// first, and [`Event::VcpusChanged`] tells of each that the guest lets go of; a guest that is reset comes back without them.
    SetVcpus {
        /// From 1 to what there can be.
        count: u32,
    },
    /// Starts an I/O thread, which devices that are plugged later can name. It runs where the thread that makes it does, until it is pinned.
    /// One that is there already stays.
    AddIothread {
        /// Its number, from 1.
        id: u32,
    },
    /// Ends an I/O thread that serves no device, if it is there.
    RemoveIothread {
        /// Its number.
        id: u32,
    },
    /// Sets how often the guest is asked for memory statistics by itself.
    SetStatsPeriod {
        /// Seconds, 0 for only when Stats is asked.
        seconds: u32,
    },
    /// Answers [`Event::SocketDialed`]: the connection, a unix stream socket, comes along; none when nobody is there. One that the guest does not wait
    /// for any more is closed.
    AnswerDial {
        /// Alias of the device.
        alias: String,
        /// Number of the dial.
        number: u64,
    },
    /// Plugs the cable of a network interface in or out. No frame passes while it is out.
    SetLink {
        /// The alias of the interface.
        alias: String,
        /// True plugs it in.
        up: bool,
    },
    /// Gives a disk another capacity, that of its file with it, and tells the guest.
    ResizeDisk {
        /// The alias of the disk.
        alias: String,
        /// Bytes, rounded up to whole blocks.
        bytes: u64,
        /// It may become smaller, and lose what is beyond its new end.
        #[serde(default)]
        shrink: bool,
    },
    /// Gives a disk other limits; they hold at once.
    LimitDisk {
        /// The alias of the disk.
        alias: String,
        /// All of its limits.
        limits: DiskLimits,
    },
    /// Puts other images, with what is below them, in the place of those that disks have; descriptors come with it. All disks change over at one
    /// moment between two requests of the guest, or none does. The content is as before: who asks answers for that. A file of the
    /// present chain comes without a lock, every other one is locked already.
    SwitchDisks {
        /// The disks, and what they get.
        disks: Vec<DiskSwitch>,
    },
    /// Puts another medium into a drive, between two requests of the guest; descriptors come with it, locked for reading. The guest is told.
    /// A file without a byte is no medium.
    ChangeMedium {
        /// The drive, and what it gets.
        medium: DiskSwitch,
    },
    /// Makes a snapshot within the image of every disk named, all at one moment, or none.
    SnapshotDisks {
        /// Aliases of the disks.
        aliases: Vec<String>,
        /// The name of the snapshots.
        name: String,
        /// When they are made, in seconds since 1970.
        taken: i64,
    },
    /// Deletes a snapshot within images of disks. One that is not there is none to delete.
    DropDiskSnapshots {
        /// Aliases of the disks.
        aliases: Vec<String>,
        /// The name of the snapshots.
        name: String,
        /// When they were made, in seconds since 1970: others of that name stay.
        taken: i64,
    },
    /// Does something about the job on the images of a disk.
    BlockJob {
        /// The alias of the disk.
        alias: String,
        /// What to do.
        order: BlockJobOrder,
    },
    /// Answered with [`Answer::BlockJobs`].
    BlockJobs,
    /// Moves the guest to another worker, or takes one in.
    Migrate {
        /// What to do.
        order: MigrationOrder,
    },
    /// Ends the worker process. Only when no machine runs in it.
    Release,
}

/// What a disk gets in the place of the image it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSwitch {
    /// The alias of the disk.
    pub alias: String,
    /// The image, opened as that of a disk at a launch.
    pub fd: FdIndex,
    /// Its format.
    pub format: Format,
    /// Its backing files, from the top down.
    #[serde(default)]
    pub backing: Vec<BackingConfig>,
}

/// Worker to daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub enum Message {
    /// The outcome of a request.
    Answer {
        /// Id of the request.
        id: u64,
        /// How it went.
        result: Result<Answer, Failure>,
    },
    /// Something happened.
    Event {
        /// Number of the event, from 1, increasing.
        seq: u64,
        /// What happened.
        event: Event,
    },
}

/// A request that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Done; there is nothing to say. Carries the socket of OpenConsole and OpenChannel.
    Done,
    /// Who the worker is.
    Hello(Box<Hello>),
    /// What the machine is doing.
    Status(Status),
    /// What the machine is made of, every device with its slot. Indexes of descriptors mean nothing.
    Config(Box<VmConfig>),
    /// Counters.
    Stats(Box<Stats>),
    /// How far a save or dump is.
    Save(SaveStatus),
    /// Jobs on the images of disks: those that go on, and the last one of each disk.
    BlockJobs {
        /// In no order. A list of its own could not say what answer it is.
        jobs: Vec<BlockJobStatus>,
    },
}

/// How far a save or dump is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveStatus {
    /// Bytes of guest memory.
    pub total: u64,
    /// Bytes of it that are done.
    pub done: u64,
    /// Bytes of it that were written: pages that are not zero.
    pub data: u64,
    /// It is a dump.
    #[serde(default)]
    pub dump: bool,
}

/// Who a worker is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Protocol version of the worker.
    pub version: u32,
    /// Process id of the worker.
    pub pid: u32,
    /// What the machine is doing.
    pub status: Status,
    /// Its configuration, once launched. Indexes of descriptors mean nothing any more.
    pub config: Option<VmConfig>,
    /// Number of the last event, 0 for none.
    pub last_event: u64,
    /// Directories that nobody serves any more, by the aliases of their devices.
    #[serde(default)]
    pub lost: Vec<String>,
}

/// What a machine is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Status {
    /// Nothing was launched yet.
    Empty,
    /// vCPUs run.
    Running,
    /// vCPUs stand still.
    Paused {
        /// Why.
        reason: PauseReason,
    },
    /// A guest is on its way here; no vCPU has run yet.
    Incoming {
        /// All of it is here.
        whole: bool,
    },
    /// The guest runs here, or stands still as it did, and some of its memory is still at its source.
    Late {
        /// The stream broke: the guest stands where it needs what is missing.
        interrupted: bool,
    },
    /// The machine is gone; the worker waits for Release.
    Ended {
        /// How it ended.
        end: End,
    },
}

/// Why vCPUs stand still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum PauseReason {
    /// A Pause, or a start with `start_paused`.
    Asked,
    /// It is being moved to another worker.
    Migrating {
        /// How far.
        phase: MigratingPhase,
    },
    /// It is being saved or dumped.
    Saving,
    /// It was saved.
    Saved,
    /// The watchdog expired, and that is its action. Resume lets the guest go on.
    Watchdog,
    /// A request to a disk failed, and its policy is to stop. Resume makes it once more.
    IoError,
    /// The guest suspended itself to memory. Wake and Reset let it run.
    Suspended,
    /// The guest ended and its lifecycle action is to preserve it; Reset or Quit are what is left.
    Preserved {
        /// How it ended.
        end: End,
    },
}

/// How far the migration of a guest is that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigratingPhase {
    /// The rest of it is being sent.
    Sending,
    /// The destination has all of it; the daemon decides.
    Deciding,
    /// It is the destination's.
    GivenUp,
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// It powered itself off.
    PowerOff,
    /// It suspended itself to its disk.
    Hibernated,
    /// It asked for a reset and the lifecycle action was not to restart it.
    Reboot,
    /// It failed.
    Crash {
        /// A sentence on what happened.
        reason: String,
    },
    /// Quit ended it.
    Quit,
}

/// What happened in a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The guest wrote its first byte to any console.
    FirstOutput {
        /// Microseconds since the Launch was received.
        after_us: u64,
    },
    /// vCPUs stand still.
    Paused,
    /// vCPUs run on.
    Resumed,
    /// The machine was reset and boots again; by Reset or by a lifecycle action.
    Reset,
    /// The guest suspended itself to memory.
    GuestSuspended,
    /// A suspended guest was woken by something of its own.
    GuestWoken,
    /// The guest powered itself off; its lifecycle action is being carried out.
    GuestPowerOff,
    /// The guest asked for a reset; its lifecycle action is being carried out.
    GuestReboot,
    /// The guest failed; its lifecycle action is being carried out.
    GuestCrash {
        /// A sentence on what happened.
        reason: String,
    },
    /// The machine is gone and its memory is freed. The last event of a worker.
    Ended {
        /// How it ended.
        end: End,
    },
    /// The watchdog expired; its action is being carried out.
    WatchdogExpired {
        /// The action.
        action: WatchdogAction,
    },
    /// The guest has panicked and looks at what is left by itself.
    GuestPanicHandled,
    /// The guest changed how much memory it keeps.
    BalloonChanged {
        /// Bytes the guest keeps now.
        bytes: u64,
    },
    /// Something about a migration.
    Migration {
        /// What.
        news: MigrationNews,
    },
    /// A save or dump has ended.
    SaveEnded {
        /// Bytes of guest memory that were written.
        bytes: u64,
        /// Why it was not written; none when it was.
        failure: Option<Failure>,
    },
    /// A request to a disk failed, and the machine stands still for it.
    DiskError {
        /// Alias of the disk.
        alias: String,
        /// What the host said.
        error: String,
    },
    /// A job on the images of a disk is ready or has ended.
    BlockJob {
        /// What it is now.
        status: BlockJobStatus,
    },
    /// A program of the guest wants to talk to a port of the host; it waits for [`Call::AnswerDial`].
    SocketDialed {
        /// Alias of the device.
        alias: String,
        /// Number of the dial.
        number: u64,
        /// The port.
        port: u32,
    },
    /// Who serves a directory to the guest has gone; the guest goes on without it.
    FilesystemLost {
        /// Alias of the device.
        alias: String,
    },
    /// vCPUs came or went.
    VcpusChanged {
        /// How many are there now.
        count: u32,
    },
    /// The guest has set its real-time clock.
    ClockSet {
        /// Seconds it is ahead of its basis.
        adjustment: i64,
    },
    /// A device is gone: its threads have ended and its descriptors are closed.
    DeviceRemoved {
        /// Its alias.
        alias: String,
    },
}

/// A request that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure.
    pub code: ErrorCode,
    /// A sentence on what went wrong, causes included.
    pub message: String,
}

impl Failure {
    /// A failure of a kind with its sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The frame is not a request, or has the wrong descriptors.
    BadRequest,
    /// The daemon speaks another version of the protocol.
    Version,
    /// The configuration can't be built.
    Config,
    /// The kernel file or initrd can't be booted.
    Kernel,
    /// Not in this state of the machine.
    State,
    /// No console, device or balloon of that name.
    NotFound,
    /// This worker can't do it.
    Unsupported,
    /// Saved state is damaged, or of another machine.
    Image,
    /// The host refused something (KVM, memory, sandbox).
    Host,
}
