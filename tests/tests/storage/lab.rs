//! A daemon with a pool in a directory of its own.

use std::path::PathBuf;

use reeve_tests::{Daemon, Run};
use serde_json::Value;
use tempfile::TempDir;

pub struct Lab {
    pub daemon: Daemon,
    pub place: TempDir,
}

impl Lab {
    /// A daemon that is ready.
    pub fn start() -> anyhow::Result<Self> {
        Ok(Self { daemon: Daemon::start()?, place: tempfile::tempdir()? })
    }

    /// A daemon with the directory pool `lab` that runs.
    pub fn with_pool() -> anyhow::Result<Self> {
        let lab = Self::start()?;
        let path = lab.images().display().to_string();
        lab.reeve(&["pool", "define-as", "lab", "dir", "-", "-", "-", "-", &path])?.ok();
        lab.reeve(&["pool", "build", "lab"])?.ok();
        lab.reeve(&["pool", "start", "lab"])?.ok();
        Ok(lab)
    }

    /// Directory of the pool.
    pub fn images(&self) -> PathBuf {
        self.place.path().join("images")
    }

    /// `reeve` with these arguments.
    pub fn reeve(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        self.daemon.reeve(arguments)
    }

    /// Defines a domain.
    pub fn define(&self, document: &str) -> anyhow::Result<Run> {
        let run = self.daemon.reeve_with_input(&["domain", "define", "-"], document)?;
        anyhow::ensure!(run.code == 0, "{run:?}");
        Ok(run)
    }

    /// Sends a command to a guest and reads its console, what it said before included, until it says these words.
    pub fn console(&self, domain: &str, command: &str, words: &str) -> anyhow::Result<String> {
        self.daemon.console(domain, command, words)
    }

    /// What a command says as JSON.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        self.daemon.json(arguments)
    }

    /// Names of the volumes of a pool.
    pub fn volumes(&self, pool: &str) -> anyhow::Result<Vec<String>> {
        let rows = self.json(&["vol", "list", pool])?;
        let names = rows.as_array().into_iter().flatten().filter_map(|row| row["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }
}
