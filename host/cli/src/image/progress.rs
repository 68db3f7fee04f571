//! How far a long operation is, on standard error.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;

/// Whether progress is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ShowProgress {
    /// Show how far it is
    #[arg(short = 'p', long = "progress")]
    shown: bool,
}

/// Tells each hundredth of the work once.
#[derive(Debug)]
pub(crate) struct Meter {
    shown: bool,
    /// Hundredths that were told.
    told: AtomicU64,
}

impl ShowProgress {
    pub(crate) fn meter(self) -> Meter {
        Meter { shown: self.shown, told: AtomicU64::new(0) }
    }
}

impl Meter {
    /// So many bytes of so many are done.
    pub(crate) fn tell(&self, done: u64, all: u64) {
        if !self.shown || all == 0 {
            return;
        }
        let hundredths = (u128::from(done) * 100 / u128::from(all)) as u64;
        if self.told.fetch_max(hundredths, Ordering::Relaxed) < hundredths {
            // Nothing is lost with a terminal that is gone.
            let _ = write!(io::stderr(), "\r    ({hundredths}/100%)");
        }
    }

    /// Ends the line.
    pub(crate) fn end(&self) {
        if self.shown {
            let _ = writeln!(io::stderr(), "\r    (100/100%)");
        }
    }
}
