//! What a guest and the host say to each other besides disks and frames: channels, the guest's agent.

mod agent;
mod board;
mod channels;
mod clock;
mod control;
mod disks;
mod given;
mod guard;
mod lab;
mod shared;
mod sleep;
mod sockets;

use std::time::Duration;

type Outcome = anyhow::Result<()>;

/// How long an effect that nobody waits for may take; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(30);
