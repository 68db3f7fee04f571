//! The API over a real unix socket, with the verbs on simulated domains.
#![allow(clippy::unwrap_used, reason = "a test host that cannot be set up fails its test")]

mod calls;
mod host;
mod migration;
mod operations;
mod shape;
mod snapshots;
mod storage;
mod streams;
