//! How a guest's machine is held: its console by one client at a time, its worker asked to end or killed, its vCPUs looked at.

use reeve_model::api::{ConsoleOptions, StartOptions};
use reeve_tests::wait;
use rustix::process::{Signal, kill_process};
use tokio::io::AsyncReadExt as _;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const SERIAL: &str = "<serial type='pty'><target port='0'/></serial>";
/// Long enough for a console that is taken to say what it said before.
const SILENCE: &str = "2";

#[test]
fn a_console_is_left_to_who_has_it_unless_it_is_taken_by_force() -> Outcome {
    let lab = Lab::with_guest(SERIAL)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let client = lab.daemon.client();
    let mut first = runtime.block_on(client.console("web", &ConsoleOptions::default()))?;
    let refused = lab.reeve(&["domain", "console", "web", "--idle", SILENCE])?.fails(6);
    assert!(
        refused.contains("somebody has console 'serial0' open") && refused.contains("--force"),
        "{refused}"
    );
    lab.reeve(&["domain", "console", "web", "--safe", "--idle", SILENCE])?.fails(6);
    let taken = lab.reeve(&["domain", "console", "web", "--force", "--idle", SILENCE])?.ok();
    assert!(taken.contains("reeve-guest: ready"), "{taken}");
    // The first one was sent away.
    let mut said = Vec::new();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, first.read_to_end(&mut said)).await })??;
    assert!(String::from_utf8_lossy(&said).contains("reeve-guest: ready"));
    // Nobody has it any more.
    let said = lab.reeve(&["domain", "console", "web", "--safe", "--idle", SILENCE])?.ok();
    assert!(said.contains("reeve-guest: ready"), "{said}");
    Ok(())
}

#[test]
fn a_worker_that_does_not_end_is_killed_unless_it_shall_not_be() -> Outcome {
    let lab = Lab::with_guest(SERIAL)?;
    assert_eq!(lab.reeve(&["domain", "destroy", "web", "--graceful"])?.ok(), "Domain 'web' destroyed\n");
    assert_eq!(lab.state()?, "shut off");

    lab.reeve(&["domain", "start", "web"])?.ok();
    let worker = lab.worker()?;
    kill_process(worker, Signal::STOP)?;
    let said = lab.reeve(&["domain", "destroy", "web", "--graceful"])?.fails(6);
    assert!(said.contains("did not end within 10 s"), "{said}");
    assert_eq!(lab.state()?, "running");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    assert_eq!(lab.state()?, "shut off");
    assert!(!std::path::Path::new(&format!("/proc/{}", worker.as_raw_nonzero())).exists());
    Ok(())
}

#[test]
fn a_guest_ends_with_the_command_that_started_it() -> Outcome {
    let lab = Lab::with_domain(SERIAL)?;
    let is = |wanted: &str| wait::until(wanted, PATIENCE, || lab.state().is_ok_and(|state| state == wanted));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (_, leash) =
        runtime.block_on(lab.daemon.client().start_leashed_domain("web", StartOptions::default()))?;
    lab.console("", "reeve-guest: ready")?;
    let moved =
        lab.reeve(&["domain", "migrate", "--domain", "web", "reeve+unix:///nowhere/reeve.sock", "--live"])?;
    assert!(moved.fails(6).contains("ends with the client that started it"));
    drop(leash);
    is("shut off")?;
    std::thread::scope(|scope| -> Outcome {
        let command = scope.spawn(|| lab.reeve(&["domain", "start", "web", "--autodestroy"]));
        is("running")?;
        lab.console("", "reeve-guest: ready")?;
        lab.reeve(&["domain", "destroy", "web"])?.ok();
        let said = command.join().expect("the thread lives")?;
        assert!(said.stderr.contains("ends with this command") && said.code == 0, "{said:?}");
        Ok(())
    })?;
    let refused = lab.reeve(&["domain", "start", "web", "--pass-fds", "3,4"])?.fails(1);
    assert!(refused.contains("passed to containers") && refused.contains("<filesystem>"), "{refused}");
    Ok(())
}

#[test]
fn vcpus_run_or_wait() -> Outcome {
    let lab = Lab::with_guest(SERIAL)?;
    let becomes = |vcpu: usize, wanted: &str| {
        wait::until(&format!("vCPU {vcpu} is {wanted}"), PATIENCE, || {
            lab.json(&["domain", "vcpuinfo", "web"]).is_ok_and(|vcpus| vcpus[vcpu]["state"] == wanted)
        })
    };
    // A guest with nothing to do has halted them.
    becomes(0, "blocked")?;
    becomes(1, "blocked")?;
    lab.console("spin 300", "")?;
    becomes(0, "running")?;
    lab.reeve(&["domain", "suspend", "web"])?.ok();
    becomes(0, "blocked")?;
    let shown = lab.reeve(&["domain", "vcpuinfo", "web"])?.ok();
    assert!(
        shown.lines().filter(|line| line.split_whitespace().eq(["State:", "blocked"])).count() == 2,
        "{shown}"
    );
    lab.reeve(&["domain", "resume", "web"])?.ok();
    becomes(0, "running")
}

/// That it is occupied while somebody else waits for it is shown where a turn can be held for sure (`host/domain/tests/sim.rs`).
#[test]
fn a_worker_that_does_not_answer_is_said_to_be_in_error() -> Outcome {
    let lab = Lab::with_guest(SERIAL)?;
    let control = || lab.reeve(&["domain", "domcontrol", "web"]);
    assert_eq!(control()?.ok(), "ok\n");
    let worker = lab.worker()?;
    kill_process(worker, Signal::STOP)?;
    let shown = control()?;
    assert!(shown.stdout == "error\n" && !shown.stderr.is_empty(), "it does not answer: {shown:?}");
    kill_process(worker, Signal::CONT)?;
    wait::until("it answers again", PATIENCE, || control().is_ok_and(|run| run.stdout == "ok\n"))
}
