//! States of a domain (guide 14.5.9, `domstate`) and why it is in them.

use serde::{Deserialize, Serialize};

/// What a domain is doing. The words are those of `virsh list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DomainState {
    /// At least one vCPU runs or may run.
    Running,
    /// Running, but every vCPU waits (halted guest).
    Idle,
    /// vCPUs are stopped by the host; memory is kept.
    Paused,
    /// The guest was asked to shut down and has not finished.
    InShutdown,
    /// Not running.
    ShutOff,
    /// Stopped because the guest or its worker failed.
    Crashed,
    /// The guest suspended itself (S3) and waits for a wake-up.
    PmSuspended,
}

impl DomainState {
    /// The state as libvirt prints it, e.g. `shut off`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Paused => "paused",
            Self::InShutdown => "in shutdown",
            Self::ShutOff => "shut off",
            Self::Crashed => "crashed",
            Self::PmSuspended => "pmsuspended",
        }
    }

    /// True while a machine exists for the domain (anything but shut off and crashed).
    pub fn is_active(self) -> bool {
        !matches!(self, Self::ShutOff | Self::Crashed)
    }
}

impl std::fmt::Display for DomainState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a domain is in its state (`domstate --reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StateReason {
    /// Nothing is known; a definition that never ran.
    Unknown,
    /// Started by a start or create.
    Booted,
    /// Found alive by a restarted daemon.
    Adopted,
    /// Resumed after a pause.
    Unpaused,
    /// Paused by an operator or policy.
    User,
    /// A shutdown was asked for and the guest is at it.
    Shutdown,
    /// The guest powered itself off.
    PowerOff,
    /// The guest suspended itself to its own disk, and goes on from there when it boots again.
    Hibernated,
    /// Stopped by force.
    Destroyed,
    /// Its state was saved to a file.
    Saved,
    /// It goes on from a file it was saved to.
    Restored,
    /// The guest failed: triple fault, emulation failure, panic device.
    GuestCrash,
    /// It was dumped, and counts as crashed because that was asked for.
    Dumped,
    /// A request to a disk failed.
    IoError,
    /// The worker process ended without being asked to.
    WorkerLost,
    /// It came from another host, or went to one.
    Migrated,
    /// It runs at another host already, which fetches the rest of its memory from this one.
    PostCopy,
    /// The connection broke before all of its memory was at one host.
    PostCopyFailed,
    /// A start failed half-way and was undone.
    Failed,
}

impl StateReason {
    /// The reason as printed by `domain state --reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Booted => "booted",
            Self::Adopted => "adopted",
            Self::Unpaused => "unpaused",
            Self::User => "user",
            Self::Shutdown => "shutdown",
            Self::PowerOff => "power off",
            Self::Hibernated => "hibernated",
            Self::Destroyed => "destroyed",
            Self::Saved => "saved",
            Self::Restored => "restored",
            Self::GuestCrash => "guest crash",
            Self::Dumped => "dumped",
            Self::IoError => "I/O error",
            Self::WorkerLost => "worker lost",
            Self::Migrated => "migrated",
            Self::PostCopy => "post-copy",
            Self::PostCopyFailed => "post-copy failed",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for StateReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
