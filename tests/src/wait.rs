//! Waiting for an effect instead of for a time.

use std::time::{Duration, Instant};

/// Asks until `done` says yes; an error that names `what` after `patience`.
pub fn until(what: &str, patience: Duration, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
    let end = Instant::now() + patience;
    while !done() {
        anyhow::ensure!(Instant::now() < end, "waited {patience:?} in vain until {what}");
        #[expect(clippy::disallowed_methods, reason = "the thing that is waited for is another process")]
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
