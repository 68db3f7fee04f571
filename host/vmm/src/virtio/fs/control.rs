//! What the control plane hears of a directory that is served.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::backend::PATIENCE;
use crate::virtio::worker::Caller;

/// Called when who serves the directory has gone.
pub(super) type Told = Box<dyn Fn() + Send + Sync>;

/// The control plane's end of the device.
pub struct FsControl {
    lost: AtomicBool,
    untold: AtomicBool,
    told: Told,
    running: Mutex<Running>,
}

/// How the device's thread is told to end.
#[derive(Default)]
struct Running {
    caller: Option<Caller>,
    /// It has been told, and until when who serves the directory may take to stop.
    deadline: Option<Instant>,
}

impl FsControl {
    pub(super) fn new(told: Told) -> Self {
        let (lost, untold) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { lost, untold, told, running: Mutex::default() }
    }

    /// The device has a thread, or has none any more.
    pub(super) fn set_thread(&self, caller: Option<Caller>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Running { caller, deadline: None };
    }

    /// Tells who serves the directory to stop, and waits for nothing: where all devices are stopped all are told first, for one that hangs
    /// keeps its own waiting, and the time of all runs from here on.
    pub fn tell_to_stop(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.deadline.is_none()
            && let Some(caller) = &running.caller
        {
            caller.call();
            running.deadline = Some(Instant::now() + PATIENCE);
        }
    }

    /// How long it may take from now on. None when nobody was told.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let deadline = self.running.lock().unwrap_or_else(PoisonError::into_inner).deadline;
        deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Who serves it has gone, for good.
    pub(super) fn lose(&self) {
        if !self.lost.swap(true, Ordering::SeqCst) {
            self.untold.store(true, Ordering::SeqCst);
            (self.told)();
        }
    }

    /// Whether who served it has gone.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// Whether it has gone since this was last asked.
    pub fn take_loss(&self) -> bool {
        self.untold.swap(false, Ordering::SeqCst)
    }
}
