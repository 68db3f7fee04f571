//! What the control plane hears of a directory that is served.

use std::sync::atomic::{AtomicBool, Ordering};

/// Called when who serves the directory has gone.
pub(super) type Told = Box<dyn Fn() + Send + Sync>;

/// The control plane's end of the device.
pub struct FsControl {
    lost: AtomicBool,
    untold: AtomicBool,
    told: Told,
}

impl FsControl {
    pub(super) fn new(told: Told) -> Self {
        Self { lost: AtomicBool::new(false), untold: AtomicBool::new(false), told }
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
