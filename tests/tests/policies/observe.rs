//! What an operator sees of policies at work: lines, load, decisions, metrics, and log lines that belong together.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use reeve_tests::{Daemon, Options, binary, policy, test_policy, wait};
use serde_json::Value;

use crate::{Outcome, PATIENCE, Sim, decisions, load, start};

/// A command that goes on, and what it has written so far: a line of JSON each.
struct Follower {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Follower {
    fn start(daemon: &Daemon, arguments: &[&str]) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "a test starts the product as a user does")]
        let mut command = Command::new(binary()?);
        command.args(arguments).env("REEVE_ROOT", daemon.root()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("standard output was piped")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                written.lock().unwrap_or_else(PoisonError::into_inner).push(value);
            }
        });
        Ok(Self { child, lines })
    }

    fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn lines_and_decisions_are_followed() -> Outcome {
    let mut daemon = Daemon::start()?;
    load(&daemon, &policy("journal")?, &["kv:use max-bytes=64KiB"], "{}", &[])?.ok();
    let mut lines = Follower::start(&daemon, &["policy", "logs", "journal", "-f", "-o", "json"])?;
    let mut rows =
        Follower::start(&daemon, &["policy", "decisions", "-f", "-o", "json", "--policy", "journal"])?;
    Sim::named("web").define(&daemon)?.ok();
    start(&daemon, "web")?.ok();
    let said = |text: &str| {
        let has = |line: &Value| line["message"].as_str().is_some_and(|message| message.contains(text));
        lines.lines().iter().any(has)
    };
    wait::until("both lines are shown", PATIENCE, || said("'web' was defined") && said("'web' runs"))?;
    wait::until("both rows are shown", PATIENCE, || rows.lines().len() >= 2)?;
    let ids: Vec<_> = rows.lines().iter().map(|row| row["id"].as_u64()).collect();
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]), "each once, in order: {ids:?}");
    daemon.stop()?;
    for follower in [&mut lines, &mut rows] {
        let ended = follower.child.wait()?;
        assert!(ended.success(), "the end of the daemon is the end of what follows it: {ended}");
    }
    Ok(())
}

#[test]
fn decisions_are_exported_and_found_by_time() -> Outcome {
    let daemon = Daemon::start()?;
    load(&daemon, &policy("naming")?, &["domain:rewrite path=devices"], r#"{"prefixes": ["web-"]}"#, &[])?
        .ok();
    for name in ["web-1", "db", "web-2"] {
        Sim::named(name).define(&daemon)?;
    }
    let export = |arguments: &[&str]| -> anyhow::Result<Vec<Value>> {
        let text = daemon.reeve(&[&["policy", "decisions", "--export"], arguments].concat())?.ok();
        Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
    };
    let all = export(&[])?;
    assert_eq!(
        all.iter().map(|row| row["subject"].as_str()).collect::<Vec<_>>(),
        [Some("web-1"), Some("db"), Some("web-2")]
    );
    assert_eq!(export(&["--since", "1h", "--outcome", "deny"])?.len(), 1);
    assert_eq!(export(&["--until", "1h"])?.len(), 0);
    let moment = all[1]["time"].as_str().unwrap_or_default();
    assert_eq!(export(&["--since", moment])?.len(), 2, "that moment and later");
    daemon.reeve(&["policy", "decisions", "--since", "yesterday"])?.fails(2);
    Ok(())
}

#[test]
fn the_load_of_every_policy() -> Outcome {
    let daemon = Daemon::start()?;
    load(&daemon, &policy("naming")?, &["domain:rewrite path=devices"], r#"{"prefixes": ["web-"]}"#, &[])?
        .ok();
    for name in ["web-1", "db"] {
        Sim::named(name).define(&daemon)?;
    }
    let rows: Vec<Value> =
        serde_json::from_str(&daemon.reeve(&["policy", "top", "--once", "-o", "json"])?.ok())?;
    let row = &rows[0];
    assert_eq!((&row["policy"], &row["calls"], &row["denials"]), (&"naming".into(), &2.into(), &1.into()));
    let micros = |key: &str| row[key].as_u64().unwrap_or_default();
    assert!(micros("p50_micros") > 0 && micros("p50_micros") <= micros("p99_micros"), "{row}");
    assert!(row["memory_peak"].as_u64().is_some_and(|bytes| bytes >= 64 << 10), "{row}");
    let table = daemon.reeve(&["policy", "top", "--once"])?.ok();
    assert!(table.contains("p99") && table.contains("naming"), "{table}");
    Ok(())
}

/// The number that a line of the log has after `key`.
fn number_after(line: &str, key: &str) -> Option<u64> {
    let digits: String = line.split_once(key)?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[test]
fn one_number_joins_a_request_its_hook_and_its_host_calls() -> Outcome {
    let config = "log = \"debug\"\n".to_owned();
    let daemon = Daemon::start_with(Options { config, ..Options::default() })?;
    load(&daemon, &policy("naming")?, &["domain:rewrite path=devices"], "{}", &[])?.ok();
    load(&daemon, &test_policy("worker")?, &["domain:start", "kv:use"], "{}", &[])?.ok();
    load(&daemon, &policy("admission")?, &["domain:read name=*", "node:read"], "{}", &[])?.ok();
    Sim::named("web-1").define(&daemon)?.ok();
    daemon.reeve(&["policy", "task", "run", "worker", "start", "web-1"])?.ok();

    let log = daemon.log();
    let line = |with: &[&str]| -> anyhow::Result<&str> {
        let found = log.lines().find(|line| with.iter().all(|text| line.contains(text)));
        found.ok_or_else(|| anyhow::anyhow!("no line of the log has {with:?}:\n{log}"))
    };
    let request = |line: &str| number_after(line, "id=");
    let define = line(&["answered", "route=/v1/domains}"])?;
    let decided = line(&["decided", "domain-define", "policy=\"naming\""])?;
    assert_eq!(request(decided), request(define), "a guard belongs to its request");
    let row = decisions(&daemon, &["--policy", "naming", "--hook", "domain-define"])?.remove(0);
    assert_eq!(
        number_after(decided, "call="),
        row["chain"].as_u64(),
        "the log names the row of the decision log"
    );

    let run = line(&["answered", "/run"])?;
    let host_call = line(&["calls 'domain:start'"])?;
    let nested = line(&["decided", "domain-prepare", "policy=\"admission\""])?;
    let call = decisions(&daemon, &["--hook", "task"])?.remove(0)["chain"].as_u64();
    for (what, line) in [("a host call of a task", host_call), ("the guards it leads to", nested)] {
        assert_eq!(number_after(line, "call=\""), call, "{what} carry the task's call: {line}");
        assert_eq!(request(line), request(run), "{what} belong to the request that ran it: {line}");
    }
    Ok(())
}

/// What Prometheus would read.
fn metrics(daemon: &Daemon) -> anyhow::Result<String> {
    let mut stream = UnixStream::connect(daemon.root().join("run/reeve/reeve.sock"))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: reeve\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn prometheus_sees_every_outcome() -> Outcome {
    let daemon = Daemon::start()?;
    load(&daemon, &test_policy("worker")?, &["domain:start", "kv:use"], "{}", &[])?.ok();
    daemon.reeve(&["policy", "task", "run", "worker", "hello"])?.ok();
    daemon.reeve(&["policy", "task", "run", "worker", "trap"])?.fails(1);
    daemon.reeve(&["policy", "task", "run", "worker", "spin"])?.fails(1);
    let metrics = metrics(&daemon)?;
    for outcome in ["done", "trap", "deadline"] {
        let series =
            format!("reeve_policy_calls_total{{policy=\"worker\",hook=\"task\",outcome=\"{outcome}\"}} 1");
        assert!(metrics.contains(&series), "{series} is missing:\n{metrics}");
    }
    for series in [
        "reeve_policy_call_seconds_count{policy=\"worker\",hook=\"task\"} 3",
        "reeve_policy_memory_peak_bytes{policy=\"worker\",hook=\"task\"}",
    ] {
        assert!(metrics.contains(series), "{series} is missing:\n{metrics}");
    }
    Ok(())
}
