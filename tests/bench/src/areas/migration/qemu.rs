//! QEMU moving the same guest to another QEMU.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reeve_tests::{Guest, wait};
use serde_json::{Value, json};

use super::super::qemu::machine;
use super::{Case, LIMITS, Moved, REGION_MIB, RUNS, SETTLE};

const PATIENCE: Duration = Duration::from_secs(60);
/// What it takes a stream of a socket for that has no limit, bytes a second.
const NO_LIMIT: u64 = 100 << 30;

/// The moves of a guest, each by a pair of its own; an error where QEMU can't do that here.
pub fn run(guest: &Guest, case: &Case) -> Result<Vec<Moved>> {
    (0..RUNS).map(|_| one(guest, case)).collect()
}

fn one(guest: &Guest, case: &Case) -> Result<Moved> {
    let place = tempfile::tempdir()?;
    let stream = format!("unix:{}", place.path().join("stream").display());
    let mut source = Qemu::start(guest, case, place.path().join("source"), &[])?;
    let _target = Qemu::start(guest, case, place.path().join("target"), &["-incoming", &stream])?;
    std::thread::park_timeout(SETTLE);
    let auto_converge = json!([{"capability": "auto-converge", "state": true}]);
    source.ask("migrate-set-capabilities", json!({ "capabilities": auto_converge }))?;
    let limits = json!({"downtime-limit": LIMITS.max_downtime_ms, "max-bandwidth": NO_LIMIT});
    source.ask("migrate-set-parameters", limits)?;
    source.ask("migrate", json!({ "uri": stream }))?;
    let begun = Instant::now();
    loop {
        let state = source.ask("query-migrate", json!({}))?;
        match state["status"].as_str() {
            Some("completed") => {
                let sent = state["ram"]["transferred"].as_u64().unwrap_or(0);
                ensure!(case.rate.is_none() || sent >= REGION_MIB << 20, "QEMU's guest does not write");
                let number =
                    |name: &str| state[name].as_f64().with_context(|| format!("no {name} in {state}"));
                return Ok(Moved { total: number("total-time")?, downtime: number("downtime")?, asked: 0.0 });
            }
            Some("failed" | "cancelled") => bail!("QEMU did not move the guest: {state}"),
            _ => ensure!(begun.elapsed() < PATIENCE, "QEMU takes too long: {state}"),
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A QEMU with its monitor.
struct Qemu {
    process: Child,
    monitor: BufReader<UnixStream>,
}

impl Qemu {
    fn start(guest: &Guest, case: &Case, monitor: PathBuf, more: &[&str]) -> Result<Self> {
        let mut command = machine(case.memory_mib);
        command.args(["-serial", "null"]);
        command.arg("-kernel").arg(guest.kernel()).args(["-append", &case.command_line()]);
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", monitor.display())).args(more);
        let mut process =
            command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("QEMU can't be started")?;
        match connect(&monitor, &mut process) {
            Ok(stream) => {
                let mut qemu = Self { process, monitor: BufReader::new(stream) };
                qemu.line()?;
                qemu.ask("qmp_capabilities", json!({}))?;
                Ok(qemu)
            }
            Err(error) => {
                process.kill()?;
                process.wait()?;
                Err(error)
            }
        }
    }

    /// Sends a command; its answer, past events.
    fn ask(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let line = json!({"execute": command, "arguments": arguments}).to_string() + "\n";
        self.monitor.get_mut().write_all(line.as_bytes())?;
        loop {
            let answer = self.line()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {error}");
            }
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
        }
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        ensure!(self.monitor.read_line(&mut line)? > 0, "QEMU has ended");
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // One that has ended by itself is not ended again.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn connect(monitor: &Path, process: &mut Child) -> Result<UnixStream> {
    wait::until("QEMU opens its monitor", PATIENCE, || {
        UnixStream::connect(monitor).is_ok() || process.try_wait().is_ok_and(|status| status.is_some())
    })?;
    // The one that was tried is closed again, and the monitor takes another.
    let stream = UnixStream::connect(monitor).context("QEMU has ended")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}
