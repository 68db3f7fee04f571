//! A daemon with one guest.

use std::path::PathBuf;

use anyhow::Context as _;
use reeve_tests::{Daemon, Guest, Run};
use rustix::process::Pid;
use serde_json::Value;
use tempfile::TempDir;

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
        self.daemon.json(arguments)
    }

    /// The worker of the domain.
    pub fn worker(&self) -> anyhow::Result<Pid> {
        let pid = self.json(&["domain", "info", "web"])?["worker_pid"].as_i64();
        let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        pid.context("the domain has no worker")
    }

    /// State of the domain.
    pub fn state(&self) -> anyhow::Result<String> {
        Ok(self.reeve(&["domain", "state", "web"])?.ok().trim_end().to_owned())
    }

    /// Sends a command to the guest and reads its console, what it said before included, until it says these words.
    pub fn console(&self, command: &str, words: &str) -> anyhow::Result<String> {
        self.daemon.console("web", command, words)
    }
}
