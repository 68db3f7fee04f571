//! A daemon with one guest.

use std::path::PathBuf;

use reeve_model::api::ConsoleOptions;
use reeve_tests::{Daemon, Guest, Run};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::PATIENCE;

/// A console for the test's commands, and the channel of the guest's agent.
pub const AGENT: &str = "<console type='pty'><target type='virtio' port='0'/></console>\
     <channel type='unix'><source mode='bind'/><target type='virtio' name='org.qemu.guest_agent.0'/></channel>";

pub struct Lab {
    pub daemon: Daemon,
    pub place: TempDir,
}

impl Lab {
    /// A daemon with the guest `web` that runs and is ready.
    pub fn with_guest(devices: &str) -> anyhow::Result<Self> {
        let lab = Self::with_domain(devices)?;
        lab.reeve(&["domain", "start", "web"])?.ok();
        lab.console("", "reeve-guest: ready")?;
        Ok(lab)
    }

    /// A daemon with the domain `web` that does not run.
    pub fn with_domain(devices: &str) -> anyhow::Result<Self> {
        let lab = Self { daemon: Daemon::start()?, place: tempfile::tempdir()? };
        lab.define(devices)?.ok();
        Ok(lab)
    }

    /// Defines the domain again.
    pub fn define(&self, devices: &str) -> anyhow::Result<Run> {
        let devices = devices.replace("PLACE", &self.place.path().display().to_string());
        let document =
            Guest::locate()?.document_with("web", 64, "", &devices).replace("<vcpu>1<", "<vcpu>2<");
        self.daemon.reeve_with_input(&["domain", "define", "-"], &document)
    }

    /// A file of the test.
    pub fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// `reeve` with these arguments.
    pub fn reeve(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        self.daemon.reeve(arguments)
    }

    /// What a command says as JSON.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        Ok(serde_json::from_str(&self.reeve(&arguments)?.ok())?)
    }

    /// State of the domain.
    pub fn state(&self) -> anyhow::Result<String> {
        Ok(self.reeve(&["domain", "state", "web"])?.ok().trim_end().to_owned())
    }

    /// Sends a command to the guest and reads its console, what it said before included, until it says these words.
    pub fn console(&self, command: &str, words: &str) -> anyhow::Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut text = String::new();
        let read = async {
            let mut console = self.daemon.client().console("web", &ConsoleOptions::default()).await?;
            let mut bytes = [0; 4096];
            if !command.is_empty() {
                // What was said before is no answer.
                let quiet = std::time::Duration::from_millis(300);
                while let Ok(length) = tokio::time::timeout(quiet, console.read(&mut bytes)).await {
                    anyhow::ensure!(length? > 0, "the console ended");
                }
                console.write_all(format!("{command}\n").as_bytes()).await?;
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
}
