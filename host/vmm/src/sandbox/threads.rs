//! Device threads are made by a thread of their own, because a filter can't be loosened: the vCPU thread that starts a
//! device may not do what the device's thread must.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::{SandboxError, ThreadFilter, ThreadRole};
use crate::config::SeccompMode;

type Job = Box<dyn FnOnce(&DeviceFilters) + Send>;

/// What device threads are restricted to.
struct DeviceFilters {
    device: ThreadFilter,
    listener: ThreadFilter,
    memory: ThreadFilter,
    backend: ThreadFilter,
    migration: ThreadFilter,
}

/// Jobs that wait at most; each is a vCPU thread that waits for its answer.
const QUEUE: usize = 1;

static MAKER: OnceLock<SyncSender<Job>> = OnceLock::new();

/// The thread that makes device threads.
pub(crate) struct ThreadMaker;

impl ThreadMaker {
    /// Starts it, once in a process. Device threads are made by it, and restricted, from now on.
    pub(crate) fn start(mode: SeccompMode) -> Result<(), SandboxError> {
        if mode == SeccompMode::Off || MAKER.get().is_some() {
            return Ok(());
        }
        let own = ThreadFilter::new(mode, ThreadRole::ThreadMaker)?;
        let filters = DeviceFilters {
            device: ThreadFilter::new(mode, ThreadRole::Device)?,
            listener: ThreadFilter::new(mode, ThreadRole::Listener)?,
            memory: ThreadFilter::new(mode, ThreadRole::Memory)?,
            backend: ThreadFilter::new(mode, ThreadRole::Backend)?,
            migration: ThreadFilter::new(mode, ThreadRole::Migration)?,
        };
        let (sender, jobs) = sync_channel::<Job>(QUEUE);
        let (ready, started) = sync_channel(1);
        let failed = |source| SandboxError::Step { step: "restrict its device threads", source };
        thread::Builder::new()
            .name("thread-maker".to_owned())
            .spawn(move || {
                // The other side waits for exactly this message.
                let applied = own.apply();
                let restricted = applied.is_ok();
                let _ = ready.send(applied);
                if restricted {
                    jobs.iter().for_each(|job| job(&filters));
                }
            })
            .map_err(failed)?;
        started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread ended at once")))
            .map_err(failed)?;
        MAKER.get_or_init(|| sender);
        Ok(())
    }
}

/// Starts a device thread, restricted as such when the process is sandboxed.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    role: ThreadRole,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let builder = thread::Builder::new().name(name.to_owned());
    let Some(maker) = MAKER.get() else { return builder.spawn(body) };
    let (answer, made) = sync_channel(1);
    let job: Job = Box::new(move |filters| {
        let filter = match role {
            ThreadRole::Listener => &filters.listener,
            ThreadRole::Memory => &filters.memory,
            ThreadRole::Backend => &filters.backend,
            ThreadRole::Migration => &filters.migration,
            _ => &filters.device,
        };
        let filter = filter.clone();
        let thread = builder.spawn(move || {
            if filter.apply().is_err() {
                // A device that can't be locked in must not run at all.
                std::process::abort();
            }
            body()
        });
        // The other side waits for exactly this message.
        let _ = answer.send(thread);
    });
    let gone = || io::Error::other("the thread that makes device threads is gone");
    maker.send(job).map_err(|_| gone())?;
    made.recv().map_err(|_| gone())?
}
