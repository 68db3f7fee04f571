//! Two daemons, and a domain with a disk that both of them see.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use reeve_tests::{Authority, Daemon, Guest, Options, Run, free_port, wait};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Outcome, PATIENCE};

pub struct Pair {
    pub source: Daemon,
    pub target: Daemon,
    pub place: TempDir,
    /// Addresses of source and target, where they are not their sockets.
    pub addresses: Option<(String, String)>,
}

/// Addresses of this machine that two hosts have.
pub const HOSTS: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

/// Configuration of a host that has no groups for its workers.
pub const NO_GROUPS: &str = "[workers]\ncgroup = ''\n";

impl Pair {
    /// Both daemons; domain `guest` runs at the source, with a pattern in its memory.
    pub fn with_guest(memory_mib: u64) -> anyhow::Result<Self> {
        Self { source: host()?, target: host()?, place: tempfile::tempdir()?, addresses: None }
            .boot(memory_mib)
    }

    /// Both daemons, which reach each other over TLS alone.
    pub fn over_tls(memory_mib: u64) -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let place = tempfile::tempdir()?;
        for host in HOSTS {
            authority.issue(&place.path().join(host), host, 2090)?;
        }
        Self::with_certificates(place, "")?.boot(memory_mib)
    }

    /// Both daemons with certificates that are in directories of their names, and more lines for the configuration.
    pub fn with_certificates(place: TempDir, more: &str) -> anyhow::Result<Self> {
        let ports = [free_port(HOSTS[0])?, free_port(HOSTS[1])?];
        let host = |index: usize| {
            let config = network_config(place.path(), index, ports[index], more);
            Daemon::start_with(Options { config, ..Options::default() })
        };
        let (source, target) = (host(0)?, host(1)?);
        let [one, other] = [0, 1].map(|index| format!("qemu+tls://{}:{}/system", HOSTS[index], ports[index]));
        Ok(Self { source, target, place, addresses: Some((one, other)) })
    }

    /// The domain `guest` is defined and runs at the source, with a pattern in its memory and its disk on an I/O thread.
    pub fn boot(self, memory_mib: u64) -> anyhow::Result<Self> {
        let pair = self;
        File::create(pair.disk())?.set_len(1 << 20)?;
        let devices = format!(
            "<disk type='file'><driver type='raw' iothread='1'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>\
             <serial type='pty'><target port='0'/></serial>",
            pair.disk().display()
        );
        let document = Guest::locate()?.document_with("guest", memory_mib, "", &devices);
        let document = document.replace("<vcpu>", "<iothreads>1</iothreads><vcpu>");
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
        if let Some((source, target)) = &mut self.addresses {
            std::mem::swap(source, target);
        }
    }

    /// The address of the target.
    pub fn destination(&self) -> String {
        if let Some((_, target)) = &self.addresses {
            return target.clone();
        }
        format!("reeve+unix://{}", self.target.root().join("run/reeve/reeve.sock").display())
    }

    /// Migrates the guest with these options.
    pub fn migrate(&self, options: &[&str]) -> anyhow::Result<Run> {
        self.migrate_to(&self.destination(), options)
    }

    /// Migrates the guest to the host at an address.
    pub fn migrate_to(&self, uri: &str, options: &[&str]) -> anyhow::Result<Run> {
        let arguments: Vec<&str> =
            ["domain", "migrate", "guest", uri].into_iter().chain(options.iter().copied()).collect();
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
            is_active(&self.source).unwrap_or(false) && self.target.worker("guest").is_ok()
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

/// A host that only its socket leads to. Both are this machine, and would have the domain in the same group.
pub fn host() -> anyhow::Result<Daemon> {
    Daemon::start_with(Options { config: NO_GROUPS.to_owned(), ..Options::default() })
}

/// The configuration of a host that speaks with others over TLS.
pub fn network_config(place: &Path, index: usize, port: u16, more: &str) -> String {
    let (own, other, files) = (HOSTS[index], HOSTS[1 - index], place.join(HOSTS[index]));
    let files = files.display();
    let peers = if more.contains("peers") { String::new() } else { format!("peers = ['{other}']\n") };
    format!(
        "[workers]\ncgroup = ''\n[migration]\nlisten = '{own}:{port}'\naddress = '{own}:{port}'\n{peers}{more}\n\
         [migration.tls]\nca = '{files}/ca.pem'\nserver-certificate = '{files}/cert.pem'\nserver-key = '{files}/key.pem'\n\
         client-certificate = '{files}/cert.pem'\nclient-key = '{files}/key.pem'\n"
    )
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

/// Sends a line to the guest and reads its console until it says these words.
pub fn say(daemon: &Daemon, line: &str, words: &str) -> anyhow::Result<String> {
    daemon.console("guest", line, words)
}
