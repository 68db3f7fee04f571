//! The nouns of Reeve as plain serde data: ids, units, states, errors. No I/O, no async.
//!
//! Every other crate speaks in these types; nothing here knows how any of it is stored, drawn or run.
#![forbid(unsafe_code)]

pub mod actor;
pub mod agent;
pub mod api;
pub mod block_job;
pub mod cpu_set;
pub mod device_address;
pub mod domain;
pub mod domain_disk;
pub mod domain_dump;
pub mod domain_interface;
pub mod domain_save;
pub mod edit;
pub mod error;
pub mod event;
pub mod filter;
pub mod host_interface;
pub mod install;
pub mod mac_address;
pub mod migrated_disk;
pub mod migration;
pub mod network;
pub mod node;
pub mod node_device;
pub mod policy;
mod policy_life;
pub mod record;
pub mod secret;
pub mod snapshot;
pub mod state;
pub mod stats;
pub mod storage;
pub mod task;
pub mod tuning;
pub mod units;
pub mod verb;
pub mod watch;

pub use actor::Actor;
pub use cpu_set::CpuSet;
pub use error::{Error, ErrorCode, sentence};
pub use mac_address::MacAddress;
pub use state::{DomainState, StateReason};
pub use units::Bytes;
pub use verb::Verb;
