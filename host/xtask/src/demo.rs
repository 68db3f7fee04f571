//! `cargo xtask demo`: the product in a few minutes, on this machine, in a root of its own.

mod documents;
mod stage;
mod story;

use anyhow::{Result, ensure};

use crate::project::Project;
use stage::Stage;

/// Plays the story with what was built and cleans up after it.
pub fn run(project: &Project, keep: bool) -> Result<()> {
    ensure!(
        std::path::Path::new("/dev/kvm").exists(),
        "there is no /dev/kvm: this machine cannot run guests (in a VM, enable nested virtualization)"
    );
    let mut stage = Stage::set(project)?;
    let told = story::tell(&mut stage);
    if told.is_err() {
        stage.show_daemon_log();
    }
    let cleaned = stage.strike(keep);
    told.and(cleaned)?;
    println!("\nThat was the demo: every step did what it said.");
    Ok(())
}
