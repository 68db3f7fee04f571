//! Running a program to its end.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::MemfdFlags;

use super::{Exit, Process, Program, SpawnError, spawn};

/// How much of standard error is kept.
const LARGEST_COMPLAINT: usize = 64 << 10;

/// A program that reads its input, writes its output and ends, with an empty environment and nothing else open.
#[derive(Debug)]
pub struct Run<'a> {
    /// The executable.
    pub path: &'a Path,
    /// Arguments after its name.
    pub args: Vec<&'a OsStr>,
    /// Becomes standard input.
    pub input: &'a [u8],
    /// It is killed after that.
    pub deadline: Duration,
    /// It is killed when it writes more than that to standard output, in bytes.
    pub output_limit: usize,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, the first 64 KiB.
    pub stderr: Vec<u8>,
}

/// A program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It took too long.
    #[error("program '{program}' is killed: it took longer than {limit:?}")]
    Deadline {
        /// Path of the executable.
        program: String,
        /// What it had.
        limit: Duration,
    },
    /// It wrote too much.
    #[error("program '{program}' is killed: it wrote more than {limit} bytes")]
    Output {
        /// Path of the executable.
        program: String,
        /// What it might have written.
        limit: usize,
    },
    /// Its input or output failed.
    #[error("program '{program}' can't be talked to")]
    Io {
        /// Path of the executable.
        program: String,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Finished {
    /// True for exit status 0.
    pub fn succeeded(&self) -> bool {
        self.exit == Exit::Status(0)
    }

    /// The first line of standard error that says something; how it ended when there is none.
    pub fn first_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.stderr);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty());
        line.map_or_else(|| self.exit.to_string(), str::to_owned)
    }
}

impl Run<'_> {
    /// Starts it and waits for its end. A program that fails is no error here, see [`Finished::succeeded`].
    pub fn finish(&self) -> Result<Finished, RunError> {
        let program = || self.path.display().to_string();
        let failed = |source| RunError::Io { program: program(), source };
        let input = self.input_file().map_err(failed)?;
        let (stdout, theirs_out) = io::pipe().map_err(failed)?;
        let (stderr, theirs_err) = io::pipe().map_err(failed)?;
        let spawned = Program {
            path: self.path,
            args: self.args.clone(),
            stderr: Some(theirs_err.as_fd()),
            fds: Vec::new(),
        };
        let streams = spawn::Streams { stdin: Some(input.as_fd()), stdout: Some(theirs_out.as_fd()) };
        let process = Process::spawn_with(&spawned, &streams)?;
        // Only the program holds the other ends from here on, so that its end is the end of its output.
        drop((theirs_out, theirs_err));
        let mut running = Running {
            process,
            stdout: Stream { pipe: Some(stdout), bytes: Vec::new(), limit: self.output_limit, over: false },
            stderr: Stream { pipe: Some(stderr), bytes: Vec::new(), limit: LARGEST_COMPLAINT, over: false },
        };
        match running.wait(Instant::now() + self.deadline) {
            Ok(Some(exit)) => Ok(Finished {
                exit,
                stdout: std::mem::take(&mut running.stdout.bytes),
                stderr: std::mem::take(&mut running.stderr.bytes),
            }),
            Ok(None) if running.stdout.over => {
                Err(RunError::Output { program: program(), limit: self.output_limit })
            }
            Ok(None) => Err(RunError::Deadline { program: program(), limit: self.deadline }),
            Err(source) => Err(failed(source)),
        }
    }

    /// A file in memory, so that nobody must write while the program reads.
    fn input_file(&self) -> io::Result<std::fs::File> {
        let mut file = std::fs::File::from(rustix::fs::memfd_create("input", MemfdFlags::CLOEXEC)?);
        file.write_all(self.input)?;
        io::Seek::rewind(&mut file)?;
        Ok(file)
    }
}

/// A program on its way, killed when this is dropped before its end.
struct Running {
    process: Process,
    stdout: Stream,
    stderr: Stream,
}

struct Stream {
    pipe: Option<io::PipeReader>,
    bytes: Vec<u8>,
    limit: usize,
    over: bool,
}

impl Running {
    /// Reads until both streams end and takes the exit status; none when it took too long or wrote too much.
    fn wait(&mut self, deadline: Instant) -> io::Result<Option<Exit>> {
        while self.stdout.pipe.is_some() || self.stderr.pipe.is_some() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stdout.over {
                return Ok(None);
            }
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let mut streams: Vec<&mut Stream> = vec![&mut self.stdout, &mut self.stderr];
            streams.retain(|stream| stream.pipe.is_some());
            let mut fds: Vec<PollFd<'_>> = streams
                .iter()
                .filter_map(|stream| stream.pipe.as_ref())
                .map(|pipe| PollFd::new(pipe, PollFlags::IN))
                .collect();
            match poll(&mut fds, Some(&left)) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            for (stream, _) in streams.into_iter().zip(ready).filter(|(_, ready)| *ready) {
                stream.read()?;
            }
        }
        // It may close its streams and go on.
        if !self.process.wait(deadline.saturating_duration_since(Instant::now())) {
            return Ok(None);
        }
        let exit = self.process.reap();
        exit.map(Some).ok_or_else(|| io::Error::other("somebody else took its exit status"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill();
        // Killed, or ended already: it does not take long.
        self.process.wait(Duration::from_secs(10));
        self.process.reap();
    }
}

impl Stream {
    /// Reads once. What is over the limit is thrown away.
    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut buffer = [0; 64 << 10];
        let read = pipe.read(&mut buffer)?;
        if read == 0 {
            self.pipe = None;
        }
        let room = self.limit - self.bytes.len();
        self.over |= read > room;
        self.bytes.extend_from_slice(&buffer[..read.min(room)]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        script: &str,
        input: &[u8],
        deadline: Duration,
        output_limit: usize,
    ) -> Result<Finished, RunError> {
        let args = vec![OsStr::new("-c"), OsStr::new(script)];
        Run { path: Path::new("/bin/sh"), args, input, deadline, output_limit }.finish()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_gets_its_input_and_its_output_is_kept_apart() {
        let input = vec![b'x'; 1 << 20];
        let finished = run("cat; echo wrong >&2; exit 3", &input, LONG, 1 << 20).unwrap();
        assert_eq!(finished.exit, Exit::Status(3));
        assert!(!finished.succeeded());
        assert_eq!(finished.stdout, input);
        assert_eq!(finished.first_line(), "wrong");
        let streams = run("ls /proc/$$/fd; cat /dev/stdin", b"in\n", LONG, 1 << 10).unwrap();
        let text = String::from_utf8(streams.stdout).unwrap();
        let open: Vec<&str> = text.split_whitespace().filter(|fd| fd.len() == 1).collect();
        assert_eq!(open, ["0", "1", "2"]);
        assert!(text.ends_with("in\n"));
        assert!(run("exit 0", &[], LONG, 0).unwrap().succeeded());
        assert_eq!(run("kill -9 $$", &[], LONG, 0).unwrap().first_line(), "signal 9");
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed() {
        let start = Instant::now();
        let error = run("echo $$; exec sleep 600", &[], Duration::from_millis(200), 100).unwrap_err();
        assert_eq!(error.to_string(), "program '/bin/sh' is killed: it took longer than 200ms");
        // Also when it has closed its output.
        let closed = "exec >/dev/null 2>/dev/null; exec sleep 600";
        let error = run(closed, &[], Duration::from_millis(200), 100).unwrap_err();
        assert!(matches!(error, RunError::Deadline { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_program_that_writes_too_much_is_killed_and_complaints_are_cut() {
        let error = run("while :; do echo 12345678; done", &[], LONG, 100).unwrap_err();
        assert_eq!(error.to_string(), "program '/bin/sh' is killed: it wrote more than 100 bytes");
        let complaints = "i=0; while [ $i -lt 20000 ]; do echo 12345678 >&2; i=$((i+1)); done";
        let finished = run(complaints, &[], LONG, 100).unwrap();
        assert_eq!((finished.succeeded(), finished.stderr.len()), (true, LARGEST_COMPLAINT));
    }

    #[test]
    fn a_missing_program_is_named() {
        let path = Path::new("/no/such/program");
        let error =
            Run { path, args: vec![], input: &[], deadline: LONG, output_limit: 0 }.finish().unwrap_err();
        assert_eq!(error.to_string(), "program '/no/such/program' can't be started");
    }
}
