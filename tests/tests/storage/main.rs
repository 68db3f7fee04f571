//! Storage pools and volumes of a real daemon: what is on the disk, and what is left after it was killed.

mod block_job_faults;
mod block_jobs;
mod clones;
mod contract;
mod crash;
mod disk_errors;
mod disks;
mod domains;
mod encrypted;
mod encrypted_disks;
mod handed;
mod kinds;
mod lab;
mod limits;
mod locks;
mod media;
mod overlays;
mod policies;
mod pools;
mod progress;
mod secrets;
mod volumes;
mod whole_devices;

use std::time::Duration;

type Outcome = anyhow::Result<()>;

/// How long an effect that nobody waits for may take; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(30);
