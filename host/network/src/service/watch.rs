//! The thread that looks after a dnsmasq: it starts one that ended again, and tells what is given out.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reeve_model::network::{Lease, NetworkConfig};
use reeve_sys::process::Process;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify;

use super::lease;
use super::program::{self, Files};
use crate::{Host, NetworkError, NetworkSink};

/// How long is waited before the first new start; twice as long before each one after it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One that ran for so long was well.
const WELL: Duration = Duration::from_secs(60);
/// The file of leases is written in several steps.
const WRITING: Duration = Duration::from_millis(50);

/// A dnsmasq and the thread that looks after it.
pub(super) struct Watched {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    program: PathBuf,
    files: Files,
    sink: Arc<dyn NetworkSink>,
    wake: OwnedFd,
    inner: Mutex<Inner>,
}

struct Inner {
    /// None between its end and the next start.
    process: Option<Process>,
    config: NetworkConfig,
    watching: bool,
}

impl Watched {
    /// Looks after a process from now on; without one it is started as soon as that works.
    pub(super) fn new(
        host: &Host,
        sink: &Arc<dyn NetworkSink>,
        config: &NetworkConfig,
        files: &Files,
        process: Option<Process>,
    ) -> Result<Self, NetworkError> {
        let failed = NetworkError::file(&files.leases, "watched");
        let watched = watch(files)
            .and_then(|changes| Ok((changes, eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)));
        let (changes, wake) = match watched {
            Ok(watched) => watched,
            Err(error) => {
                if let Some(process) = &process {
                    program::end(process);
                }
                return Err(failed(error));
            }
        };
        let inner = Inner { process, config: config.clone(), watching: true };
        let shared = Arc::new(Shared {
            program: host.dnsmasq.clone(),
            files: files.clone(),
            sink: sink.clone(),
            wake,
            inner: Mutex::new(inner),
        });
        let leases = lease::read(&files.leases, config);
        let watcher = Watcher { shared: shared.clone(), changes, leases };
        let name = format!("net-{}", config.bridge.name.as_deref().unwrap_or_default());
        match std::thread::Builder::new().name(name).spawn(move || watcher.run()) {
            Ok(thread) => Ok(Self { shared, thread }),
            Err(error) => {
                if let Some(process) = shared.lock().process.take() {
                    program::end(&process);
                }
                Err(failed(error))
            }
        }
    }

    /// Makes it read its hosts again.
    pub(super) fn hang_up(&self) {
        if let Some(process) = &self.shared.lock().process {
            program::hang_up(process);
        }
    }

    /// Ends it and starts it with the configuration that is written now.
    pub(super) fn restart(&self) -> Result<(), NetworkError> {
        let mut inner = self.shared.lock();
        if let Some(old) = inner.process.take() {
            program::end(&old);
        }
        let started = program::start(&self.shared.program, &inner.config.name, &self.shared.files);
        let done = started.map(|process| inner.process = Some(process));
        drop(inner);
        self.shared.wake();
        done
    }

    /// The document that is in force from now on.
    pub(super) fn follow(&self, config: &NetworkConfig) {
        self.shared.lock().config = config.clone();
    }

    pub(super) fn stop(self) {
        let process = self.end_watch();
        if let Some(process) = process {
            program::end(&process);
        }
    }

    pub(super) fn detach(self) {
        drop(self.end_watch());
    }

    fn end_watch(self) -> Option<Process> {
        let process = {
            let mut inner = self.shared.lock();
            inner.watching = false;
            inner.process.take()
        };
        self.shared.wake();
        if self.thread.join().is_err() {
            tracing::error!("the thread that looked after '{}' panicked", self.shared.files.conf.display());
        }
        process
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics between two changes that belong together.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // It can only be full, and then it wakes anyway.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

/// Becomes readable when the file of leases is written.
fn watch(files: &Files) -> io::Result<OwnedFd> {
    OpenOptions::new().append(true).create(true).mode(0o644).open(&files.leases)?;
    let changes = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&changes, &files.leases, inotify::WatchFlags::MODIFY)?;
    Ok(changes)
}

struct Watcher {
    shared: Arc<Shared>,
    changes: OwnedFd,
    leases: Vec<Lease>,
}

/// An end that was seen, and when it is started again.
struct Restart {
    reason: String,
    at: Instant,
}

impl Watcher {
    fn run(mut self) {
        let (mut pause, mut since, mut restart) = (FIRST_PAUSE, Instant::now(), None::<Restart>);
        loop {
            let pidfd = {
                let inner = self.shared.lock();
                if !inner.watching {
                    return;
                }
                inner.process.as_ref().map(|process| process.pidfd().try_clone_to_owned())
            };
            if pidfd.is_none() && restart.is_none() {
                // A changed configuration that could not be started, nor the old one after it; or one that was adopted so.
                let reason = "it could not be started".to_owned();
                restart = Some(Restart { reason, at: Instant::now() + pause });
            }
            let pidfd = pidfd.and_then(Result::ok);
            let timeout =
                restart.as_ref().map(|restart| restart.at.saturating_duration_since(Instant::now()));
            let [_, written, ended] = self.wait(pidfd.as_ref(), timeout);
            if written {
                self.tell_leases();
            }
            if ended && let Some(reason) = self.take_ended() {
                if since.elapsed() > WELL {
                    pause = FIRST_PAUSE;
                }
                tracing::warn!("dnsmasq with '{}' ended: {reason}", self.shared.files.conf.display());
                restart = Some(Restart { reason, at: Instant::now() + pause });
            }
            if restart.as_ref().is_some_and(|restart| restart.at <= Instant::now())
                && let Some(due) = restart.take()
            {
                since = Instant::now();
                pause = (pause * 2).min(LONGEST_PAUSE);
                restart = self.start_again(due, pause);
            }
        }
    }

    /// Waits for a call, a change of the leases, or the end of the process; which of them came.
    fn wait(&self, pidfd: Option<&OwnedFd>, timeout: Option<Duration>) -> [bool; 3] {
        let mut fds =
            vec![PollFd::new(&self.shared.wake, PollFlags::IN), PollFd::new(&self.changes, PollFlags::IN)];
        fds.extend(pidfd.map(|pidfd| PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)));
        let timeout = timeout
            .map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) });
        // Interrupted is woken for nothing.
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return [false; 3];
        }
        let came = |index: usize| fds.get(index).is_some_and(|fd| !fd.revents().is_empty());
        let all = [came(0), came(1), came(2)];
        drain(&self.shared.wake);
        drain(&self.changes);
        all
    }

    fn take_ended(&self) -> Option<String> {
        let mut inner = self.shared.lock();
        let process = inner.process.take_if(|process| process.has_ended())?;
        // Of a process that an earlier daemon started nobody here learns more.
        Some(process.reap().map_or_else(|| "it ended".to_owned(), |exit| exit.to_string()))
    }

    fn start_again(&self, due: Restart, pause: Duration) -> Option<Restart> {
        let mut inner = self.shared.lock();
        if !inner.watching || inner.process.is_some() {
            return None;
        }
        match program::start(&self.shared.program, &inner.config.name, &self.shared.files) {
            Ok(process) => {
                inner.process = Some(process);
                let network = inner.config.uuid;
                drop(inner);
                self.shared.sink.service_restarted(network, &due.reason);
                None
            }
            Err(error) => {
                tracing::warn!("{error}");
                Some(Restart { reason: due.reason, at: Instant::now() + pause })
            }
        }
    }

    fn tell_leases(&mut self) {
        let mut changes = [PollFd::new(&self.changes, PollFlags::IN)];
        let writing = Timespec { tv_sec: 0, tv_nsec: i64::from(WRITING.subsec_nanos()) };
        // More of the same may follow at once; a bounded while is waited for it.
        for _ in 0..10 {
            if !poll(&mut changes, Some(&writing)).is_ok_and(|more| more > 0) {
                break;
            }
            drain(&self.changes);
        }
        let config = self.shared.lock().config.clone();
        let now = lease::read(&self.shared.files.leases, &config);
        let (acquired, expired) = lease::difference(&self.leases, &now);
        for lease in expired {
            self.shared.sink.lease_expired(config.uuid, lease);
        }
        for lease in acquired {
            self.shared.sink.lease_acquired(config.uuid, lease);
        }
        self.leases = now;
    }
}

/// Reads what there is of a descriptor that does not block.
fn drain(fd: &OwnedFd) {
    let mut buffer = [0; 4096];
    while rustix::io::read(fd, &mut buffer).is_ok_and(|length| length == buffer.len()) {}
}
