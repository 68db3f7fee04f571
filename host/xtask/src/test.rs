//! `cargo xtask test`: builds everything, runs every test there is, and says which were skipped and why.
//!
//! A test that cannot run on a machine prints `SKIP <lane> <test>: <reason>` and returns; the lanes are those of
//! tests/README.md. One runner, cargo's own, so that what a developer sees is what a fresh clone sees.

mod junit;
mod outcome;
mod transcript;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::project::{Project, shown};
use crate::{build, setup, tools};
use outcome::{Case, Outcome, Totals};
use transcript::Transcript;

/// How to test.
pub struct Options {
    /// Install what is missing.
    pub install: bool,
    /// Where to write the results as JUnit XML.
    pub junit: Option<PathBuf>,
    /// Fail on a skipped test of a lane that runs everywhere.
    pub strict: bool,
    /// Only tests whose name contains this.
    pub filter: Option<String>,
}

/// Workspaces besides the root's whose tests run on the host.
const OTHER_WORKSPACES: [&str; 2] = ["scripts", "guest-sdk/rust"];

/// Builds, tests and reports.
pub fn run(project: &Project, options: &Options) -> Result<()> {
    setup::run(setup::Need::Everything, options.install)?;
    tools::install(project, options.install)?;
    build::run(project)?;
    let mut cases = run_workspace(project, "", options.filter.as_deref())?;
    for workspace in OTHER_WORKSPACES {
        if project.path(workspace).join("Cargo.toml").exists() {
            cases.extend(run_workspace(project, workspace, options.filter.as_deref())?);
        }
    }
    if let Some(file) = &options.junit {
        std::fs::write(file, junit::document(&cases))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    conclude(&cases, options.strict)
}

/// Runs one workspace's tests, passing their output on.
fn run_workspace(project: &Project, workspace: &str, filter: Option<&str>) -> Result<Vec<Case>> {
    eprintln!("== tests of {}", if workspace.is_empty() { "the host" } else { workspace });
    let mut cargo = project.cargo(workspace);
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    if !workspace.is_empty() {
        cargo.arg("--target-dir").arg(project.target("side").join(workspace));
    }
    cargo.args(filter);
    cargo.args(["--", "--show-output"]);
    // With one thread the runner prints a test's name before its result, and other output gets between them.
    cargo.env("RUST_TEST_THREADS", test_threads().to_string());
    cargo.env(tools::VARIABLE, tools::root(project));

    let (reader, writer) = std::io::pipe()?;
    cargo.stdout(writer.try_clone()?).stderr(writer);
    let line = shown(&cargo);
    let mut child = cargo.spawn().with_context(|| format!("cannot start `{line}`"))?;
    // The command holds the pipe's other end; without this the loop below would never see the end.
    drop(cargo);
    let mut transcript = Transcript::default();
    for bytes in BufReader::new(reader).split(b'\n') {
        let bytes = bytes?;
        let line = String::from_utf8_lossy(&bytes);
        if transcript.push(&line) {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    let mut cases = transcript.finish();
    if !status.success() && !cases.iter().any(|case| matches!(case.outcome, Outcome::Failed(_))) {
        let name = if workspace.is_empty() { "host" } else { workspace };
        cases.push(Case {
            suite: name.to_owned(),
            name: "build and run".to_owned(),
            outcome: Outcome::Failed(format!("`{line}` ended with {status} before any test failed")),
        });
    }
    Ok(cases)
}

fn test_threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).max(2)
}

/// Prints the skips and the counts; an error if anything failed.
fn conclude(cases: &[Case], strict: bool) -> Result<()> {
    let totals = Totals::of(cases);
    let skips: Vec<_> = cases.iter().filter_map(Case::skip).collect();
    if !skips.is_empty() {
        println!("\nskipped:");
        for (case, skip) in &skips {
            println!("  {:5} {} {}: {}", skip.lane, case.suite, case.name, skip.reason);
        }
    }
    for case in cases {
        if let Outcome::Failed(output) = &case.outcome {
            println!("failed: {} {}", case.suite, case.name);
            outcome::gist(output).for_each(|line| println!("    {line}"));
        }
    }
    println!("\n{} passed, {} failed, {} skipped", totals.passed, totals.failed, totals.skipped);
    ensure!(totals.failed == 0, "{} tests failed", totals.failed);
    let wrong = skips.iter().filter(|(_, skip)| skip.must_run_everywhere()).count();
    if strict && wrong > 0 {
        bail!("{wrong} tests of lanes that run on every machine were skipped");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::outcome::Skip;
    use super::*;

    fn case(outcome: Outcome) -> Case {
        Case { suite: "s".to_owned(), name: "t".to_owned(), outcome }
    }

    fn skipped(lane: &str) -> Case {
        case(Outcome::Skipped(Skip { lane: lane.to_owned(), reason: "no".to_owned() }))
    }

    #[test]
    fn a_failure_fails() {
        assert!(conclude(&[case(Outcome::Passed)], true).is_ok());
        assert!(conclude(&[case(Outcome::Failed("x".to_owned()))], false).is_err());
    }

    #[test]
    fn strictness_is_about_lanes_that_run_everywhere() {
        assert!(conclude(&[skipped("A")], false).is_ok());
        assert!(conclude(&[skipped("A")], true).is_err());
        assert!(conclude(&[skipped("C")], true).is_err());
        assert!(conclude(&[skipped("B")], true).is_ok());
    }
}
