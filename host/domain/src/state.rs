//! The lifecycle of a domain as pure code (guide 14.5.9, 14.8, 14.9).
//!
//! ```text
//!              start                       suspend
//!   shut off ─────────► starting ─► running ◄──────► paused
//!     ▲  ▲                  │       │ ▲  │ resume
//!     │  └──── failed ──────┘       │ │  │ shutdown          guest sleeps
//!     │                             │ │  └────► in shutdown  running ◄──────► pmsuspended
//!     │      power-off, destroy     │ │ halted                        wake
//!     └─────────────────────────────┤ └──────► idle
//!                                   │ crash, worker lost
//!                                   └────────► crashed ── start ─► …
//! ```
//! Preserved is shut off or crashed with the machine kept for analysis (`preserve`, guide 20.12): only a destroy ends it.

use reeve_model::{DomainState, StateReason};

use crate::Request;

/// Where a domain is in its life. Finer than [`DomainState`]: it also knows what is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No machine; it ended well or never ran.
    Off(StateReason),
    /// No machine; it failed.
    Crashed(StateReason),
    /// A machine is being made.
    Starting,
    /// vCPUs run.
    Running(StateReason),
    /// All vCPUs wait.
    Idle,
    /// The host stopped the vCPUs.
    Paused(StateReason),
    /// The guest was asked to shut down.
    InShutdown,
    /// The guest suspended itself.
    PmSuspended,
    /// The machine ended by itself and is kept, vCPUs stopped; true when it crashed.
    Preserved(bool),
    /// The machine is being taken apart.
    Stopping,
}

/// What happened to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Occurrence {
    /// Making a machine began.
    StartBegan,
    /// The machine is made, vCPUs stopped.
    Made,
    /// The machine is made from a saved one, vCPUs stopped.
    Restored,
    /// The machine is made with the guest of another host, vCPUs stopped.
    Came,
    /// Making it failed.
    StartFailed,
    /// vCPUs run.
    Resumed,
    /// A guest that came from another host runs, or one that was to leave stays and runs again.
    Arrived,
    /// It goes on at another host, which fetches the rest of its memory from here.
    Left,
    /// The connection broke before all of its memory was here.
    Severed,
    /// vCPUs stopped.
    Paused,
    /// vCPUs stopped, because a request to a disk failed.
    IoError,
    /// The power button was pressed.
    ShutdownAsked,
    /// Reset to power-on state.
    Reset,
    /// All vCPUs wait.
    Halted,
    /// They run again.
    Unhalted,
    /// The guest suspended itself.
    Suspended,
    /// It woke up.
    Woke,
    /// It ended by power-off and is kept.
    KeptOff,
    /// It crashed and is kept.
    KeptCrashed,
    /// Taking it apart began.
    StopBegan,
}

impl Phase {
    /// The state to show.
    pub fn state(self) -> DomainState {
        match self {
            Self::Off(_) | Self::Starting | Self::Preserved(false) => DomainState::ShutOff,
            Self::Crashed(_) | Self::Preserved(true) => DomainState::Crashed,
            Self::Running(_) => DomainState::Running,
            Self::Idle => DomainState::Idle,
            Self::Paused(_) => DomainState::Paused,
            Self::InShutdown | Self::Stopping => DomainState::InShutdown,
            Self::PmSuspended => DomainState::PmSuspended,
        }
    }

    /// Why it is in that state.
    pub fn reason(self) -> StateReason {
        match self {
            Self::Off(reason) | Self::Crashed(reason) | Self::Running(reason) | Self::Paused(reason) => {
                reason
            }
            Self::Starting | Self::Idle | Self::PmSuspended => StateReason::Unknown,
            Self::InShutdown => StateReason::Shutdown,
            Self::Stopping => StateReason::Destroyed,
            Self::Preserved(true) => StateReason::GuestCrash,
            Self::Preserved(false) => StateReason::PowerOff,
        }
    }

    /// True while a machine exists or is being made.
    pub fn has_machine(self) -> bool {
        !matches!(self, Self::Off(_) | Self::Crashed(_))
    }

    /// True while there is a machine whose vCPUs the host stopped.
    pub fn stands_still(self) -> bool {
        matches!(self, Self::Paused(_) | Self::Preserved(_))
    }

    /// Whether `request` makes sense now; if not, the rest of a sentence that begins with "domain 'NAME' ".
    pub fn permits(self, request: Request) -> Result<(), &'static str> {
        use Request as R;
        let lives = match (self, request) {
            (_, R::Define | R::Undefine | R::Configure) => return Ok(()),
            (Self::Off(_) | Self::Crashed(_), R::Start) => return Ok(()),
            (Self::Off(_), _) => return Err("is not running"),
            (Self::Crashed(_), _) => return Err("has crashed and is not running"),
            (Self::Starting, _) => return Err("is being started"),
            (Self::Stopping, _) => return Err("is being stopped"),
            (Self::Preserved(_), R::Destroy | R::Dump) => return Ok(()),
            (Self::Preserved(_), _) => {
                return Err("has ended and its machine is kept for analysis; destroy it first");
            }
            (_, R::Destroy | R::Reset) => return Ok(()),
            (live, _) => live,
        };
        match (lives, request) {
            (Self::Paused(_), R::Start) => Err("is active already (paused); resume it"),
            (_, R::Start) => Err("is running already"),
            (
                Self::Paused(_),
                R::Resume
                | R::Save
                | R::Dump
                | R::SetMemory
                | R::Tune
                | R::AttachDevice
                | R::DetachDevice
                | R::UpdateDevice
                | R::SteerJob
                | R::PivotJob
                | R::Migrate,
            ) => Ok(()),
            (Self::Paused(_), R::Suspend) => Err("is paused already"),
            (Self::Paused(_), R::Wake) => Err("is paused, not suspended by its guest; resume it"),
            (Self::Paused(_), _) => Err("is paused; resume it first"),
            (Self::PmSuspended, R::Wake | R::SetMemory | R::Tune | R::Dump | R::SteerJob | R::PivotJob) => {
                Ok(())
            }
            (Self::PmSuspended, _) => Err("is suspended by its guest; wake it first"),
            (_, R::Resume) => Err("is not paused"),
            (
                Self::InShutdown,
                R::Shutdown
                | R::Suspend
                | R::SetMemory
                | R::Tune
                | R::Wake
                | R::Dump
                | R::SteerJob
                | R::PivotJob,
            ) => Ok(()),
            (Self::InShutdown, _) => Err("is shutting down"),
            _ => Ok(()),
        }
    }

    /// The phase after `occurrence`; none when that can't happen in this phase.
    pub fn after(self, occurrence: Occurrence) -> Option<Self> {
        use Occurrence as O;
        let next = match (self, occurrence) {
            (Self::Off(_) | Self::Crashed(_), O::StartBegan) => Self::Starting,
            (Self::Starting, O::Made) => Self::Paused(StateReason::Booted),
            (Self::Paused(_), O::Arrived) => Self::Running(StateReason::Migrated),
            (live, O::Left) if live.is_live() => Self::Paused(StateReason::PostCopy),
            (live, O::Severed) if live.is_live() => Self::Paused(StateReason::PostCopyFailed),
            (Self::Starting, O::Restored) => Self::Paused(StateReason::Restored),
            (Self::Starting, O::Came) => Self::Paused(StateReason::Migrated),
            (Self::Starting, O::StartFailed) => Self::Off(StateReason::Failed),
            (Self::Paused(StateReason::Booted), O::Resumed) => Self::Running(StateReason::Booted),
            (Self::Paused(StateReason::Restored), O::Resumed) => Self::Running(StateReason::Restored),
            (Self::Paused(_), O::Resumed) => Self::Running(StateReason::Unpaused),
            (Self::Running(_) | Self::Idle | Self::InShutdown, O::Paused) => Self::Paused(StateReason::User),
            (Self::Running(_) | Self::Idle | Self::InShutdown | Self::Paused(_), O::IoError) => {
                Self::Paused(StateReason::IoError)
            }
            (Self::Running(_) | Self::Idle | Self::InShutdown, O::ShutdownAsked) => Self::InShutdown,
            (Self::Paused(_), O::Reset) => self,
            (Self::Preserved(_), O::Reset) => Self::Running(StateReason::Booted),
            (live, O::Reset) if live.is_live() => Self::Running(StateReason::Booted),
            (Self::Running(_), O::Halted) => Self::Idle,
            (Self::Idle, O::Unhalted) => Self::Running(StateReason::Unknown),
            // One that is paused has suspended itself just before.
            (Self::Running(_) | Self::Idle | Self::InShutdown | Self::Paused(_), O::Suspended) => {
                Self::PmSuspended
            }
            (Self::PmSuspended, O::Woke) => Self::Running(StateReason::Unknown),
            (live, O::KeptOff) if live.is_live() => Self::Preserved(false),
            (live, O::KeptCrashed) if live.is_live() => Self::Preserved(true),
            (live, O::StopBegan) if live.is_live() || matches!(live, Self::Preserved(_)) => Self::Stopping,
            _ => return None,
        };
        Some(next)
    }

    fn is_live(self) -> bool {
        matches!(self, Self::Running(_) | Self::Idle | Self::Paused(_) | Self::InShutdown | Self::PmSuspended)
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
