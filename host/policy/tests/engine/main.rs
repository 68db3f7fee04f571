//! The policy engine against real components, real verbs, a real database and simulated domains.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod directory;
mod guard;
mod hostile;
mod load;
mod notify;
mod speed;
mod support;
mod tune;
mod wat_components;
