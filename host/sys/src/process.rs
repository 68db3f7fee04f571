//! Starting host programs and watching processes, our children or not.
//!
//! A pid alone is never trusted: a [`Process`] is a pidfd, and a process from a record is found by pid *and* start time.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, pidfd_open,
    pidfd_send_signal, prlimit, setrlimit, waitid,
};

use crate::procfs;

mod run;
mod spawn;

pub use run::{Finished, Run, RunError};

/// What a machine locks besides guest memory: rings, page tables, device buffers.
const LOCKED_BESIDES: u64 = 256 << 20;

/// A program to start in a session of its own, with an empty environment and nothing open but what is listed. It is not killed when
/// its parent ends.
#[derive(Debug)]
pub struct Program<'a> {
    /// The executable.
    pub path: &'a Path,
    /// Arguments after its name.
    pub args: Vec<&'a OsStr>,
    /// Becomes standard error; none is /dev/null, as standard input and output are.
    pub stderr: Option<BorrowedFd<'a>>,
    /// Become descriptors 3, 4 and so on.
    pub fds: Vec<BorrowedFd<'a>>,
}

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("program '{program}' can't be started")]
pub struct SpawnError {
    /// Path of the executable.
    pub program: String,
    /// What the kernel said.
    pub source: io::Error,
}

/// A process that can't be confused with a later one of the same pid.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    start_time: u64,
    pidfd: OwnedFd,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with a status.
    Status(i32),
    /// By a signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

impl Process {
    /// Starts a program. The caller must [`Process::reap`] it after its end.
    pub fn spawn(program: &Program<'_>) -> Result<Self, SpawnError> {
        Self::spawn_with(program, &spawn::Streams::default())
    }

    fn spawn_with(program: &Program<'_>, streams: &spawn::Streams<'_>) -> Result<Self, SpawnError> {
        let failed = |source| SpawnError { program: program.path.display().to_string(), source };
        let pid = spawn::spawn(program, streams).map_err(failed)?;
        // The child was not waited for, so its pid can't have been given to another process.
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| failed(errno.into()))?;
        let start_time =
            procfs::stat(pid.as_raw_nonzero().get().unsigned_abs()).map_or(0, |stat| stat.start_time);
        Ok(Self { pid, start_time, pidfd })
    }

    /// The process with this pid, if it is still the one that started at `start_time`.
    pub fn find(pid: u32, start_time: u64) -> Option<Self> {
        let raw = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let pidfd = pidfd_open(raw, PidfdFlags::empty()).ok()?;
        // Read after the pidfd was opened: from here on the pid can't be given to another process unnoticed.
        let same = procfs::stat(pid).is_some_and(|stat| stat.start_time == start_time && stat.state != 'Z');
        same.then_some(Self { pid: raw, start_time, pidfd })
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// When it started, in clock ticks since boot.
    pub fn start_time(&self) -> u64 {
        self.start_time
    }

    /// Becomes readable when the process has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// True when it has ended, waited for or not.
    pub fn has_ended(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits for its end; false when `timeout` passed before.
    pub fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut fds, Some(&left)) {
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Raises its limit of memory locked in RAM to `bytes` and what a machine needs besides.
    pub fn allow_locked_memory(&self, bytes: u64) -> io::Result<()> {
        let limit = Some(bytes.saturating_add(LOCKED_BESIDES));
        let limit = Rlimit { current: limit, maximum: limit };
        prlimit(Some(self.pid), Resource::Memlock, limit)?;
        Ok(())
    }

    /// Kills it. No error when it has ended already.
    pub fn kill(&self) {
        // ESRCH is the only failure a pidfd of ours can give here, and it means the same as success.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Ends it at once, and its children before: by themselves they would only hear that it has ended.
    pub fn kill_with_children(&self) {
        let pid = self.pid();
        for child in procfs::children(pid) {
            let found = procfs::stat(child).and_then(|stat| Self::find(child, stat.start_time));
            // It is a child still, so neither pid was given to another process meanwhile.
            let is_child = || procfs::children(pid).contains(&child) && !self.has_ended();
            if let Some(found) = found.filter(|_| is_child()) {
                found.kill();
            }
        }
        self.kill();
    }

    /// Takes the exit status of a child that has ended, once. None for others' children, and while it runs.
    pub fn reap(&self) -> Option<Exit> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok()??;
        let exit = status.exit_status().map(Exit::Status);
        exit.or_else(|| status.terminating_signal().map(Exit::Signal))
    }
}

/// Lets this process have as many files open as it may have at most; a daemon needs some for every running domain.
pub fn raise_open_files() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}

/// A copy of a descriptor that this process was started with; the first of [`Program::fds`] is 3.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes numbers, and fails for one that is not open.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was made just now and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// True while the process that started at `start_time` runs under this pid.
pub fn is_alive(pid: u32, start_time: u64) -> bool {
    Process::find(pid, start_time).is_some()
}

fn c_string(text: &[u8]) -> io::Result<CString> {
    CString::new(text)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "an argument holds a zero byte"))
}

impl Program<'_> {
    fn argv(&self) -> io::Result<Vec<CString>> {
        let name = self.path.as_os_str().as_bytes();
        let args = self.args.iter().map(|arg| arg.as_bytes());
        std::iter::once(name).chain(args).map(c_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    fn shell<'a>(script: &'a str, fds: Vec<BorrowedFd<'a>>) -> Process {
        let args = vec![OsStr::new("-c"), OsStr::new(script)];
        Process::spawn(&Program { path: Path::new("/bin/sh"), args, stderr: None, fds }).unwrap()
    }

    fn output(script: &str, more: &[BorrowedFd<'_>]) -> String {
        let (mut ours, theirs) = io::pipe().unwrap();
        let mut fds = vec![theirs.as_fd()];
        fds.extend(more);
        let child = shell(script, fds);
        drop(theirs);
        let mut text = String::new();
        ours.read_to_string(&mut text).unwrap();
        assert!(child.wait(Duration::from_secs(5)));
        assert_eq!(child.reap(), Some(Exit::Status(0)));
        text
    }

    #[test]
    fn a_child_has_the_listed_descriptors_and_no_others() {
        let file = tempfile::tempfile().unwrap();
        let open = output("ls /proc/$$/fd >&3", &[file.as_fd()]);
        let mut open: Vec<_> = open.split_whitespace().collect();
        open.sort_unstable();
        // The shell keeps a copy of its own above 9 while it redirects.
        open.retain(|fd| fd.len() == 1);
        assert_eq!(open, ["0", "1", "2", "3", "4"]);
    }

    #[test]
    fn a_child_has_none_of_our_standard_streams() {
        let streams = "links=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo \"$links\" >&3";
        assert_eq!(output(streams, &[]), "/dev/null\n/dev/null\n/dev/null\n");
        let log = tempfile::tempfile().unwrap();
        let args = ["-c", "echo out; echo error >&2; exec readlink /proc/self/fd/0 >&2"];
        let child = Process::spawn(&Program {
            path: Path::new("/bin/sh"),
            args: args.iter().map(OsStr::new).collect(),
            stderr: Some(log.as_fd()),
            fds: vec![],
        });
        let child = child.unwrap();
        assert!(child.wait(Duration::from_secs(20)));
        child.reap();
        let mut text = [0; 64];
        let length = std::os::unix::fs::FileExt::read_at(&log, &mut text, 0).unwrap();
        assert_eq!(std::str::from_utf8(&text[..length]).unwrap(), "error\n/dev/null\n");
    }

    #[test]
    fn a_child_has_an_empty_environment_and_its_own_session() {
        assert_eq!(
            output("/usr/bin/env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= >&3; true", &[]),
            ""
        );
        let session = output("read -r stat < /proc/$$/stat; set -- ${stat##*)}; echo $4 $$ >&3", &[]);
        let mut words = session.split_whitespace();
        assert_eq!(words.next(), words.next());
    }

    #[test]
    fn the_end_of_a_process_is_seen_and_its_pid_is_not_trusted_afterwards() {
        let child = shell("exec sleep 60", vec![]);
        let (pid, start_time) = (child.pid(), child.start_time());
        assert!(!child.has_ended() && is_alive(pid, start_time));
        assert!(!is_alive(pid, start_time + 1), "another process with the same pid is taken for it");
        child.kill();
        assert!(child.wait(Duration::from_secs(5)));
        assert!(!is_alive(pid, start_time), "a zombie is taken for a running process");
        assert_eq!(child.reap(), Some(Exit::Signal(9)));
        assert_eq!(child.reap(), None);
        child.kill();
    }

    #[test]
    fn a_missing_program_is_named() {
        let program =
            Program { path: Path::new("/no/such/program"), args: vec![], stderr: None, fds: vec![] };
        let error = Process::spawn(&program).unwrap_err();
        assert_eq!(error.to_string(), "program '/no/such/program' can't be started");
        assert_eq!(error.source.kind(), io::ErrorKind::NotFound);
    }
}
