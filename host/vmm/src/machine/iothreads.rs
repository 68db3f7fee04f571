//! Threads that disks share. They are there from the start, as vCPUs' are, and come and go while the machine is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pinning::pin_current_thread;
use super::{Machine, MachineError};
use crate::config::IothreadConfig;
use crate::sandbox::{ThreadFilter, ThreadRole};
use crate::virtio::worker::WorkerThread;

/// The I/O threads of a machine by number.
pub(super) struct Iothreads(BTreeMap<u32, Arc<WorkerThread>>);

impl Iothreads {
    /// Starts all of them. The thread that makes those of devices is not there yet: each locks itself in, as vCPUs do.
    pub(super) fn start(threads: &[IothreadConfig], filter: &ThreadFilter) -> Result<Self, MachineError> {
        let start = |thread: &IothreadConfig| {
            let (filter, cpus) = (filter.clone(), thread.cpus.clone());
            let prepare = move || pin_current_thread(&cpus).and_then(|()| filter.apply());
            Ok((thread.id, started(thread.id, prepare)?))
        };
        threads.iter().map(start).collect::<Result<_, _>>().map(Self)
    }

    /// One of them.
    pub(super) fn get(&self, id: u32) -> Option<Arc<WorkerThread>> {
        self.0.get(&id).cloned()
    }
}

impl Machine {
    /// Starts one more. It is locked in by the thread that makes those of devices.
    pub fn add_iothread(&mut self, id: u32) -> Result<(), MachineError> {
        let thread = started(id, || Ok(()))?;
        self.iothreads.0.insert(id, thread);
        Ok(())
    }

    /// Ends one that serves no device.
    pub fn remove_iothread(&mut self, id: u32) {
        self.iothreads.0.remove(&id);
    }
}

fn started(
    id: u32,
    prepare: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> Result<Arc<WorkerThread>, MachineError> {
    let name = IothreadConfig::thread_name(id);
    let thread = WorkerThread::start(&name, ThreadRole::Device, prepare);
    thread.map_err(|source| MachineError::Iothread { id, source })
}
