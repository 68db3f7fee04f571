//! The Wasm policy engine: the only crate that knows wasmtime.
//!
//! ```text
//!   verb ──PolicyPort──► chain / propose ─┐
//!   event bus ─────────► notify           ├─► instance::run ──► fresh instance (limits, fuel, epochs)
//!   clock, domain events ► tune ──────────┘         │                 │ host calls (host/*.rs)
//!                                                   │                 └─► grants ─► verbs as Actor::Policy, kv, log, node
//!   operators ──PolicyAdmin──► install ─► registry  └─► decision log, metrics, circuit breaker
//!   policies.d ──directory───►
//! ```
//!
//! What holds everywhere:
//! - A policy can only spend its own time: guest code gives its thread back every millisecond, and after two it runs on threads
//!   of its own; deadlines cover the time inside the host too.
//! - Nothing a policy answers is believed: edits are validated and checked against its grants, proposals and adjustments
//!   against hard limits.
//! - No lock is held while a policy runs, so a policy may call the host from its hook.
#![deny(unsafe_code)]

mod absent;
mod admin;
mod artifact;
mod asked;
mod audit;
mod binding;
mod bindings;
mod breaker;
mod call;
mod chain;
mod compiled;
mod compiler;
mod decisions;
mod directory;
mod engine;
mod exports;
pub mod failure;
mod filter;
pub mod grants;
mod history;
mod host;
mod imports;
mod install;
mod instance;
mod kept;
mod lane;
mod latency;
pub mod limits;
pub mod loader;
mod logs;
mod meter;
mod metrics;
mod migration;
mod notify;
mod offline;
mod outside;
mod policy_engine;
mod port;
mod propose;
mod queue;
mod record_admin;
mod recorder;
mod registry;
mod replay;
mod rewrite;
mod schedule;
pub mod schema;
mod sealed;
mod served;
mod services;
pub mod session;
mod settings;
mod shared;
pub mod simulate;
mod tape;
mod task;
mod task_admin;
mod ticker;
mod trigger;
mod tune;
mod verbs;
mod wasi;

use reeve_package::suggest;
pub use reeve_package::{grant, manifest};

pub use absent::Absent;
pub use artifact::Artifacts;
pub use compiled::user_directory as compiled_code_of_user;
pub use engine::EngineError;
pub use metrics::Metrics;
pub use offline::{Machine, Offline, OfflineError};
pub use policy_engine::{PolicyConfig, PolicyEngine};
pub use replay::{Difference, Replayed};
pub use services::{Committed, DomainAction, Services};
pub use tape::{Diverged, HostCall, Mode};
pub use verbs::Verbs;

/// How deep policies may call policies: a verb that a policy calls asks the guards at depth 1, and so on; a call from a policy
/// at this depth is refused.
pub const DEPTH_LIMIT: u32 = 4;
