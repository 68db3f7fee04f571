//! Directories that are shared with guests: a virtiofsd for each, in the domain's cgroup, which speaks vhost-user with the worker.
//!
//! ```text
//!   plan: <filesystem> ─► Share (pure) ─► start: socket in the domain's directory ─ listening, fd 3 ─► virtiofsd
//!                                                  └─ connected ─► worker, which has it as a descriptor
//! ```
//!
//! It ends by itself when the worker's end of the socket is closed, however the worker ends. Until [`Shares::end`] it is in the file
//! [`PROCESSES`] of the domain's directory, where the next daemon finds it.

mod program;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reeve_model::domain::{DomainConfig, Filesystem};
use reeve_sys::cgroup::Group;
use reeve_sys::layout::DomainDirectory;
use reeve_sys::mount;
use reeve_sys::process::{Process, Program};
use reeve_sys::procfs;
use reeve_vmm::config::{DeviceConfig, DeviceKind, FilesystemConfig};
use tracing::warn;

use super::devices;
use super::plan::{Source, Sources};
use crate::driver::DriverError;
use program::Dialect;

/// Who serves the directories of a domain: a line `PID START-TIME ALIAS` each.
const PROCESSES: &str = "shares";
/// What they write to standard error.
const LOG: &str = "virtiofsd.log";
/// Where directories that are only read are mounted as such, in the domain's directory.
const READ_ONLY: &str = "shared";
/// How long one may take to end by itself, and then when it was killed.
const GRACE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// More of it than this is thrown away: a guest can make them write, and the directory may be in memory.
const LOG_LIMIT: u64 = 1 << 20;
/// Bytes of their log that go into a message.
const LOG_TAIL: usize = 300;

/// A directory to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// Alias of the device.
    alias: String,
    tag: String,
    source: PathBuf,
    /// None takes what the host has.
    program: Option<PathBuf>,
    readonly: bool,
    xattr: bool,
    cache: String,
    sandbox: String,
    threads: Option<u32>,
}

/// One shared directory of a domain.
pub(super) fn filesystem(filesystem: &Filesystem, sources: &mut Sources) -> Result<DeviceConfig, String> {
    let tag = filesystem.name();
    if filesystem.kind.as_deref().is_some_and(|kind| kind != "mount") {
        let kind = filesystem.kind.as_deref().unwrap_or_default();
        return Err(format!(
            "filesystem '{tag}' is of type '{kind}': only a directory can be shared, as 'mount'"
        ));
    }
    if filesystem.driver.as_deref() != Some("virtiofs") {
        return Err(format!(
            "filesystem '{tag}' has no driver that is there: say <driver type='virtiofs'/>, or share the directory over the network"
        ));
    }
    if let Some(mode) = filesystem.access_mode.as_deref().filter(|mode| *mode != "passthrough") {
        return Err(format!("filesystem '{tag}' has accessmode '{mode}': virtiofs has passthrough only"));
    }
    if !(1..=Filesystem::MAX_TARGET).contains(&tag.len()) {
        let most = Filesystem::MAX_TARGET;
        return Err(format!("filesystem '{tag}' can't be mounted: <target dir='…'/> has 1 to {most} bytes"));
    }
    let Some(source) = filesystem.source.as_ref().map(PathBuf::from) else {
        return Err(format!("filesystem '{tag}' has no directory: add <source dir='/…'/>"));
    };
    let program = filesystem.binary.path.as_ref().map(PathBuf::from);
    for path in [Some(&source), program.as_ref()].into_iter().flatten() {
        if !path.is_absolute() {
            return Err(format!("filesystem '{tag}': '{}' is not an absolute path", path.display()));
        }
    }
    let binary = &filesystem.binary;
    let share = Share {
        alias: devices::alias(&filesystem.common),
        tag: tag.to_owned(),
        source,
        program,
        readonly: filesystem.readonly,
        xattr: binary.xattr.unwrap_or(false),
        cache: binary.cache.clone().unwrap_or_else(|| "auto".to_owned()),
        sandbox: binary.sandbox.clone().unwrap_or_else(|| "namespace".to_owned()),
        threads: binary.thread_pool,
    };
    let queue_size = filesystem.queue.unwrap_or(Filesystem::QUEUE);
    let kind =
        FilesystemConfig { tag: tag.to_owned(), queue_size, fd: sources.add(Source::Share(Box::new(share))) };
    devices::device(&filesystem.common, DeviceKind::Filesystem(kind))
}

/// Every reason why what a domain shares can't be, as a whole.
pub(super) fn refuse_together(config: &DomainConfig, refuse: &mut impl FnMut(String)) {
    let all = &config.devices.filesystems;
    for (number, filesystem) in all.iter().enumerate() {
        if all[..number].iter().any(|other| other.target == filesystem.target) {
            refuse(format!("two filesystems have the target '{}'", filesystem.name()));
        }
    }
    if all.is_empty() {
        return;
    }
    if config.memory_backing.shared == Some(false) {
        refuse(
            "it shares directories, and who serves them needs its memory: leave <access mode='private'/> of <memoryBacking> out"
                .to_owned(),
        );
    }
    if !config.devices.memories.is_empty() {
        refuse(
            "it shares directories, and its memory can't be plugged in blocks then: leave one of both out"
                .to_owned(),
        );
    }
}

/// Why this host can't serve what a domain shares.
pub(super) fn refusals(config: &DomainConfig, setting: Option<&Path>) -> Vec<String> {
    let virtiofs = |filesystem: &&Filesystem| filesystem.driver.as_deref() == Some("virtiofs");
    let why = |filesystem: &Filesystem| {
        let own = filesystem.binary.path.as_deref().map(Path::new);
        program::find(own, setting).err().map(|why| format!("filesystem '{}': {why}", filesystem.name()))
    };
    config.devices.filesystems.iter().filter(virtiofs).filter_map(why).collect()
}

/// Who serves the directories of one domain; children of this daemon, while it lives.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares(Arc<Mutex<Vec<Process>>>);

impl Shares {
    /// Starts who serves a directory, and connects to it. What was made before a failure is left to [`end`](Self::end).
    pub fn start(
        &self,
        share: &Share,
        setting: Option<&Path>,
        directory: &DomainDirectory,
        group: Option<&Group>,
    ) -> Result<OwnedFd, DriverError> {
        let failed = |source: io::Error| DriverError::Open {
            what: format!("filesystem {}", share.tag),
            path: share.source.display().to_string(),
            source,
        };
        if !std::fs::metadata(&share.source).map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        let program = program::find(share.program.as_deref(), setting).map_err(DriverError::Unsupported)?;
        let dialect = Dialect::of(&program).map_err(DriverError::Unsupported)?;
        let number = lock(&self.0).len();
        let source = match share.readonly {
            true => read_only(&share.source, directory, number).map_err(failed)?,
            false => share.source.clone(),
        };
        let name = format!("share-{number}");
        let host = |source: io::Error| DriverError::Host {
            what: format!("what serves filesystem '{}'", share.tag),
            source: Box::new(source),
        };
        let (listener, log) = (directory.bind(&name).map_err(host)?, directory.append(LOG).map_err(host)?);
        // Connected before there is anybody to accept it: whoever has this end, and dies before it is written down who serves the directory,
        // takes that one along.
        let connected = directory.connect(&name).map_err(host)?;
        let arguments = dialect.arguments(share, &source);
        let process = Process::spawn(&Program {
            path: &program,
            args: arguments.iter().map(OsString::as_os_str).collect(),
            stderr: Some(log.as_fd()),
            fds: vec![listener.as_fd()],
        });
        let process = process.map_err(|error| host(error.source))?;
        let (pid, start) = (process.pid(), process.start_time());
        lock(&self.0).push(process);
        let mut processes = directory.append(PROCESSES).map_err(host)?;
        writeln!(processes, "{pid} {start} {}", share.alias).map_err(host)?;
        if let Some(group) = group {
            group.add(pid).map_err(|error| host(io::Error::other(error)))?;
            // It may have made the process that serves before. One that has ended needs no group.
            procfs::children(pid).into_iter().for_each(|child| drop(group.add(child)));
        }
        Ok(connected.into())
    }

    /// Ends who serves the directories, those of an earlier daemon too, and unmounts what was mounted for them. The worker has ended.
    pub fn end(&self, directory: &DomainDirectory) -> io::Result<()> {
        let own: Vec<Process> = lock(&self.0).drain(..).collect();
        end(&own);
        for process in &own {
            process.reap();
        }
        let others: Vec<Process> = recorded(directory).into_iter().map(|(process, _)| process).collect();
        end(&others);
        let place = directory.path().join(READ_ONLY);
        if !place.exists() {
            return Ok(());
        }
        let mounted = mount::all()?.into_iter().filter(|mount| mount.point.starts_with(&place));
        mounted.map(|mount| mount.point).rev().try_for_each(|point| mount::detach(&point))
    }

    /// What those have written that have ended; empty when all of them work.
    pub fn last_words(&self, directory: &DomainDirectory) -> String {
        if !lock(&self.0).iter().any(Process::has_ended) {
            return String::new();
        }
        let text = directory.text(LOG);
        let text = text.trim();
        let start = text.ceil_char_boundary(text.len().saturating_sub(LOG_TAIL));
        text[start..].replace('\n', " / ")
    }
}

/// Empties their log where it has grown long.
pub(super) fn shorten_log(directory: &DomainDirectory) -> io::Result<()> {
    let log = directory.append(LOG)?;
    // Whoever writes appends, and goes on at the beginning.
    if log.metadata()?.len() > LOG_LIMIT { log.set_len(0) } else { Ok(()) }
}

/// Kills who served the directory of a device that the guest has lost. Where it did not stop when it was told to, it is at a request still, and
/// would write its answer into the memory of a guest that has begun anew.
pub(super) fn kill(directory: &DomainDirectory, alias: &str) {
    let lost = recorded(directory).into_iter().filter(|(_, device)| device == alias);
    lost.for_each(|(process, _)| process.kill_with_children());
}

/// Who serves the directories of a domain and has not ended, with the aliases of their devices.
fn recorded(directory: &DomainDirectory) -> Vec<(Process, String)> {
    let entry = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (pid, start) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((Process::find(pid, start)?, words.next().unwrap_or_default().to_owned()))
    };
    directory.text(PROCESSES).lines().filter_map(entry).collect()
}

/// Waits for all of them at once, kills those that are left, and waits for these.
fn end(processes: &[Process]) {
    let by_themselves = Instant::now() + GRACE;
    for process in processes {
        if !process.wait(by_themselves.saturating_duration_since(Instant::now())) {
            process.kill_with_children();
        }
    }
    let killed = Instant::now() + PATIENCE;
    for process in processes {
        if !process.wait(killed.saturating_duration_since(Instant::now())) {
            warn!(pid = process.pid(), "what serves a shared directory was killed and does not end");
        }
    }
}

/// A view of a directory in which nothing can be changed, whoever serves it.
fn read_only(source: &Path, directory: &DomainDirectory, number: usize) -> io::Result<PathBuf> {
    let place = directory.path().join(READ_ONLY).join(number.to_string());
    std::fs::create_dir_all(&place)?;
    mount::bind_read_only(source, &place)?;
    Ok(place)
}

fn lock(processes: &Mutex<Vec<Process>>) -> MutexGuard<'_, Vec<Process>> {
    processes.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use reeve_sys::layout::Layout;

    use super::*;

    #[test]
    fn a_log_that_has_grown_long_begins_anew() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::open(root.path()).unwrap();
        let directory = layout.domain_directory("d").unwrap();
        let mut log = directory.append(LOG).unwrap();
        log.write_all(b"once").unwrap();
        shorten_log(&directory).unwrap();
        assert_eq!(directory.text(LOG), "once");
        log.write_all(&vec![b'x'; LOG_LIMIT as usize]).unwrap();
        shorten_log(&directory).unwrap();
        log.write_all(b"again").unwrap();
        assert_eq!(directory.text(LOG), "again");
    }
}
