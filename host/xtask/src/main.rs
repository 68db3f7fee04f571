//! Project tasks, run as `cargo xtask TASK`: one file a task.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the person who runs it")]
#![allow(
    clippy::disallowed_methods,
    reason = "tasks start cargo, apt-get and the product's own binary directly"
)]

mod bench;
mod build;
mod ci;
mod demo;
mod fuzz;
mod guest;
mod policies;
mod project;
mod reference;
mod setup;
mod test;
mod tidy;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::project::Project;

/// Builds, tests, shows and checks the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything and show it: a daemon in a private root, real guests under policy, the decision log
    Demo {
        #[command(flatten)]
        install: Install,
        /// Leave the private root and its logs behind and say where
        #[arg(long)]
        keep: bool,
        /// Play with what was built before
        #[arg(long)]
        no_build: bool,
    },
    /// Build everything and run all tests; ends with a table of skipped tests and one line of counts
    Test {
        #[command(flatten)]
        install: Install,
        /// Write the results, skips with their reasons, as JUnit XML
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        /// Fail if a test of a lane that needs no special machine (A, C) was skipped
        #[arg(long)]
        strict: bool,
        /// Only tests whose name contains this
        filter: Option<String>,
    },
    /// Build the test guest, the policies and the host
    Build {
        #[command(flatten)]
        install: Install,
    },
    /// Build the shipped policies and the hostile test policies to target/policies and target/test-policies
    Policies {
        /// Only the policy in this folder, a crate of its own, to target/own-policies
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Build the test guest to target/guest/reeve-guest.elf
    Guest,
    /// Install the Debian packages the other tasks need, and the compilers of policies that are not in Debian
    Setup {
        #[command(flatten)]
        install: Install,
    },
    /// Measure against peers; one JSON object a line with --json
    Bench {
        /// Only this area (hooks, boot, list, …)
        area: Option<String>,
        /// Machine-readable rows
        #[arg(long)]
        json: bool,
    },
    /// Fuzz the parsers of hostile bytes: all targets of tests/fuzz one after the other, or one
    Fuzz {
        #[command(flatten)]
        install: Install,
        /// How long each target runs
        #[arg(long, value_name = "N", default_value_t = 60)]
        seconds: u32,
        /// Only this target
        target: Option<String>,
    },
    /// Check the rules that no compiler checks: layers, file sizes, names, frozen contracts
    Tidy {
        /// Record the digests of the contract as it is now: only when a new version is released
        #[arg(long)]
        freeze: bool,
    },
    /// Write wit/REFERENCE.md, the contract as one page
    Reference,
    /// Everything continuous integration runs
    Ci,
}

#[derive(Args, Clone, Copy)]
struct Install {
    /// Install nothing: name what is missing and stop
    #[arg(long)]
    no_install: bool,
}

fn main() -> ExitCode {
    let command = Command::parse();
    match run(command.task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let project = Project::locate()?;
    match task {
        Task::Demo { install, keep, no_build } => {
            if !no_build {
                setup::run(setup::Need::Everything, !install.no_install)?;
                build::run(&project)?;
            }
            demo::run(&project, keep)
        }
        Task::Test { install, junit, strict, filter } => {
            test::run(&project, &test::Options { install: !install.no_install, junit, strict, filter })
        }
        Task::Build { install } => {
            setup::run(setup::Need::Build, !install.no_install)?;
            build::run(&project)
        }
        Task::Policies { dir: Some(dir) } => policies::run_one(&project, &dir),
        Task::Policies { dir: None } => policies::run(&project),
        Task::Guest => guest::run(&project).map(|elf| println!("{}", elf.display())),
        Task::Setup { install } => {
            setup::run(setup::Need::Everything, !install.no_install)?;
            tools::install(&project, !install.no_install)
        }
        Task::Bench { area, json } => bench::run(&project, area.as_deref(), json),
        Task::Fuzz { install, seconds, target } => {
            fuzz::run(&project, &fuzz::Options { target, seconds, install: !install.no_install })
        }
        Task::Tidy { freeze } => tidy::run(&project, freeze),
        Task::Reference => reference::run(&project),
        Task::Ci => ci::run(&project),
    }
}
