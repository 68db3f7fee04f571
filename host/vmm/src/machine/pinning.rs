//! Which host CPUs a thread may run on.

use std::io;

use rustix::thread::{CpuSet, sched_setaffinity};

/// Restricts the calling thread to `cpus`; an empty list changes nothing.
pub fn pin_current_thread(cpus: &[u32]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    // The kernel leaves out those that are not there, as long as one is.
    cpus.iter().map(|cpu| *cpu as usize).filter(|cpu| *cpu < CpuSet::MAX_CPU).for_each(|cpu| set.set(cpu));
    sched_setaffinity(None, &set).map_err(|error| {
        io::Error::new(io::Error::from(error).kind(), format!("host CPUs {cpus:?} can't be used: {error}"))
    })
}
