//! One VM as a whole: drivers, lifecycle state machine, owner task.
//!
//! ```text
//!   actions ── begin(actor, domain, request) ──► Turn ── start/shutdown/… ──► owner task ──► Machine (driver)
//!                 admission queue (pure)                     │   ▲
//!                                                 EventSink ◄┘   └── MachineEvent: power-off, reboot, crash, lost
//!                                                 Keeper  (runtime record, for re-adoption)
//! ```
//!
//! A domain that is defined and idle is one entry in [`Domains`] and costs no task. A domain that is active or changing has one
//! owner task, which is the only one that changes its machine and its phase.
#![forbid(unsafe_code)]

mod admission;
mod core_file;
mod devices;
mod driver;
mod ending;
mod entry;
mod error;
mod keys;
pub mod migration;
mod names;
mod owner;
mod record;
mod recover;
mod registry;
mod sink;
mod turn;

pub mod kvm;
pub mod save_image;
pub mod sim;
pub mod state;

pub use admission::Request;
pub use core_file::{CoreFile, CoreFileError, remove_unfinished_core};
pub use driver::{
    Awaiting, BlockJobDemand, BlockJobReport, Console, ConsoleStream, Device, Driver, DriverError, End,
    Machine, MachineEvent, Refusal, SaveProgress, StartSpec, Started, Vcpus,
};
pub use error::DomainError;
pub use keys::{KeyRing, Keys};
pub use owner::BeforeRun;
pub use record::{Keeper, KeeperError, RuntimeRecord, WorkerProcess};
pub use recover::Recovered;
pub use registry::{Domains, DomainsConfig};
pub use sink::{DomainNotice, EventSink};
pub use turn::{StartOptions, Turn};
