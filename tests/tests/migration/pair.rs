//! Two daemons, and a domain with a disk that both of them see.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use reeve_tests::{Daemon, Guest, Options, Run, wait};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Outcome, PATIENCE};

pub struct Pair {
    pub source: Daemon,
    pub target: Daemon,
    pub place: TempDir,
}

impl Pair {
    /// Both daemons; domain `guest` runs at the source, with a pattern in its memory.
    pub fn with_guest(memory_mib: u64) -> anyhow::Result<Self> {
        // Both hosts are this machine, and would have the domain in the same group.
        let config = "[workers]\ncgroup = ''\n".to_owned();
        let host = || Daemon::start_with(Options { config: config.clone(), ..Options::default() });
        let pair = Self { source: host()?, target: host()?, place: tempfile::tempdir()? };
        File::create(pair.disk())?.set_len(1 << 20)?;
        let devices = format!(
            "<disk type='file'><source file='{}'/><target dev='vda' bus='virtio'/></disk>\
             <serial type='pty'><target port='0'/></serial>",
            pair.disk().display()
        );
        let document = Guest::locate()?.document_with("guest", memory_mib, "", &devices);
        pair.source.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
        pair.source.reeve(&["domain", "start", "guest"])?.ok();
        say(&pair.source, "", "reeve-guest: ready")?;
        say(&pair.source, "mem write 77 24\n", "ok write")?;
        say(&pair.source, "disk put 0 3 before-the-move\n", "ok")?;
        Ok(pair)
    }

    pub fn disk(&self) -> PathBuf {
        self.place.path().join("disk.img")
    }

    /// Other roles: what was the target is the source.
    pub fn turn_around(&mut self) {
        std::mem::swap(&mut self.source, &mut self.target);
    }

    /// The address of the target.
    pub fn destination(&self) -> String {
        format!("reeve+unix://{}", self.target.root().join("run/reeve/reeve.sock").display())
    }

    /// Migrates the guest with these options.
    pub fn migrate(&self, options: &[&str]) -> anyhow::Result<Run> {
        let uri = self.destination();
        let arguments: Vec<&str> =
            ["domain", "migrate", "guest", uri.as_str()].into_iter().chain(options.iter().copied()).collect();
        self.source.reeve(&arguments)
    }

    /// Runs a slow migration in a thread of its own, and `during` once it has begun; how the migration went.
    pub fn slowly(&mut self, during: impl FnOnce(&mut Self) -> Outcome) -> anyhow::Result<Run> {
        self.slowly_with(&[], during)
    }

    /// The same with more options.
    pub fn slowly_with(
        &mut self,
        options: &[&'static str],
        during: impl FnOnce(&mut Self) -> Outcome,
    ) -> anyhow::Result<Run> {
        self.source.reeve(&["domain", "migrate-setspeed", "guest", "4"])?.ok();
        let (root, uri) = (self.source.root().to_owned(), self.destination());
        let options = options.to_vec();
        let moving = std::thread::spawn(move || {
            let arguments = [&["domain", "migrate", "guest", uri.as_str(), "--live"], &options[..]].concat();
            Run::reeve(&root, &arguments, "", &[])
        });
        wait::until("the migration begins", PATIENCE, || {
            is_active(&self.source).unwrap_or(false) && worker(&self.target).is_ok()
        })?;
        let done = during(self);
        let run = moving.join().map_err(|_| anyhow::anyhow!("the migration panicked"))?;
        done?;
        run
    }

    /// Memory and disk of the guest are what they were.
    pub fn is_intact(&self, at: &Daemon) -> Outcome {
        say(at, "mem verify 77 24\n", "ok verify")?;
        say(at, "disk read 0 3\n", "text=before-the-move")?;
        say(at, "disk put 0 9 after-the-move\n", "ok")?;
        say(at, "disk flush 0\n", "ok")?;
        let mut sector = [0; 14];
        File::open(self.disk())?.read_exact_at(&mut sector, 9 * 512)?;
        anyhow::ensure!(&sector == b"after-the-move", "the disk has {sector:?}");
        Ok(())
    }
}

/// The state of the guest at a host, `absent` where there is none.
pub fn state(daemon: &Daemon) -> anyhow::Result<String> {
    let run = daemon.reeve(&["domain", "state", "guest", "-o", "json"])?;
    if run.code == 3 {
        return Ok("absent".to_owned());
    }
    let row: Value = serde_json::from_str(&run.ok())?;
    Ok(row["state"].as_str().unwrap_or_default().to_owned())
}

/// Whether a migration is under way at a host.
pub fn is_active(daemon: &Daemon) -> anyhow::Result<bool> {
    Ok(daemon.json(&["domain", "domjobinfo", "guest"])?["active"] == true)
}

/// Waits for a state of the guest.
pub fn wait_for(daemon: &Daemon, wanted: &str) -> Outcome {
    wait::until(wanted, PATIENCE, || state(daemon).is_ok_and(|state| state == wanted))
}

/// Process id of the worker of the guest.
pub fn worker(daemon: &Daemon) -> anyhow::Result<i32> {
    let pid = daemon.json(&["domain", "info", "guest"])?["worker_pid"].as_i64();
    pid.and_then(|pid| i32::try_from(pid).ok()).ok_or_else(|| anyhow::anyhow!("the guest has no worker"))
}

/// Sends a line to the guest and reads its console until it says these words.
pub fn say(daemon: &Daemon, line: &str, words: &str) -> anyhow::Result<String> {
    daemon.console("guest", line, words)
}
