//! The policy engine against real components, real verbs, a real database and simulated domains.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cache;
mod directory;
mod guard;
mod hostile;
mod kept;
mod load;
mod notify;
mod replay;
mod simulate;
mod speed;
mod storage;
mod support;
mod task;
mod tune;
mod versions;
mod wasi;
mod wat_components;
mod watch;
