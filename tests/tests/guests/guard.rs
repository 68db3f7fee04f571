//! What looks after a guest: watchdog, panic device, non-maskable interrupts, statistics of its memory.

use reeve_tests::wait;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";

fn watchdog(action: &str) -> String {
    format!("{CONSOLE}<watchdog model='i6300esb' action='{action}'/>")
}

/// A guest whose watchdog has just expired.
fn expired(action: &str) -> anyhow::Result<Lab> {
    let lab = Lab::with_guest(&watchdog(action))?;
    lab.console("watchdog status", "ok on=false expired=false")?;
    lab.console("watchdog start 100", "ok")?;
    Ok(lab)
}

fn becomes(lab: &Lab, state: &str) -> Outcome {
    wait::until("the domain is in that state", PATIENCE, || lab.state().is_ok_and(|now| now == state))
}

#[test]
fn a_watchdog_that_is_fed_does_nothing_and_then_resets() -> Outcome {
    let lab = Lab::with_guest(&watchdog("reset"))?;
    lab.console("watchdog start 60000", "ok")?;
    lab.console("watchdog ping", "ok")?;
    lab.console("watchdog status", "ok on=true expired=false")?;
    // Time stands still with the guest.
    lab.reeve(&["domain", "suspend", "web"])?.ok();
    lab.reeve(&["domain", "resume", "web"])?.ok();
    lab.console("watchdog stop", "ok")?;
    lab.console("watchdog start 100", "ok")?;
    wait::until("the guest was reset", PATIENCE, || {
        let events = lab.reeve(&["domain", "events", "web", "--after", "0", "--timeout", "0", "-o", "json"]);
        events.is_ok_and(|events| events.stdout.contains("\"change\":\"rebooted\""))
    })?;
    lab.console("watchdog status", "ok on=false expired=true")?;
    assert!(lab.daemon.log().contains("the watchdog expired"), "nobody is told");
    Ok(())
}

#[test]
fn a_watchdog_pauses_ends_or_interrupts() -> Outcome {
    let lab = expired("pause")?;
    becomes(&lab, "paused")?;
    lab.reeve(&["domain", "resume", "web"])?.ok();
    lab.console("ping", "pong")?;

    becomes(&expired("poweroff")?, "shut off")?;
    becomes(&expired("shutdown")?, "shut off")?;

    let lab = expired("none")?;
    wait::until("it has expired", PATIENCE, || {
        lab.console("watchdog status", "ok on=").is_ok_and(|said| said.contains("expired=true"))
    })?;
    assert_eq!(lab.state()?, "running");

    let lab = expired("inject-nmi")?;
    wait::until("the guest was interrupted", PATIENCE, || {
        lab.console("nmi", "ok ").is_ok_and(|said| said.contains("ok 2"))
    })?;
    let lab = expired("dump")?;
    let cores = lab.daemon.root().join("var/lib/reeve/dump");
    wait::until("the guest is dumped", PATIENCE, || {
        let names = std::fs::read_dir(&cores).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.filter_map(|name| name.into_string().ok()).any(|name| name.starts_with("web-"))
    })?;
    becomes(&lab, "running")?;
    lab.console("ping", "pong")?;
    Ok(())
}

#[test]
fn a_guest_that_panics_has_crashed() -> Outcome {
    let lab = Lab::with_guest(&format!("{CONSOLE}<panic model='pvpanic'/>"))?;
    lab.console("panic handled", "ok")?;
    wait::until("the panic is told", PATIENCE, || lab.daemon.log().contains("by itself"))?;
    assert_eq!(lab.state()?, "running");
    // What it says next is its last word.
    let _ = lab.console("panic", "ok");
    becomes(&lab, "crashed")?;
    Ok(())
}

#[test]
fn a_guest_gets_an_interrupt_that_it_cant_mask() -> Outcome {
    let lab = Lab::with_guest(CONSOLE)?;
    lab.console("nmi", "ok 0")?;
    let said = lab.reeve(&["domain", "inject-nmi", "web"])?.ok();
    assert_eq!(said, "Domain 'web' interrupted\n");
    wait::until("both processors were interrupted", PATIENCE, || {
        lab.console("nmi", "ok ").is_ok_and(|said| said.contains("ok 2"))
    })?;
    let said = lab.reeve(&["domain", "screenshot", "web", "picture.ppm", "--screen", "0"])?.fails(1);
    assert!(said.contains("no screen 0") && said.contains("'picture.ppm'"), "{said}");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    let said = lab.reeve(&["domain", "inject-nmi", "web"])?.fails(6);
    assert!(said.contains("is not running"), "{said}");
    Ok(())
}

#[test]
fn a_guest_tells_of_its_memory() -> Outcome {
    let lab = Lab::with_guest(CONSOLE)?;
    lab.reeve(&["domain", "dommemstat", "web", "--live"])?.fails(2);
    wait::until("the guest has answered", PATIENCE, || {
        lab.reeve(&["domain", "dommemstat", "web"]).is_ok_and(|told| told.stdout.contains("\nunused "))
    })?;
    let told = lab.reeve(&["domain", "dommemstat", "web"])?.ok();
    assert!(told.starts_with("actual 65536\n") && told.contains("\navailable "), "{told}");
    assert!(told.contains("\nrss ") && !told.contains("swap_in"), "{told}");

    lab.reeve(&["domain", "dommemstat", "web", "--period", "1", "--live", "--config"])?.ok();
    for options in [&["domain", "xml", "web"][..], &["domain", "xml", "web", "--inactive"]] {
        let xml = lab.reeve(options)?.ok();
        assert!(xml.contains("<stats period='1'/>"), "{xml}");
    }
    lab.reeve(&["domain", "dommemstat", "web", "--period", "0", "--live"])?.ok();
    assert!(!lab.reeve(&["domain", "xml", "web"])?.ok().contains("<stats"), "it is off");
    Ok(())
}
