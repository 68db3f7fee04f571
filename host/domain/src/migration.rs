//! A guest that moves between two machines of this kind, as domains and drivers see it.

use std::fs::File;
use std::os::fd::OwnedFd;

use reeve_migrate::{StrategyAnswer, StrategyQuestion};
use reeve_model::migration::{CopiedDisk, DeviceSlot, MigrationJob, MigrationLimits};
use uuid::Uuid;

pub use reeve_vmm::protocol::Witness;

use crate::driver::DriverError;
use crate::error::DomainError;
use crate::registry::Domains;

/// A guest that comes over a stream.
#[derive(Debug)]
pub struct Incoming {
    /// Names the migration on both hosts.
    pub migration: Uuid,
    /// Where it comes from.
    pub stream: OwnedFd,
    /// Where its devices are.
    pub slots: Vec<DeviceSlot>,
    /// It stands still when it has arrived.
    pub paused: bool,
    /// Becomes longer when the guest may run, and again when nothing of it is missing.
    pub witness: File,
    /// Disks that come with it.
    pub disks: Vec<MovedDisk>,
    /// Most streams that its memory may come over.
    pub most_streams: u16,
}

/// A disk that goes with its guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedDisk {
    /// Its target.
    pub target: String,
    /// Only what its active image has itself.
    pub shallow: bool,
}

impl From<&CopiedDisk> for MovedDisk {
    fn from(disk: &CopiedDisk) -> Self {
        Self { target: disk.target.clone(), shallow: disk.backing.is_some() }
    }
}

/// What is asked of a machine whose guest moves.
#[derive(Debug)]
pub enum MigrationOrder {
    /// Begin to move the guest away.
    Send {
        /// Names the migration on both hosts.
        migration: Uuid,
        /// Where it goes.
        stream: OwnedFd,
        /// What it may cost.
        limits: MigrationLimits,
        /// Questions of [`MigrationProgress::question`] are answered; else the machine goes by the host's own strategy.
        steered: bool,
        /// Disks that go along.
        disks: Vec<MovedDisk>,
        /// Streams that its memory goes over beside that one.
        beside: Vec<OwnedFd>,
        /// Most streams in all, now or later.
        most_streams: u16,
    },
    /// The answer to a question, and the streams that it asks for.
    Advise(u32, StrategyAnswer, Vec<OwnedFd>),
    /// More streams for the memory of a guest that comes.
    AddStreams(Vec<OwnedFd>),
    /// Other limits.
    Limit(MigrationLimits),
    /// Stop the guest at once.
    StopNow,
    /// Let the guest go on at the destination before all of its memory is there.
    SwitchNow,
    /// Break the connection of post-copy.
    Interrupt,
    /// Go on with post-copy whose connection broke.
    Resume {
        /// Names the migration on both hosts.
        migration: Uuid,
        /// The new connection.
        stream: OwnedFd,
    },
    /// The guest stays; for this reason.
    Abort(String),
    /// The destination has all of it: true when it is written down that the guest is given up.
    Decide(bool),
    /// The destination promised that its copy never ran: run the guest again.
    TakeBack {
        /// Targets of disks that other guests may write too.
        shared: Vec<String>,
    },
    /// Whether a whole guest that has arrived was given up by its source.
    Settle(bool),
}

/// Where a guest is that moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationPlace {
    /// In this machine and nowhere else.
    Here,
    /// In this machine, standing still while the destination gets the rest.
    Leaving,
    /// In this machine, standing still; the destination waits for the decision.
    Undecided,
    /// Given up; a copy is in this machine.
    Gone,
    /// On its way to this machine.
    Coming,
    /// All of it is in this machine, and whose it is was not said.
    Waiting,
    /// In this machine, and some of its memory is still at the source.
    Late {
        /// The connection broke: it stands where it needs what is missing.
        interrupted: bool,
    },
    /// The machine has ended.
    Ended,
}

/// How far a migration is, as the machine told it last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MigrationProgress {
    /// Counters.
    pub job: MigrationJob,
    /// Pages, pages of zeros and bytes of the rounds that are over.
    pub(crate) over: (u64, u64, u64),
    /// What the machine asks the strategy, with its number; it stays after it was answered.
    pub question: Option<(u32, StrategyQuestion)>,
    /// The destination has all of it, and the machine waits for [`MigrationOrder::Decide`].
    pub ready: bool,
    /// Microseconds that the strategy took, once it is ready.
    pub strategy_us: u64,
    /// As far as that is known, pages come when the guest runs there.
    pub post_copy: bool,
    /// How it ended, when it has.
    pub end: Option<MigrationEnd>,
}

/// How a migration ended for a machine.
#[derive(Debug, Clone, PartialEq)]
pub enum MigrationEnd {
    /// The guest runs at the destination; microseconds that it stood still.
    Moved(u64),
    /// The guest was given up, and the destination did not say that it runs.
    Unconfirmed(String),
    /// The guest stays.
    Kept(String),
}

impl Domains {
    /// Orders something about the migration of a domain.
    pub async fn migrate(&self, uuid: Uuid, order: MigrationOrder) -> Result<(), DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        let doing = match &order {
            MigrationOrder::Abort(_) => "kept here",
            _ => "migrated",
        };
        machine.migrate(order).await.map_err(|source| entry.driver_error(doing, source))
    }

    /// How far the migration of a domain is; changes are seen as they come.
    pub fn migration_progress(
        &self,
        uuid: Uuid,
    ) -> Result<tokio::sync::watch::Receiver<MigrationProgress>, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        let unsupported = || entry.driver_error("migrated", unsupported());
        machine.migration_progress().ok_or_else(unsupported)
    }

    /// Where the guest of a domain is.
    pub async fn migration_place(&self, uuid: Uuid) -> Result<MigrationPlace, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.migration_place().await.map_err(|source| entry.driver_error("migrated", source))
    }

    /// Where the devices of a domain are.
    pub async fn device_slots(&self, uuid: Uuid) -> Result<Vec<DeviceSlot>, DomainError> {
        let (entry, machine) = self.machine(uuid)?;
        machine.device_slots().await.map_err(|source| entry.driver_error("migrated", source))
    }
}

/// The answer of drivers that move no guests.
pub(crate) fn unsupported() -> DriverError {
    DriverError::Unsupported("its driver moves no guests".to_owned())
}
