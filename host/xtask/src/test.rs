//! `cargo xtask test`: builds everything, runs every test there is, and says which were skipped and why.
//!
//! A test that cannot run on a machine prints `SKIP <lane> <test>: <reason>` and returns; the lanes are those of
//! tests/README.md. One runner, cargo's own, so that what a developer sees is what a fresh clone sees.
//! Of a run with few failures these tests are run once more by themselves; those that pass then are listed as unsteady.

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

/// Workspaces whose tests run on the host, the root's first.
const WORKSPACES: [&str; 3] = ["", "scripts", "guest-sdk/rust"];

/// With so few failures each test is run once more by itself: with more, something is broken.
const RETRIED: usize = 3;

/// Which tests are run.
#[derive(Clone, Copy)]
enum Which<'a> {
    All,
    /// Those whose path contains this.
    Named(&'a str),
    /// Those with exactly this path, in whichever program.
    Exactly(&'a str),
}

/// Builds, tests and reports.
pub fn run(project: &Project, options: &Options) -> Result<()> {
    setup::run(setup::Need::Everything, options.install)?;
    tools::install(project, options.install)?;
    build::run(project)?;
    let which = options.filter.as_deref().map_or(Which::All, Which::Named);
    let mut cases = Vec::new();
    for workspace in WORKSPACES {
        if project.path(workspace).join("Cargo.toml").exists() {
            let mut own = run_workspace(project, workspace, which)?;
            retry(project, workspace, &mut own)?;
            cases.extend(own);
        }
    }
    if let Some(file) = &options.junit {
        std::fs::write(file, junit::document(&cases))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    conclude(&cases, options.strict)
}

/// Runs the few tests that failed once more, when no other runs beside them. What passes then is named all the same: the test, or what it
/// tests, depends on what else the machine does.
fn retry(project: &Project, workspace: &str, cases: &mut [Case]) -> Result<()> {
    if cases.iter().filter(|case| case.has_failed()).count() > RETRIED {
        return Ok(());
    }
    for case in cases.iter_mut().filter(|case| case.has_failed()) {
        eprintln!("== '{}' once more, by itself", case.name);
        let again = run_workspace(project, workspace, Which::Exactly(&case.name))?;
        let passed = |other: &Case| other.outcome == Outcome::Passed && other.is_of(case);
        if let (true, Outcome::Failed(output)) = (again.iter().any(passed), &mut case.outcome) {
            case.outcome = Outcome::Unsteady(std::mem::take(output));
        }
    }
    Ok(())
}

/// Runs one workspace's tests, passing their output on.
fn run_workspace(project: &Project, workspace: &str, which: Which<'_>) -> Result<Vec<Case>> {
    eprintln!("== tests of {}", if workspace.is_empty() { "the host" } else { workspace });
    let mut cargo = project.cargo(workspace);
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    if !workspace.is_empty() {
        cargo.arg("--target-dir").arg(project.target("side").join(workspace));
    }
    cargo.args(match which {
        Which::All => None,
        Which::Named(name) | Which::Exactly(name) => Some(name),
    });
    cargo.args(["--", "--show-output"]);
    if matches!(which, Which::Exactly(_)) {
        cargo.arg("--exact");
    }
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
    if !status.success() && !cases.iter().any(Case::has_failed) {
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
        let (word, output) = match &case.outcome {
            Outcome::Failed(output) => ("failed", output),
            Outcome::Unsteady(output) => ("unsteady, passed the second time", output),
            Outcome::Passed | Outcome::Skipped(_) => continue,
        };
        println!("{word}: {} {}", case.suite, case.name);
        outcome::gist(output).for_each(|line| println!("    {line}"));
    }
    let Totals { passed, failed, skipped, unsteady } = totals;
    println!("\n{passed} passed, {failed} failed, {skipped} skipped, {unsteady} unsteady");
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
        assert!(conclude(&[case(Outcome::Unsteady("x".to_owned()))], true).is_ok());
    }

    #[test]
    fn strictness_is_about_lanes_that_run_everywhere() {
        assert!(conclude(&[skipped("A")], false).is_ok());
        assert!(conclude(&[skipped("A")], true).is_err());
        assert!(conclude(&[skipped("C")], true).is_err());
        assert!(conclude(&[skipped("B")], true).is_ok());
    }
}
