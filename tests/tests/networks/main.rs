//! Virtual networks and packet filters of a real daemon, in a network namespace of its own, seen by what is in the kernel.

mod changes;
mod definitions;
mod filters;
mod guests;
mod host_interfaces;
mod interfaces;
mod lab;
mod learning;
mod life;
mod policies;
mod station;

use std::time::Duration;

type Outcome = anyhow::Result<()>;

/// How long an effect that nobody waits for may take; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(20);
