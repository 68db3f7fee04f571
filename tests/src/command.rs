//! The built `reeve` binary, run to its end.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

/// How long a command may take, a compiler on a loaded machine among them. One that never ends fails its test, not the whole run.
const PATIENCE: Duration = Duration::from_secs(300);

/// The binary that cargo built, next to the test that asks: `target/PROFILE/reeve`.
pub fn binary() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe().context("a test knows its own path")?;
    let found =
        test.ancestors().skip(1).take(2).map(|directory| directory.join("reeve")).find(|path| path.is_file());
    found.context(
        "the reeve binary is not built: run 'cargo build -p reeve-daemon' first, or use 'cargo xtask test'",
    )
}

/// How a command ended and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Exit code, -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Runs `reeve` with these arguments and this standard input, below `root`.
    pub fn reeve(
        root: &Path,
        arguments: &[&str],
        input: &str,
        environment: &[(&str, &OsStr)],
    ) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "a test starts the product as a user does")]
        let mut command = Command::new(binary()?);
        command
            .args(arguments)
            .env("REEVE_ROOT", root)
            .env_remove("REEVE_SOCKET")
            .envs(environment.iter().copied());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("standard input was piped")?;
        let input = input.to_owned();
        // On a thread of its own, so that a command that writes before it has read everything doesn't stop both.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process has an id")?;
        let (ended, end) = sync_channel::<()>(1);
        let watch = std::thread::spawn(move || {
            let late = end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
            late && kill_process(pid, Signal::KILL).is_ok()
        });
        let output = child.wait_with_output()?;
        drop(ended);
        // A command may end without reading its input.
        let _ = writer.join();
        let mut stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if watch.join().unwrap_or(false) {
            stderr.push_str(&format!("the test killed 'reeve {}' after {PATIENCE:?}", arguments.join(" ")));
        }
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Self { code: output.status.code().unwrap_or(-1), stdout, stderr })
    }

    /// Standard output of a command that must succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout
    }

    /// Standard error of a command that must end with `code`.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        self.stderr
    }
}
