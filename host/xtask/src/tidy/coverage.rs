//! Every X has a test: what the project offers is used by the tests that are there for it.
//!
//! | what | where it is listed | what must use it |
//! |---|---|---|
//! | command | the enums that clap reads | a test that runs the real binary |
//! | operation of the API | the handlers' attributes | a test that calls it, by path or through the client |
//! | verb | `Verb::ALL` | a test that is denied it |
//! | journaled operation | its `KIND` | the test that kills a daemon at every step |
//! | kind of device | the enum of the worker's configuration | a test of the worker |
//! | policy | its folder | a test that loads it |
//!
//! Functions and hooks of the contract are not here but in the `policies` test of `tests/`: only a built component says which
//! of them it uses, and this task runs without a build. For the same reason commands and operations are read from the source:
//! asking clap and utoipa themselves would link the engine, the API and all below them into this program.
//!
//! What counts as a use is a sequence of tokens, never a word in a text or a comment. The other half, that the test asserts
//! something, is for the reader. There is no list of exceptions: what has no test gets one.

mod client;
mod commands;
mod journal;
mod kinds;
mod policies;
mod routes;
mod source;
mod verbs;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Finding;
use super::tree;
use source::Source;

/// Checks all of the table above.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let tree = Tree::read(root)?;
    let mut findings = commands::check(&tree);
    findings.extend(routes::check(&tree));
    findings.extend(verbs::check(&tree));
    findings.extend(journal::check(&tree));
    findings.extend(kinds::check(&tree));
    findings.extend(policies::check(&tree));
    Ok(findings)
}

/// The files the checks look at.
struct Tree {
    rust: Vec<Source>,
    /// What a shell runs.
    shell: Vec<String>,
    /// Folders of policies.
    policies: Vec<PathBuf>,
}

/// A page whose commands are run by a test as they stand there.
const PAGE_THAT_IS_RUN: &str = "guest-sdk/TUTORIAL.md";
const FIXTURES: &str = "tests/fixtures";
const FOLDERS_OF_POLICIES: [&str; 2] = ["scripts", "tests/policies"];
/// Where Rust is read.
const RUST: [&str; 2] = ["host", "tests"];

impl Tree {
    fn read(root: &Path) -> Result<Self> {
        let mut tree = Self { rust: Vec::new(), shell: Vec::new(), policies: Vec::new() };
        for file in tree::files(root)? {
            let is_rust = file.extension().is_some_and(|extension| extension == "rs");
            let text = || {
                std::fs::read_to_string(root.join(&file))
                    .with_context(|| format!("cannot read {}", file.display()))
            };
            if is_rust && RUST.iter().any(|folder| file.starts_with(folder)) {
                tree.rust.push(Source::parse(file.clone(), &text()?)?);
            } else if file == Path::new(PAGE_THAT_IS_RUN) {
                tree.shell.push(fenced(&text()?));
            } else if file.starts_with(FIXTURES) {
                // A fixture may be anything; only scripts are of interest.
                let script = std::fs::read_to_string(root.join(&file)).unwrap_or_default();
                if script.starts_with("#!") {
                    tree.shell.push(script);
                }
            }
        }
        for folder in FOLDERS_OF_POLICIES {
            tree.policies.extend(tree::crates(root, folder)?.into_iter().map(|policy| policy.folder));
        }
        Ok(tree)
    }

    /// Sources below a folder.
    fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Source> {
        self.rust.iter().filter(move |source| source.path.starts_with(folder))
    }

    /// Tests of the crates, in their `tests` folders, and those that cross crates.
    fn tests(&self) -> impl Iterator<Item = &Source> {
        self.rust.iter().filter(|source| {
            let parts: Vec<_> = source.path.iter().collect();
            source.path.starts_with("tests/tests")
                || parts.first().is_some_and(|part| *part == "host")
                    && parts.get(2).is_some_and(|part| *part == "tests")
        })
    }

    #[cfg(test)]
    fn of(files: &[(&str, &str)]) -> Self {
        Self::read(tree::sample(files).path()).expect("readable")
    }
}

/// What stands between the `sh` fences of a page.
fn fenced(page: &str) -> String {
    let inside = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    inside.collect::<Vec<_>>().join("\n")
}

/// The texts of findings.
#[cfg(test)]
fn texts(findings: Vec<Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.text).collect()
}
