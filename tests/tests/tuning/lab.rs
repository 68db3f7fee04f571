//! A daemon with a guest, and what the kernel says about its worker.

use std::path::PathBuf;

use anyhow::Context as _;
use reeve_tests::{Daemon, Guest, Run};
use serde_json::Value;

/// Controllers of version 1 that a worker is put below.
pub const CONTROLLERS: [&str; 4] = ["cpu", "cpuacct", "memory", "blkio"];

pub struct Lab {
    pub daemon: Daemon,
    uuid: String,
}

impl Lab {
    /// A daemon with the domain `web` of two vCPUs, defined; `tuning` goes into its document, `cmdline` to its guest.
    pub fn with(tuning: &str, cmdline: &str) -> anyhow::Result<Self> {
        Self::with_devices(tuning, cmdline, "")
    }

    /// As [`Self::with`], with devices.
    pub fn with_devices(tuning: &str, cmdline: &str, devices: &str) -> anyhow::Result<Self> {
        let daemon = Daemon::start()?;
        // No other daemon of this machine has a domain of that UUID: the groups of all are in one directory.
        let uuid = daemon.own_uuid();
        let lab = Self { daemon, uuid };
        lab.define(tuning, cmdline, devices)?;
        Ok(lab)
    }

    /// Defines `web` anew.
    pub fn define(&self, tuning: &str, cmdline: &str, devices: &str) -> anyhow::Result<Run> {
        let serial = "<serial type='pty'><target port='0'/></serial>";
        let devices = format!("{serial}{devices}");
        let document = Guest::locate()?.document_with("web", 64, cmdline, &devices);
        let identity = format!("<uuid>{}</uuid><vcpu>2</vcpu>{tuning}", self.uuid);
        let document = document.replace("<vcpu>1</vcpu>", &identity);
        let run = self.daemon.reeve_with_input(&["domain", "define", "-"], &document)?;
        anyhow::ensure!(run.code == 0, "{run:?}");
        Ok(run)
    }

    /// `reeve domain VERB web …`, which must be done.
    pub fn domain(&self, verb: &str, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(self.daemon.reeve(&[&["domain", verb, "web"][..], arguments].concat())?.ok())
    }

    /// What a command says as JSON.
    pub fn json(&self, verb: &str, arguments: &[&str]) -> anyhow::Result<Value> {
        let text = self.domain(verb, &[arguments, &["-o", "json"]].concat())?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Gives the guest a line, and waits until it says what is expected.
    pub fn console(&self, line: &str, expected: &str) -> anyhow::Result<()> {
        self.daemon.console("web", line, expected).map(drop)
    }

    /// Process id of the worker.
    pub fn worker(&self) -> anyhow::Result<u32> {
        let pid = self.json("info", &[])?["worker_pid"].as_u64().context("the domain has no worker")?;
        Ok(u32::try_from(pid)?)
    }

    /// UUID of the domain.
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Threads of the worker: name and the host CPUs that the kernel lets it run on.
    pub fn threads(&self) -> anyhow::Result<Vec<(String, String)>> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.worker()?))?;
        let mut all = Vec::new();
        for task in tasks {
            // One that has just ended is none.
            let Ok(status) = std::fs::read_to_string(task?.path().join("status")) else { continue };
            let field = |key: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
                line.unwrap_or_default().trim().to_owned()
            };
            all.push((field("Name"), field("Cpus_allowed_list")));
        }
        Ok(all)
    }

    /// A field of /proc/PID/status in KiB.
    pub fn status_kib(&self, key: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.worker()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        Ok(line.and_then(|line| line.split_whitespace().next()).context("no such field")?.parse()?)
    }

    /// A file of the worker's group of a controller; none where this host has no such hierarchy of version 1.
    pub fn group_file(&self, controller: &str, file: &str) -> anyhow::Result<Option<String>> {
        let Some(group) = hierarchy(controller) else { return Ok(None) };
        let path = group.join("reeve").join(&self.uuid).join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        Ok(Some(text.trim().to_owned()))
    }

    /// CPU time of a vCPU in nanoseconds.
    pub fn vcpu_time(&self, vcpu: usize) -> anyhow::Result<u64> {
        self.json("vcpuinfo", &[])?[vcpu]["time_ns"].as_u64().context("CPU time of a vCPU")
    }
}

/// Where a controller of version 1 is mounted.
pub fn hierarchy(controller: &str) -> Option<PathBuf> {
    let path = PathBuf::from("/sys/fs/cgroup").join(controller);
    (path.join("tasks").exists() && rustix::process::geteuid().is_root()).then_some(path)
}

/// Directories of groups that a domain still has.
pub fn groups_of(uuid: &str) -> Vec<PathBuf> {
    let bases = [&CONTROLLERS[..], &["cpuset"]].concat().into_iter().filter_map(hierarchy);
    let paths = bases.map(|base| base.join("reeve").join(uuid));
    paths.filter(|path| path.exists()).collect()
}
