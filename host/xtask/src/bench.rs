//! `cargo xtask bench`: measurements against peers; the program is in tests/bench.

use std::process::Command;

use anyhow::Result;

use crate::project::{Project, succeed};
use crate::{guest, policies};

/// Runs the benches of one area or all, in release mode.
pub fn run(project: &Project, area: Option<&str>, json: bool) -> Result<()> {
    guest::run(project)?;
    policies::run(project)?;
    // Together, so that both are built with the same features and their dependencies once.
    let packages = ["--package", "reeve-daemon", "--package", "reeve-bench"];
    succeed(project.cargo("").args(["build", "--quiet", "--release"]).args(packages))?;
    let mut bench = Command::new(project.target("release").join("reeve-bench"));
    bench.current_dir(project.root()).args(area);
    if json {
        bench.arg("--json");
    }
    succeed(&mut bench)
}
