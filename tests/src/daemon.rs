//! A real daemon in a directory of its own, ended with everything it started when the test ends.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use reeve_client::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::{Run, binary};
use crate::wait;

/// How long a daemon may take to be ready or to end; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a daemon is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Text of `reeve.toml`.
    pub config: String,
    /// Files below the root that are there before the start: path and content.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// More environment for the daemon.
    pub environment: Vec<(String, String)>,
    /// A program with arguments that becomes the daemon, e.g. `ip netns exec NAME`; empty starts the daemon itself.
    pub through: Vec<String>,
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    root: TempDir,
    options: Options,
    child: Option<Child>,
}

impl Daemon {
    /// A daemon with the default configuration, ready to serve.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(Options::default())
    }

    /// A daemon as `options` say, ready to serve.
    pub fn start_with(options: Options) -> anyhow::Result<Self> {
        let root = tempfile::Builder::new().prefix("reeve-test-").tempdir()?;
        let config = (PathBuf::from("etc/reeve/reeve.toml"), options.config.clone().into_bytes());
        for (path, content) in options.files.iter().chain([&config]) {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().context("a file has a directory")?)?;
            std::fs::write(path, content)?;
        }
        let mut daemon = Self { root, options, child: None };
        daemon.launch()?;
        Ok(daemon)
    }

    /// Starts the daemon again in the same root after [`Self::stop`] or [`Self::kill`].
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log_file())?;
        #[expect(clippy::disallowed_methods, reason = "a test starts the product as a user does")]
        let mut command = match self.options.through.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary()?);
                command
            }
            None => Command::new(binary()?),
        };
        command.arg("daemon").arg("--root").arg(self.root());
        command.envs(self.options.environment.iter().map(|(key, value)| (key, value)));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().context("standard output was piped")?;
        self.child = Some(child);
        let (told, ready) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            // The receiver may have given up.
            let _ = told.send(read.is_ok_and(|length| length > 0) && line.contains("is ready on"));
        });
        match ready.recv_timeout(PATIENCE) {
            Ok(true) => Ok(()),
            _ => anyhow::bail!("the daemon did not become ready; its log:\n{}", self.log()),
        }
    }

    /// The directory that holds all files of this host.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Process id of the daemon.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// A UUID for a domain that no daemon beside this one has: workers of one would be in the control group of the other's.
    pub fn own_uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.pid())
    }

    /// How many descriptors the daemon has open.
    pub fn open_fds(&self) -> anyhow::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid()))?.count())
    }

    /// A client of this daemon.
    pub fn client(&self) -> Client {
        Client::new(self.root().join("run/reeve/reeve.sock"))
    }

    /// What the daemon has logged, over all its runs.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Runs the command line against this daemon.
    pub fn reeve(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        Run::reeve(self.root(), arguments, "", &[])
    }

    /// Runs the command line with text on its standard input.
    pub fn reeve_with_input(&self, arguments: &[&str], input: &str) -> anyhow::Result<Run> {
        Run::reeve(self.root(), arguments, input, &[])
    }

    /// What a command says as JSON; an error where it fails.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let run = self.reeve(&[arguments, &["-o", "json"]].concat())?;
        anyhow::ensure!(run.code == 0, "{run:#?}");
        Ok(serde_json::from_str(&run.stdout)?)
    }

    /// Writes a file into the root and gives its path.
    pub fn file(&self, name: &str, content: &str) -> anyhow::Result<String> {
        let path = self.root().join(name);
        std::fs::write(&path, content)?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Sends a signal to the daemon.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid =
            i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("the daemon does not run")?;
        kill_process(pid, signal).context("the daemon is gone")
    }

    /// The process of a running domain.
    pub fn worker(&self, domain: &str) -> anyhow::Result<Pid> {
        let info = self.json(&["domain", "info", domain])?;
        worker_in(&info).with_context(|| format!("domain '{domain}' has no worker"))
    }

    /// Kills the process of a running domain with -9.
    pub fn kill_worker(&self, domain: &str) -> anyhow::Result<()> {
        kill_process(self.worker(domain)?, Signal::KILL).context("the worker is gone")
    }

    /// Ends the daemon as an operator does; domains keep running.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait()
    }

    /// Kills the daemon with -9; domains keep running.
    pub fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::KILL)?;
        self.wait()
    }

    /// Waits for the end of the daemon.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let mut child = self.child.take().context("the daemon does not run")?;
        let mut ended = None;
        let waited = wait::until("the daemon ends", PATIENCE, || {
            ended = child.try_wait().ok().flatten();
            ended.is_some()
        });
        if waited.is_err() {
            child.kill()?;
            child.wait()?;
        }
        waited?;
        ended.context("the daemon has ended")
    }

    fn log_file(&self) -> PathBuf {
        self.root().join("daemon.log")
    }

    /// Ends every domain, so that no worker outlives the test.
    fn end_domains(&self) -> anyhow::Result<()> {
        let rows = self.reeve(&["domain", "list", "--uuid"])?;
        for uuid in rows.stdout.lines().filter(|line| !line.is_empty()) {
            let info = self.reeve(&["domain", "info", uuid, "--output", "json"])?;
            if self.reeve(&["domain", "destroy", uuid])?.code == 0 {
                continue;
            }
            // A policy of the test may deny it; the process is ours all the same.
            let info: Value = serde_json::from_str(&info.stdout)?;
            if let Some(worker) = worker_in(&info) {
                kill_process(worker, Signal::KILL)?;
            }
        }
        Ok(())
    }
}

fn worker_in(info: &Value) -> Option<Pid> {
    info["worker_pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A worker can only be ended through a daemon; a test that killed the last one gets another for that.
        let workers = std::fs::read_dir(self.root().join("run/reeve/domains"))
            .is_ok_and(|mut all| all.next().is_some());
        if workers && self.child.is_none() {
            let _ = self.launch();
        }
        if self.child.is_some() {
            // What fails here fails in a test that is over.
            let _ = self.end_domains();
            let _ = self.stop();
        }
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the log belongs to the failure that is being reported")]
            {
                eprintln!("log of the daemon:\n{}", self.log());
            }
        }
    }
}
