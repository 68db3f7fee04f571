//! CPU, memory and block I/O of real guests are tuned, and the kernel is asked whether it does it.

mod definitions;
mod effects;
mod host;
mod hotplug;
mod iothreads;
mod lab;
mod models;
mod numa;
mod scheduling;
mod start;

use std::time::Duration;

type Outcome = anyhow::Result<()>;

/// How long an effect that nobody waits for may take; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(60);
