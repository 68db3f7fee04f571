//! A daemon with one guest whose memory, disks and clocks are known.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use reeve_model::api::ConsoleOptions;
use reeve_tests::{Daemon, Guest, Run};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Outcome, PATIENCE};

const IMAGE: u64 = 8 << 20;

pub struct Lab {
    pub daemon: Daemon,
    pub place: TempDir,
    /// Of a domain that is to keep it.
    pub uuid: String,
}

/// What a guest keeps in mind.
pub struct Known {
    pub disk_sum: String,
    pub since_boot_ms: u64,
}

impl Lab {
    /// A daemon with the domain `web`, which is defined and has the disk `vda`.
    pub fn start() -> anyhow::Result<Self> {
        Self::with_memory(64)
    }

    /// One whose domain has so much memory.
    pub fn with_memory(mib: u64) -> anyhow::Result<Self> {
        let daemon = Daemon::start()?;
        let uuid = daemon.own_uuid();
        let lab = Self { daemon, place: tempfile::tempdir()?, uuid };
        for name in ["vda", "vdb"] {
            File::create(lab.path(name))?.set_len(IMAGE)?;
        }
        let small = "<memory unit='MiB'>64<";
        lab.define(&lab.document("web").replace(small, &format!("<memory unit='MiB'>{mib}<")))?;
        Ok(lab)
    }

    pub fn document(&self, name: &str) -> String {
        let devices = format!("<serial type='pty'><target port='0'/></serial>{}", self.disk("vda"));
        let guest = Guest::locate().expect("the guest is built");
        guest.document_with(name, 64, "", &format!("{devices}<memballoon model='virtio'/>"))
    }

    pub fn disk(&self, name: &str) -> String {
        let path = self.path(name).display().to_string();
        format!("<disk type='file'><source file='{path}'/><target dev='{name}' bus='virtio'/></disk>")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// A path as an argument.
    pub fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub fn reeve(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        self.daemon.reeve(arguments)
    }

    pub fn define(&self, document: &str) -> Outcome {
        let run = self.daemon.reeve_with_input(&["domain", "define", "-"], document)?;
        anyhow::ensure!(run.code == 0, "{run:?}");
        Ok(())
    }

    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        self.daemon.json(arguments)
    }

    pub fn state(&self) -> anyhow::Result<String> {
        let info = self.json(&["domain", "info", "web"])?;
        Ok(info["state"].as_str().context("a domain has a state")?.to_owned())
    }

    /// Files in the directory of managed saves.
    pub fn managed(&self) -> Vec<PathBuf> {
        entries(&self.daemon.root().join("var/lib/reeve/save"))
    }

    /// Lets the guest do something and gives its answer.
    pub fn ask(&self, command: &str) -> anyhow::Result<String> {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        // A console says first what it said before: only what has this call's own number is an answer to it.
        let call = CALLS.fetch_add(1, Ordering::Relaxed);
        let (begin, done) = (format!("begin-{call}."), format!("done-{call}."));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut console = self.daemon.client().console("web", &ConsoleOptions::default()).await?;
            let (mut said, mut bytes, end) = (String::new(), [0; 4096], Instant::now() + PATIENCE);
            let mut told = 0;
            loop {
                anyhow::ensure!(Instant::now() < end, "the guest says no more than '{said}'");
                if told == 0 {
                    console.write_all(format!("ping {begin}\n").as_bytes()).await?;
                } else if told == 1 {
                    console.write_all(format!("{command}\nping {done}\n").as_bytes()).await?;
                    told = 2;
                }
                let pause = std::time::Duration::from_millis(500);
                if let Ok(length) = tokio::time::timeout(pause, console.read(&mut bytes)).await {
                    let length = length?;
                    anyhow::ensure!(length > 0, "the console ended after '{said}'");
                    said.push_str(&String::from_utf8_lossy(&bytes[..length]));
                }
                if told == 0 && said.contains(&format!("ok pong {begin}")) {
                    told = 1;
                }
                let answer = said.rsplit(&format!("ok pong {begin}")).next().unwrap_or_default();
                if told == 2
                    && let Some((answer, _)) = answer.split_once(&format!("ok pong {done}"))
                {
                    return Ok(answer.trim().to_owned());
                }
            }
        })
    }

    /// Sends a command and waits until the guest says these words; a machine that was restored has said nothing yet.
    pub fn tell(&self, command: &str, words: &str) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut said = String::new();
        let hear = async {
            let mut console = self.daemon.client().console("web", &ConsoleOptions::default()).await?;
            console.write_all(format!("{command}\n").as_bytes()).await?;
            let mut bytes = [0; 4096];
            while !said.contains(words) {
                let length = console.read(&mut bytes).await?;
                anyhow::ensure!(length > 0, "the console ended after '{said}'");
                said.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            anyhow::Ok(())
        };
        let heard = runtime.block_on(async { tokio::time::timeout(PATIENCE, hear).await });
        heard.map_err(|_late| anyhow::anyhow!("the guest says no more than '{said}'"))?
    }

    /// Asks for something that must succeed.
    pub fn told(&self, command: &str) -> anyhow::Result<String> {
        let answer = self.ask(command)?;
        anyhow::ensure!(answer.lines().any(|line| line.starts_with("ok")), "'{command}': {answer}");
        Ok(answer)
    }

    /// Starts the guest and gives it something to remember.
    pub fn boot(&self) -> anyhow::Result<Known> {
        self.reeve(&["domain", "start", "web"])?.ok();
        self.told("mem write 0x5151 32")?;
        let written = self.told("disk write 0 0 64 0x7777")?;
        self.told("disk flush 0")?;
        Ok(Known { disk_sum: field(&written, "sum"), since_boot_ms: self.clock()? })
    }

    fn clock(&self) -> anyhow::Result<u64> {
        let ticks = self.told("ticks 100")?;
        anyhow::ensure!(field(&ticks, "ticks").parse::<u64>()? >= 1, "the timer stands: {ticks}");
        Ok(field(&ticks, "since_boot_ms").parse()?)
    }

    /// The guest remembers, its clocks go on, its devices work.
    pub fn remembers(&self, known: &mut Known) -> Outcome {
        self.told("mem verify 0x5151 32")?;
        anyhow::ensure!(field(&self.told("disk sum 0 0 64")?, "sum") == known.disk_sum, "the disk changed");
        let clock = self.clock()?;
        let before = known.since_boot_ms;
        anyhow::ensure!(
            clock >= before && clock < before + 300_000,
            "{clock} ms since boot after {before} ms"
        );
        let written = self.told(&format!("disk write 0 0 64 {clock}"))?;
        (known.disk_sum, known.since_boot_ms) = (field(&written, "sum"), clock);
        anyhow::ensure!(self.told("irq test")?.contains("disk0="), "the disk interrupts");
        Ok(())
    }
}

pub fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// A field of an answer.
pub fn field(answer: &str, name: &str) -> String {
    let words = answer.split_whitespace().filter_map(|word| word.split_once('='));
    words.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back().unwrap_or_default()
}
