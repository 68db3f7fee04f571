//! `cargo xtask bench`: measurements against peers; the program is in tests/bench.

use anyhow::Result;

use crate::project::{Project, succeed};
use crate::{guest, policies};

/// Runs the benches of one area or all, in release mode.
pub fn run(project: &Project, area: Option<&str>, json: bool) -> Result<()> {
    guest::run(project)?;
    policies::run(project)?;
    succeed(project.cargo("").args(["build", "--quiet", "--release", "--package", "reeve-daemon"]))?;
    let mut bench = project.cargo("");
    bench.args(["run", "--quiet", "--release", "--package", "reeve-bench", "--"]);
    bench.args(area);
    if json {
        bench.arg("--json");
    }
    succeed(&mut bench)
}
