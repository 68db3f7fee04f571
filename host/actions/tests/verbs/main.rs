//! Every verb against the real store in a temporary directory and the simulator.
#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]

mod access;
mod definitions;
mod devices;
mod diffs;
mod edits;
mod interfaces;
mod journal;
mod kill;
mod life;
mod lists;
mod networks;
mod node;
mod policies;
mod saves;
mod secrets;
mod snapshots;
mod storage;
mod support;
mod tuning;
mod updates;
