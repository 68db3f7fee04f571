//! Domains that are saved and go on: real guests under real daemons, and what is left when somebody dies in the middle.

mod dump;
mod earlier;
mod external;
mod faults;
mod lab;
mod life;
mod snapshots;
mod verbs;

use std::time::Duration;

type Outcome = anyhow::Result<()>;

/// How long an effect that nobody waits for may take; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(30);
