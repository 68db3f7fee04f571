//! `cargo xtask build`: test guest, policies, host.

use anyhow::Result;

use crate::project::{Project, succeed};
use crate::{guest, policies};

/// Builds everything the demo and the tests run.
pub fn run(project: &Project) -> Result<()> {
    eprintln!("== test guest");
    guest::run(project)?;
    eprintln!("== policies");
    policies::run(project)?;
    eprintln!("== host");
    succeed(project.cargo("").args(["build", "--workspace"]))
}
