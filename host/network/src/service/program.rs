//! The program: its files, how it is started, found and ended.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reeve_sys::process::{Process, Program};
use reeve_sys::procfs;
use rustix::process::{Signal, pidfd_send_signal};
use uuid::Uuid;

use crate::{Host, NetworkError};

/// How long it may take until it serves.
const STARTING: Duration = Duration::from_secs(15);
/// How long it may take to end by itself.
const ENDING: Duration = Duration::from_secs(3);
/// How often is looked whether it serves.
const LOOK: Duration = Duration::from_millis(5);

/// The files of one network's dnsmasq.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) conf: PathBuf,
    pub(super) dhcp: PathBuf,
    pub(super) hosts: PathBuf,
    pub(super) pid: PathBuf,
    pub(super) log: PathBuf,
    pub(super) leases: PathBuf,
}

impl Files {
    pub(super) fn of(host: &Host, network: Uuid) -> Result<Self, NetworkError> {
        let (run, state) = (host.run_directory()?, host.state_directory()?);
        let run = |end: &str| run.join(format!("{network}.{end}"));
        Ok(Self {
            conf: run("conf"),
            dhcp: run("dhcp"),
            hosts: run("hosts"),
            pid: run("pid"),
            log: run("log"),
            leases: state.join(format!("{network}.leases")),
        })
    }

    /// Removes what belongs to one run.
    pub(super) fn remove(&self) {
        for path in [&self.conf, &self.dhcp, &self.hosts, &self.pid, &self.log] {
            // What is not there need not be removed, and what can't be is written anew by the next run.
            let _ = std::fs::remove_file(path);
        }
    }

    fn argument(&self) -> OsString {
        let mut argument = OsString::from("--conf-file=");
        argument.push(&self.conf);
        argument
    }
}

/// Starts it and waits until it serves.
pub(super) fn start(program: &Path, network: &str, files: &Files) -> Result<Process, NetworkError> {
    let failed = |reason: String| NetworkError::Service { network: network.to_owned(), reason };
    // It says that it serves by writing this.
    let _ = std::fs::remove_file(&files.pid);
    let log = File::create(&files.log).map_err(NetworkError::file(&files.log, "made"))?;
    let argument = files.argument();
    let process = Process::spawn(&Program {
        path: program,
        args: vec![OsStr::new("--keep-in-foreground"), &argument],
        stderr: Some(log.as_fd()),
        fds: Vec::new(),
    })?;
    let deadline = Instant::now() + STARTING;
    while read_pid(files) != Some(process.pid()) {
        if process.wait(LOOK) {
            let exit = process.reap().map_or_else(|| "it ended".to_owned(), |exit| exit.to_string());
            let said = std::fs::read_to_string(&files.log).unwrap_or_default();
            let said = said.lines().map(str::trim).find(|line| !line.is_empty());
            return Err(failed(said.map_or(exit, str::to_owned)));
        }
        if Instant::now() > deadline {
            end(&process);
            return Err(failed(format!("it does not serve after {STARTING:?}")));
        }
    }
    Ok(process)
}

/// The one that runs with these files.
pub(super) fn find(files: &Files) -> Option<Process> {
    let pid = read_pid(files)?;
    let process = Process::find(pid, procfs::stat(pid)?.start_time)?;
    // Read while the process is held: its pid is that of no other.
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let ours = files.argument();
    arguments.split(|byte| *byte == 0).any(|argument| argument == ours.as_bytes()).then_some(process)
}

/// Ends it, by force if it does not want to.
pub(super) fn end(process: &Process) {
    // It fails only for one that has ended.
    let _ = pidfd_send_signal(process.pidfd(), Signal::TERM);
    if !process.wait(ENDING) {
        process.kill();
        process.wait(ENDING);
    }
    process.reap();
}

/// Makes it read its hosts again.
pub(super) fn hang_up(process: &Process) {
    let _ = pidfd_send_signal(process.pidfd(), Signal::HUP);
}

fn read_pid(files: &Files) -> Option<u32> {
    std::fs::read_to_string(&files.pid).ok()?.trim().parse().ok()
}
