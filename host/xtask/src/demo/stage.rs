//! A private host to play on: its root, its daemon, and the commands as a person would type them.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::project::Project;

const PAUSE: Duration = Duration::from_millis(100);
const DAEMON_PATIENCE: Duration = Duration::from_secs(20);
const KSM: &str = "/sys/kernel/mm/ksm";
/// What the tuner changes, as files below `KSM`.
const KSM_KEYS: [&str; 3] = ["run", "pages_to_scan", "sleep_millisecs"];

/// The private host.
pub struct Stage {
    root: TempDir,
    reeve: PathBuf,
    policies: PathBuf,
    guest: PathBuf,
    daemon: Option<Child>,
    ksm_before: [String; KSM_KEYS.len()],
    ksm_now: [String; KSM_KEYS.len()],
}

impl Stage {
    /// Makes an empty root.
    pub fn set(project: &Project) -> Result<Self> {
        let root =
            tempfile::Builder::new().prefix("reeve-demo-").tempdir().context("cannot make a private root")?;
        let ksm_before = read_ksm()?;
        println!("\n$ export REEVE_ROOT={}", root.path().display());
        Ok(Self {
            root,
            reeve: project.target("debug/reeve"),
            policies: project.target("policies"),
            guest: project.target("guest/reeve-guest.elf"),
            daemon: None,
            ksm_now: ksm_before.clone(),
            ksm_before,
        })
    }

    /// Starts the daemon and waits until it answers.
    pub fn start_daemon(&mut self) -> Result<()> {
        println!("$ reeve daemon &");
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut command = self.command();
        command.arg("daemon").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.daemon = Some(command.spawn().context("cannot start the daemon")?);
        let deadline = Instant::now() + DAEMON_PATIENCE;
        loop {
            let asked = self.command().args(["node", "info"]).output().context("cannot run reeve")?;
            if asked.status.success() {
                return Ok(());
            }
            let ended = self.daemon.as_mut().and_then(|daemon| daemon.try_wait().ok().flatten());
            if let Some(status) = ended {
                bail!("the daemon ended by itself: {status}");
            }
            ensure!(Instant::now() < deadline, "the daemon did not become ready in {DAEMON_PATIENCE:?}");
            pause();
        }
    }

    /// Kills the daemon as `kill -9` does.
    pub fn kill_daemon(&mut self) -> Result<()> {
        let mut daemon = self.daemon.take().context("no daemon is running")?;
        println!("$ kill -9 {}", daemon.id());
        daemon.kill()?;
        daemon.wait()?;
        Ok(())
    }

    /// Runs `reeve` with a line of arguments as a shell would split them; its standard output.
    pub fn reeve(&self, line: &str) -> Result<String> {
        let (ok, text) = self.run(line)?;
        ensure!(ok, "`reeve {line}` failed");
        Ok(text)
    }

    /// Runs `reeve`, which must fail; what it said.
    pub fn reeve_refused(&self, line: &str) -> Result<String> {
        let (ok, text) = self.run(line)?;
        ensure!(!ok, "`reeve {line}` should have been refused");
        Ok(text)
    }

    /// Repeats a question until the answer contains `wanted`.
    pub fn wait_for(&self, line: &str, wanted: &str, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let output = self.command().args(split(line)).output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if text.contains(wanted) {
                println!("$ reeve {line}\n{}", text.trim_end());
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "`reeve {line}` did not say '{wanted}' within {patience:?}, but: {}{}",
                text.trim_end(),
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
            pause();
        }
    }

    /// Types lines at a domain's console; what came back.
    pub fn console(&self, domain: &str, lines: &[&str]) -> Result<String> {
        println!("$ printf '{}\\n' | reeve domain console {domain} --idle 1", lines.join("\\n"));
        let mut console = self
            .command()
            .args(["domain", "console", domain, "--idle", "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = console.stdin.take().context("standard input was asked for")?;
        for line in lines {
            writeln!(input, "{line}")?;
        }
        drop(input);
        let mut text = String::new();
        console.stdout.take().context("standard output was asked for")?.read_to_string(&mut text)?;
        println!("{}", text.trim_end());
        ensure!(console.wait()?.success(), "the console command failed");
        Ok(text)
    }

    /// Writes a document into the root; its path.
    pub fn document(&self, name: &str, text: &str) -> Result<String> {
        let path = self.root.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// Prints a file.
    pub fn show(&self, path: &str) -> Result<()> {
        println!("$ cat {path}\n{}", std::fs::read_to_string(path)?.trim_end());
        Ok(())
    }

    /// Makes an empty disk image; its path.
    pub fn disk(&self, name: &str, bytes: u64) -> Result<String> {
        let path = self.root.path().join(name);
        println!("$ truncate -s {bytes} {}", path.display());
        std::fs::File::create(&path)?.set_len(bytes)?;
        Ok(path.display().to_string())
    }

    /// Whether a disk image begins with these bytes.
    pub fn disk_begins_with(&self, name: &str, wanted: &[u8]) -> Result<bool> {
        let mut start = vec![0; wanted.len()];
        std::fs::File::open(self.root.path().join(name))?.read_exact(&mut start)?;
        println!("$ head -c {} {name}\n{}", wanted.len(), String::from_utf8_lossy(&start));
        Ok(start == wanted)
    }

    /// Path of a shipped policy's component.
    pub fn component(&self, policy: &str) -> String {
        self.policies.join(format!("{policy}.wasm")).display().to_string()
    }

    /// Path of the test guest.
    pub fn guest(&self) -> String {
        self.guest.display().to_string()
    }

    /// Shows how samepage merging is set, and remembers it.
    pub fn note_ksm(&mut self) -> Result<()> {
        self.ksm_now = read_ksm()?;
        show_ksm(&self.ksm_now);
        Ok(())
    }

    /// Waits until samepage merging is set in another way than when it was last shown.
    pub fn wait_for_ksm_change(&mut self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while read_ksm()? == self.ksm_now {
            ensure!(Instant::now() < deadline, "nothing below {KSM} changed within {patience:?}");
            pause();
        }
        self.note_ksm()
    }

    /// Checks that samepage merging is set as before the demo.
    pub fn check_ksm_restored(&mut self) -> Result<()> {
        self.note_ksm()?;
        ensure!(self.ksm_now == self.ksm_before, "{KSM} is not set as it was found: {:?}", self.ksm_before);
        Ok(())
    }

    /// Prints the end of the daemon's log, for a demo that went wrong.
    pub fn show_daemon_log(&self) {
        const LINES: usize = 40;
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        println!("\nthe daemon's log ends with:");
        lines[lines.len().saturating_sub(LINES)..].iter().for_each(|line| println!("  {line}"));
    }

    /// Stops every domain and the daemon, looks for anything left behind, and removes the root unless asked to keep it.
    pub fn strike(mut self, keep: bool) -> Result<()> {
        println!("\n=== Cleaning up");
        let names = self.command().args(["domain", "list", "--output", "json"]).output()?.stdout;
        let domains: serde_json::Value = serde_json::from_slice(&names).unwrap_or_default();
        for domain in domains.as_array().into_iter().flatten().filter_map(|domain| domain["name"].as_str()) {
            self.run(&format!("domain destroy {domain}"))?;
        }
        if let Some(daemon) = self.daemon.take() {
            stop(daemon)?;
        }
        let left = processes_of(self.root.path());
        for pid in &left {
            signal(*pid, "KILL")?;
        }
        for (key, before) in KSM_KEYS.iter().zip(&self.ksm_before) {
            std::fs::write(format!("{KSM}/{key}"), before).context("cannot put samepage merging back")?;
        }
        if keep {
            println!("kept: {}", self.root.keep().display());
        }
        ensure!(left.is_empty(), "{} processes of the demo were left behind (killed now)", left.len());
        Ok(())
    }

    fn run(&self, line: &str) -> Result<(bool, String)> {
        println!("$ reeve {line}");
        let output = self.command().args(split(line)).output().context("cannot run reeve")?;
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        print!("{stdout}{stderr}");
        Ok((output.status.success(), format!("{stdout}{stderr}")))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.reeve);
        command.env("REEVE_ROOT", self.root.path()).stdin(Stdio::null());
        command
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("daemon.log")
    }
}

fn read_ksm() -> Result<[String; KSM_KEYS.len()]> {
    let mut values = KSM_KEYS.map(str::to_owned);
    for value in &mut values {
        let path = format!("{KSM}/{value}");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        *value = text.trim().to_owned();
    }
    Ok(values)
}

fn show_ksm(values: &[String]) {
    println!("$ grep . {KSM}/{{{}}}", KSM_KEYS.join(","));
    for (key, value) in KSM_KEYS.iter().zip(values) {
        println!("{KSM}/{key}:{value}");
    }
}

/// Splits a command line at blanks outside single quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// Asks a daemon to end, and makes it if it does not.
fn stop(mut daemon: Child) -> Result<()> {
    signal(daemon.id(), "TERM")?;
    let deadline = Instant::now() + DAEMON_PATIENCE;
    while daemon.try_wait()?.is_none() {
        if Instant::now() > deadline {
            daemon.kill()?;
            daemon.wait()?;
            bail!("the daemon did not end within {DAEMON_PATIENCE:?} of being asked to");
        }
        pause();
    }
    Ok(())
}

fn signal(pid: u32, name: &str) -> Result<()> {
    // The shell's own `kill` is always there; the program of that name is not.
    Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().context("cannot run sh")?;
    Ok(())
}

/// Processes, other than this one, that carry the private root on their command line or in their environment.
fn processes_of(root: &Path) -> Vec<u32> {
    let wanted = root.as_os_str().as_encoded_bytes();
    let mentions = |pid: u32, file: &str| {
        let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        text.windows(wanted.len()).any(|window| window == wanted)
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .filter(|&pid| pid != std::process::id() && (mentions(pid, "cmdline") || mentions(pid, "environ")))
        .collect()
}

#[allow(clippy::disallowed_methods, reason = "waits for other processes, which announce nothing")]
fn pause() {
    std::thread::sleep(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_would() {
        assert_eq!(split("a  b 'c d'e ''"), ["a", "b", "c de", ""]);
    }
}
