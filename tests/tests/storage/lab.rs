//! A daemon with a pool in a directory of its own.

use std::path::PathBuf;

use reeve_model::api::ConsoleOptions;
use reeve_tests::{Daemon, Run};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::PATIENCE;

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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut text = String::new();
        let read = async {
            let mut console = self.daemon.client().console(domain, &ConsoleOptions::default()).await?;
            let mut bytes = [0; 4096];
            if !command.is_empty() {
                // What was said before is no answer.
                let quiet = std::time::Duration::from_millis(300);
                while let Ok(length) = tokio::time::timeout(quiet, console.read(&mut bytes)).await {
                    anyhow::ensure!(length? > 0, "the console ended");
                }
                console.write_all(command.as_bytes()).await?;
            }
            while !text.contains(words) {
                let length = console.read(&mut bytes).await?;
                anyhow::ensure!(length > 0, "the console ended after: {text}");
                text.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            anyhow::Ok(())
        };
        let said = runtime.block_on(async { tokio::time::timeout(PATIENCE, read).await });
        said.map_err(|_late| anyhow::anyhow!("the guest says no more than this: {text}"))??;
        Ok(text)
    }

    /// What a command says as JSON.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        Ok(serde_json::from_str(&self.reeve(&arguments)?.ok())?)
    }

    /// Names of the volumes of a pool.
    pub fn volumes(&self, pool: &str) -> anyhow::Result<Vec<String>> {
        let rows = self.json(&["vol", "list", pool])?;
        let names = rows.as_array().into_iter().flatten().filter_map(|row| row["name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }
}

/// Runs a program of the machine and gives what it printed.
pub fn program(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "a test uses the machine as an operator does")]
    let done = std::process::Command::new(name).args(arguments).output()?;
    anyhow::ensure!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?)
}
