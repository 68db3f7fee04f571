//! What the daemon and a worker say about a migration.
//!
//! ```text
//!   source's daemon          worker  ══ stream ══  worker          destination's daemon
//!     Send ──────────────────> │                     │ <─────────────── Receive
//!     <── Asks ─── Advise ───> │                     │                  (where the daemon has a strategy)
//!     <── Round, …, Stopped    │ ── rounds, state ─> │
//!     <── Ready                │ <── Ready ───────── │
//!     (writes down that the guest is given up)
//!     Decide{given_up} ──────> │ ── Go ────────────> │ ── Arrived ──────>
//!     <── Moved                │ <── Running ─────── │
//!     Quit, Release ─────────> │
//! ```
//!
//! Where the stream breaks in between, `reeve_migrate` says whose the guest is; the daemons find it out by `Unconfirmed` and
//! `Undecided`.

use reeve_migrate::{StrategyAnswer, StrategyQuestion};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::VmConfig;

/// What a daemon orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum MigrationOrder {
    /// Moves the guest away over the stream that comes with it as the last descriptor; before it come those that memory goes over beside it.
    /// Answered when it has begun.
    Send {
        /// Names the migration on both sides.
        migration: Uuid,
        /// What it may cost.
        limits: MigrationLimits,
        /// The daemon answers [`MigrationNews::Asks`]; else the worker goes by its own strategy.
        #[serde(default)]
        steered: bool,
        /// Disks that go along.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        disks: Vec<MovedDisk>,
        /// Most streams that memory goes over, now or later.
        #[serde(default = "one_stream")]
        streams: u16,
    },
    /// The answer to [`MigrationNews::Asks`], with the streams that it asks for. One that comes too late is refused and changes nothing.
    Advise {
        /// Number of the question.
        number: u32,
        /// The answer.
        answer: StrategyAnswer,
    },
    /// Other limits from now on.
    Limit {
        /// What it may cost.
        limits: MigrationLimits,
    },
    /// Stops the guest at once and sends the rest, however much that is.
    StopNow,
    /// Lets the guest go on at the destination, which fetches what it misses. Only where the limits allow it.
    SwitchNow,
    /// Breaks the stream of a migration that is in post-copy; the guest stands where it needs what it misses.
    Interrupt,
    /// Goes on with post-copy after its stream broke, on either side, over the stream that comes with it.
    Resume {
        /// Names the migration on both sides.
        migration: Uuid,
    },
    /// Ends it, and the guest stays. Refused once the guest was given up.
    Abort {
        /// Why, one sentence.
        reason: String,
    },
    /// The answer to [`MigrationNews::Ready`]: whether it is written down that the guest is given up. The disks are free when
    /// this is answered.
    Decide {
        /// True makes it the destination's.
        given_up: bool,
    },
    /// The guest was given up and the destination's daemon promises that its copy never ran and never will: it runs here again.
    TakeBack {
        /// Aliases of disks that others may write too.
        #[serde(default)]
        shared: Vec<String>,
    },
    /// Builds a machine for a guest that comes over the stream, which is the last descriptor. Answered when it can come. Once in
    /// the life of a worker, instead of a launch. Before the stream come the device that makes a userfaultfd, if there is one, and before
    /// that the file of which the length says what became of the guest ([`Witness`]), if there is one.
    Receive {
        /// Names the migration on both sides.
        migration: Uuid,
        /// The machine, every device with its slot.
        config: Box<VmConfig>,
        /// Aliases of disks that others may write too.
        shared: Vec<String>,
        /// It stands still when it has arrived.
        paused: bool,
        /// There is the device that makes a userfaultfd: pages may come late.
        #[serde(default)]
        late: bool,
        /// There is a file that says what became of the guest.
        #[serde(default)]
        witness: bool,
        /// Disks that come with it. Their files are this worker's alone from the beginning.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        disks: Vec<MovedDisk>,
        /// Most streams that its memory may come over.
        #[serde(default = "one_stream")]
        streams: u16,
    },
    /// More streams, the descriptors, for the memory of a guest that comes.
    AddStreams,
    /// The answer to [`MigrationNews::Undecided`]: whether the source has given the guest up. If it has not, it is discarded.
    Settle {
        /// True makes it run here.
        given_up: bool,
    },
}

fn one_stream() -> u16 {
    1
}

/// A disk that goes with its guest, since the other host has not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedDisk {
    /// Its alias, which is the same at both workers.
    pub alias: String,
    /// Only what the image that is written has itself: the destination has what is below.
    pub shallow: bool,
}

/// What a migration may cost, and how it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationLimits {
    /// Microseconds that the guest may stand still.
    pub max_downtime_us: u64,
    /// Bytes a second while the guest runs; none is as many as it takes.
    pub bandwidth: Option<u64>,
    /// Most hundredths of its time that the guest may lose so that it writes less.
    pub max_throttle: u8,
    /// Rounds after which it is given up when the guest writes too fast.
    pub max_rounds: u32,
    /// Pages are compressed where both sides can.
    pub compress: bool,
    /// The guest may go on at the destination before all of its memory is there.
    #[serde(default)]
    pub post_copy: bool,
    /// It does after so many rounds.
    #[serde(default)]
    pub post_copy_after: Option<u32>,
    /// Bytes a second then; none is as many as it takes.
    #[serde(default)]
    pub post_copy_bandwidth: Option<u64>,
}

/// What became of a guest that came, told by the length of a file that outlives its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// It has not run one instruction.
    NeverRan,
    /// It may have run, and its memory was not all here.
    Ran,
    /// It may have run, and all of it was here.
    Whole,
}

impl Witness {
    /// What a file of so many bytes says.
    pub fn of(length: u64) -> Self {
        match length {
            0 => Self::NeverRan,
            1 => Self::Ran,
            _ => Self::Whole,
        }
    }

    /// Bytes that are added to the file so that it says this after [`Self::NeverRan`]. [`Self::Ran`] and another one are [`Self::Whole`].
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::NeverRan => b"",
            Self::Ran => b"r",
            Self::Whole => b"rw",
        }
    }
}

/// What happens to a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum MigrationNews {
    /// How far the disks are that go along.
    Disks {
        /// Bytes of them that were looked after.
        processed: u64,
        /// Bytes that are left as far as is known.
        remaining: u64,
        /// Microseconds since the migration began.
        #[serde(default)]
        elapsed_us: u64,
    },
    /// How far a round is that goes on: all of it is counted in the round itself, too.
    Within {
        /// Microseconds since the migration began.
        elapsed_us: u64,
        /// Pages that it has sent, zeros included.
        pages: u64,
        /// Pages of zeros.
        zero_pages: u64,
        /// Bytes over all streams.
        bytes: u64,
        /// Pages that it has still to send.
        left: u64,
        /// Streams that pages go over.
        streams: u16,
    },
    /// A round is over.
    Round {
        /// What it did.
        round: MigrationRound,
    },
    /// What comes next? The guest runs; without an answer within a moment the worker goes on by its own strategy, for good.
    Asks {
        /// Number of the question, from 1.
        number: u32,
        /// What is asked.
        question: StrategyQuestion,
    },
    /// The guest stands still; the rest is being sent.
    Stopped,
    /// The destination has the whole guest. It stands still until [`MigrationOrder::Decide`].
    Ready {
        /// Microseconds that it stands still by now.
        stopped_us: u64,
        /// Microseconds that the strategy took in all, while the guest ran.
        #[serde(default)]
        strategy_us: u64,
        /// The destination has all that it needs to run it; pages come then.
        #[serde(default)]
        post_copy: bool,
    },
    /// How far post-copy is.
    Late {
        /// Pages that the destination misses.
        missing: u64,
        /// Pages sent since the switch, or since the stream was mended.
        pages: u64,
        /// Bytes over the stream since then.
        bytes: u64,
    },
    /// The stream broke in post-copy: pages are missing, and nothing is lost. It goes on with [`MigrationOrder::Resume`].
    Interrupted {
        /// What broke, one sentence.
        reason: String,
    },
    /// The guest runs at the destination.
    Moved {
        /// Microseconds that it stood still.
        downtime_us: u64,
    },
    /// The guest was given up, and the destination has not said that it runs.
    Unconfirmed {
        /// What broke, one sentence.
        reason: String,
    },
    /// The guest stays here.
    Kept {
        /// Why, one sentence.
        reason: String,
    },
    /// The guest runs here, or stands still as it did.
    Arrived,
    /// The guest is here, and it is not known whose it is, or it is this side's and can't run. It stands still until
    /// [`MigrationOrder::Settle`].
    Undecided {
        /// What broke, one sentence.
        reason: String,
    },
    /// The guest did not come. The machine has ended.
    Discarded {
        /// Why, one sentence.
        reason: String,
    },
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationRound {
    /// Number of the round, from 1.
    pub number: u32,
    /// Microseconds since the migration began.
    pub elapsed_us: u64,
    /// Microseconds it took.
    pub duration_us: u64,
    /// Pages that were sent, zeros included.
    pub pages: u64,
    /// Pages of zeros.
    pub zero_pages: u64,
    /// Bytes over the stream.
    pub bytes: u64,
    /// Pages that are left.
    pub dirty_pages: u64,
    /// Bytes a second.
    pub bandwidth: u64,
    /// Microseconds that the guest would stand still if it stopped now.
    pub expected_downtime_us: u64,
    /// Hundredths of its time that the guest lost.
    pub throttle: u8,
    /// Streams that pages went over.
    #[serde(default = "one_stream")]
    pub streams: u16,
    /// What became of pages that were to be compressed.
    #[serde(default)]
    pub packed: reeve_migrate::Packed,
}

impl From<&reeve_migrate::RoundStats> for MigrationRound {
    fn from(stats: &reeve_migrate::RoundStats) -> Self {
        let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self {
            number: stats.round,
            elapsed_us: micros(stats.elapsed),
            duration_us: micros(stats.duration),
            pages: stats.pages,
            zero_pages: stats.zero_pages,
            bytes: stats.bytes,
            dirty_pages: stats.dirty_pages,
            bandwidth: stats.bandwidth,
            expected_downtime_us: micros(stats.expected_downtime),
            throttle: stats.throttle,
            streams: stats.streams,
            packed: stats.packed,
        }
    }
}
