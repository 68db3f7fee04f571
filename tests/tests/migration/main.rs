//! Two real daemons on this machine, and a real guest that moves between them.

mod bad_network;
mod deaths;
mod devices;
mod disk_policies;
mod disks;
mod encrypted;
mod faults;
mod journals;
mod life;
mod memories;
mod network;
mod pair;
mod post_copy;
mod post_copy_deaths;
mod relay;
mod steer;
mod strategy;
mod streams;

use std::time::Duration;

type Outcome = anyhow::Result<()>;

/// How long an effect that nobody waits for may take; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(60);
