//! `ksm-tuner`: the kernel's own settings change, and change back.

use std::fs::File;
use std::path::{Path, PathBuf};

use reeve_tests::{Daemon, binary, policy, wait};

use crate::{Outcome, PATIENCE, Sim, decisions, destroy, load, node, start};

const SETTINGS: &str = "/sys/kernel/mm/ksm";
const GRANT: [&str; 1] = ["node.ksm:write"];

/// `run`, `pages_to_scan`, `sleep_millisecs`.
type Setting = [u64; 3];

/// What a test finds set: unlike any default, so that it is known again.
const FOUND: Setting = [0, 137, 33];

/// The kernel's settings for one test at a time; as they were when it is dropped.
struct Ksm {
    before: Setting,
    _turn: File,
}

impl Ksm {
    /// None, with the reason printed, where the settings cannot be written.
    fn take(test: &str) -> anyhow::Result<Option<Self>> {
        let writable = File::options().write(true).open(Path::new(SETTINGS).join("run"));
        if let Err(error) = writable {
            #[expect(clippy::print_stdout, reason = "a test that cannot run says so")]
            {
                println!("SKIP C {test}: {SETTINGS} cannot be written: {error}");
            }
            return Ok(None);
        }
        let turn = File::options().create(true).append(true).open(binary()?.with_extension("ksm.lock"))?;
        turn.lock()?;
        let ksm = Self { before: settings()?, _turn: turn };
        set(FOUND)?;
        Ok(Some(ksm))
    }
}

impl Drop for Ksm {
    fn drop(&mut self) {
        // The test is over, and its outcome with it.
        let _ = set(self.before);
    }
}

fn files() -> [PathBuf; 3] {
    ["run", "pages_to_scan", "sleep_millisecs"].map(|name| Path::new(SETTINGS).join(name))
}

fn settings() -> anyhow::Result<Setting> {
    let mut setting = Setting::default();
    for (value, file) in setting.iter_mut().zip(files()) {
        *value = std::fs::read_to_string(file)?.trim().parse()?;
    }
    Ok(setting)
}

fn set(setting: Setting) -> anyhow::Result<()> {
    for (value, file) in setting.iter().zip(files()) {
        std::fs::write(file, value.to_string())?;
    }
    Ok(())
}

fn becomes(what: &str, is: impl Fn(Setting) -> bool) -> Outcome {
    wait::until(what, PATIENCE, || settings().is_ok_and(&is))
}

fn asked(daemon: &Daemon) -> Outcome {
    wait::until("the tuner was asked", PATIENCE, || {
        decisions(daemon, &["--policy", "ksm-tuner"]).is_ok_and(|rows| !rows.is_empty())
    })
}

#[test]
fn merging_follows_what_is_promised_to_domains() -> Outcome {
    let Some(_ksm) = Ksm::take("merging_follows_what_is_promised_to_domains")? else { return Ok(()) };
    let daemon = Daemon::start()?;
    load(&daemon, &policy("ksm-tuner")?, &GRANT, r#"{"KSM_THRES_COEF": 1}"#, &[])?.ok();
    asked(&daemon)?;
    assert_eq!(settings()?, FOUND, "nothing is promised: nothing is merged");

    let memory = node(&daemon)?["memory"].as_u64().unwrap_or_default() / 1024;
    Sim { memory, ..Sim::named("all") }.define(&daemon)?.ok();
    start(&daemon, "all")?.ok();
    // Free memory is left, so the page count is the smallest; ksmd sleeps 10 ms on a host of 16 GiB, longer on a smaller one.
    let sleep = (10 * (16 << 20) / memory).max(10);
    becomes("all memory is promised, ksmd runs", |now| now == [1, 64, sleep])?;
    let shown = daemon.reeve(&["node", "ksm", "-o", "json"])?.ok();
    assert!(shown.contains("\"run\": 1") || shown.contains("\"run\":1"), "{shown}");

    destroy(&daemon, "all")?.ok();
    becomes("the domain is gone, ksmd stops", |now| now[0] == 0)?;
    let rows = decisions(&daemon, &["--policy", "ksm-tuner", "--outcome", "adjusted"])?;
    let changed = |path: &str, after: &str| {
        let changes = rows.iter().flat_map(|row| row["changes"].as_array()).flatten();
        changes.into_iter().any(|change| change["path"] == path && change["after"] == after)
    };
    assert!(changed("node.ksm.run", "1") && changed("node.ksm.pages_to_scan", "64"), "{rows:#?}");
    assert!(changed("node.ksm.run", "0"), "{rows:#?}");

    daemon.reeve(&["policy", "unload", "ksm-tuner"])?.ok();
    becomes("what it found is put back", |now| now == FOUND)
}

#[test]
fn what_it_found_is_put_back_when_the_daemon_stops_or_was_killed() -> Outcome {
    let Some(_ksm) = Ksm::take("what_it_found_is_put_back_when_the_daemon_stops_or_was_killed")? else {
        return Ok(());
    };
    let mut daemon = Daemon::start()?;
    // Less is free than everything: the page count is boosted in every round.
    load(&daemon, &policy("ksm-tuner")?, &GRANT, r#"{"KSM_THRES_COEF": 100}"#, &[])?.ok();
    becomes("ksmd runs", |[run, pages, _]| run == 1 && pages >= 300)?;
    let before = settings()?;
    Sim::named("web").define(&daemon)?.ok();
    start(&daemon, "web")?.ok();
    becomes("a start wakes the tuner", |now| now[1] == before[1] + 300)?;
    destroy(&daemon, "web")?.ok();

    daemon.stop()?;
    assert_eq!(settings()?, FOUND, "the daemon stopped");
    daemon.launch()?;
    becomes("the policy tunes again", |now| now[0] == 1)?;
    daemon.kill()?;
    assert_ne!(settings()?, FOUND, "nobody was there to put anything back");
    daemon.launch()?;
    daemon.reeve(&["policy", "unload", "ksm-tuner"])?.ok();
    becomes("the next daemon knows what was found", |now| now == FOUND)
}

#[test]
fn without_its_grant_or_in_monitor_mode_nothing_changes() -> Outcome {
    let Some(_ksm) = Ksm::take("without_its_grant_or_in_monitor_mode_nothing_changes")? else {
        return Ok(());
    };
    let daemon = Daemon::start()?;
    load(&daemon, &policy("ksm-tuner")?, &[], r#"{"KSM_THRES_COEF": 100}"#, &[])?.ok();
    wait::until("it is refused", PATIENCE, || {
        let rows = decisions(&daemon, &["--policy", "ksm-tuner", "--outcome", "refused"]);
        rows.is_ok_and(|rows| {
            rows.iter().any(|row| row["reason"] == "it has not been granted 'node.ksm:write'")
        })
    })?;
    assert_eq!(settings()?, FOUND);

    daemon.reeve(&["policy", "mode", "ksm-tuner", "monitor"])?.ok();
    daemon.reeve(&["policy", "grant", "ksm-tuner", GRANT[0]])?.ok();
    wait::until("it would have run ksmd", PATIENCE, || {
        let rows = decisions(&daemon, &["--policy", "ksm-tuner", "--outcome", "adjusted"]);
        rows.is_ok_and(|rows| {
            rows.iter().any(|row| row["mode"] == "monitor" && row["changes"][0]["path"] == "node.ksm.run")
        })
    })?;
    assert_eq!(settings()?, FOUND);
    Ok(())
}
