//! `cargo xtask ci`: what .ci/run does, for those who want it before they push.

use std::process::Command;

use anyhow::Result;

use crate::project::{Project, succeed};

/// Runs the script, so that both can never differ.
pub fn run(project: &Project) -> Result<()> {
    succeed(Command::new("bash").arg(".ci/run").current_dir(project.root()))
}
