//! What crosses crates: a real daemon for a test, and the command line that talks to it.
//!
//! ```no_run
//! let daemon = reeve_tests::Daemon::start()?;
//! let run = daemon.reeve(&["domain", "list", "--all"])?;
//! assert_eq!(run.code, 0);
//! # anyhow::Ok(())
//! ```
#![forbid(unsafe_code)]

mod arriving;
mod certificates;
mod command;
mod console;
pub mod cpio;
mod daemon;
mod debian;
mod emulated;
mod guest;
mod language;
mod namespace;
mod policy;
mod port;
mod program;
pub mod wait;

pub use arriving::prepare_migration;
pub use certificates::Authority;
pub use command::{Run, binary};
pub use daemon::{Daemon, Options};
pub use debian::Debian;
pub use emulated::{EmulatedHost, add_program, archive};
pub use guest::{Guest, disk_sum};
pub use language::{Built, languages, policy_in};
pub use namespace::Namespace;
pub use policy::{WITNESS_GRANTS, policy, test_policy};
pub use port::free_port;
pub use program::{Small, program};
