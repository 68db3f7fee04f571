//! Guests that suspend themselves to memory or disk, and wake up.

use reeve_tests::{Guest, wait};

use crate::lab::{AGENT, Lab};
use crate::{Outcome, PATIENCE};

fn becomes(lab: &Lab, state: &str) -> Outcome {
    wait::until("the domain is in that state", PATIENCE, || lab.state().is_ok_and(|now| now == state))
}

fn told(lab: &Lab, change: &str) -> anyhow::Result<usize> {
    let events =
        lab.reeve(&["domain", "events", "web", "--after", "0", "--timeout", "0", "-o", "json"])?.ok();
    Ok(events.matches(&format!("\"change\":\"{change}\"")).count())
}

/// A guest that knows something, with `<pm>` as given.
fn guest(pm: &str) -> anyhow::Result<Lab> {
    let lab = Lab::with_domain(AGENT)?;
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    let document = Guest::locate()?.document_with("web", 64, "", AGENT).replace("<vcpu>1<", "<vcpu>2<");
    let document = document.replace("</features>", &format!("</features>{pm}"));
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    lab.console("mem write 0x5353 16", "ok")?;
    Ok(lab)
}

#[test]
fn a_guest_sleeps_and_wakes_with_its_memory() -> Outcome {
    let mut lab = guest("")?;
    for (round, how) in ["", " protected"].into_iter().enumerate() {
        lab.console(&format!("suspend{how}"), "ok suspending")?;
        becomes(&lab, "pmsuspended")?;
        let said = lab.reeve(&["domain", "dompmwakeup", "web"])?.ok();
        assert!(said.contains("is awake"), "{said}");
        lab.console("", &format!("reeve-guest: woke up, wakes={}", round + 1))?;
        assert_eq!(lab.state()?, "running");
        lab.console("mem verify 0x5353 16", "ok")?;
        lab.console("cpus wake\ncpus", "awake=2 expected=2")?;
    }
    assert_eq!((told(&lab, "pm-suspended")?, told(&lab, "pm-woken")?), (2, 2));
    // One that runs is awake.
    lab.reeve(&["domain", "dompmwakeup", "web"])?.ok();

    // Asleep it stays so for the next daemon, and most verbs say what to do.
    lab.console("suspend", "ok suspending")?;
    becomes(&lab, "pmsuspended")?;
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(lab.state()?, "pmsuspended");
    let file = lab.file("web.save").display().to_string();
    for verb in [&["save", "web", &file][..], &["resume", "web"], &["suspend", "web"], &["shutdown", "web"]] {
        let said = lab.reeve(&[&["domain"], verb].concat())?.fails(6);
        assert!(said.contains("suspended by its guest; wake it first"), "{said}");
    }
    let core = lab.file("web.core").display().to_string();
    lab.reeve(&["domain", "dump", "web", &core, "--memory-only"])?.ok();
    assert_eq!(lab.state()?, "pmsuspended");
    lab.reeve(&["domain", "dompmwakeup", "web"])?.ok();
    lab.console("", "reeve-guest: woke up, wakes=3")?;
    lab.console("mem verify 0x5353 16", "ok")?;

    // A reset boots it again.
    lab.console("suspend", "ok suspending")?;
    becomes(&lab, "pmsuspended")?;
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    assert_eq!(lab.state()?, "running");
    lab.console("suspend", "ok suspending")?;
    becomes(&lab, "pmsuspended")?;
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    assert_eq!(lab.state()?, "shut off");
    Ok(())
}

#[test]
fn an_alarm_of_its_clock_wakes_a_guest() -> Outcome {
    let lab = guest("")?;
    lab.console("rtc wake 4", "ok")?;
    lab.console("suspend", "ok suspending")?;
    wait::until("it has slept", PATIENCE, || told(&lab, "pm-suspended").is_ok_and(|count| count == 1))?;
    wait::until("it is awake", PATIENCE, || told(&lab, "pm-woken").is_ok_and(|count| count == 1))?;
    lab.console("", "reeve-guest: woke up")?;
    lab.console("mem verify 0x5353 16", "ok")?;
    // A dump meanwhile changes nothing about that.
    lab.console("rtc wake 10", "ok")?;
    lab.console("suspend", "ok suspending")?;
    wait::until("it has slept", PATIENCE, || told(&lab, "pm-suspended").is_ok_and(|count| count == 2))?;
    let core = lab.file("web.core").display().to_string();
    lab.reeve(&["domain", "dump", "web", &core, "--memory-only"])?.ok();
    wait::until("it is awake", PATIENCE, || told(&lab, "pm-woken").is_ok_and(|count| count == 2))?;
    Ok(())
}

#[test]
fn a_guest_is_asked_to_suspend_itself_by_its_agent() -> Outcome {
    let lab = guest("")?;
    lab.reeve(&["domain", "dompmsuspend", "web", "--target", "mem"])?.ok();
    becomes(&lab, "pmsuspended")?;
    lab.reeve(&["domain", "dompmwakeup", "web"])?.ok();
    lab.console("", "reeve-guest: woke up, wakes=1")?;
    lab.reeve(&["domain", "dompmsuspend", "web", "--target", "mem", "--duration", "3"])?.ok();
    wait::until("it has slept", PATIENCE, || told(&lab, "pm-suspended").is_ok_and(|count| count == 2))?;
    lab.console("", "reeve-guest: woke up, wakes=2")?;
    becomes(&lab, "running")?;
    lab.reeve(&["domain", "dompmsuspend", "web", "--target", "moon"])?.fails(2);
    let said = lab.reeve(&["domain", "dompmsuspend", "web", "--target", "hybrid"])?.fails(1);
    assert!(said.contains("guest-suspend-hybrid"), "{said}");
    // To disk the machine is not needed any more.
    lab.reeve(&["domain", "dompmsuspend", "web", "--target", "disk"])?.ok();
    becomes(&lab, "shut off")?;
    assert!(lab.reeve(&["domain", "state", "web", "--reason"])?.ok().contains("hibernated"));
    let said = lab.reeve(&["domain", "dompmsuspend", "web", "--target", "mem"])?.fails(6);
    assert!(said.contains("is not running"), "{said}");
    Ok(())
}

#[test]
fn a_guest_has_the_sleep_states_of_its_document() -> Outcome {
    let lab = guest("<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>")?;
    lab.console("suspend", "error this machine has no S3")?;
    lab.console("suspend disk", "error this machine has no S4")?;
    assert_eq!(lab.state()?, "running");
    let said = lab.reeve(&["domain", "dompmsuspend", "web", "--target", "mem"])?.fails(1);
    assert!(said.contains("<suspend-to-mem>") && said.contains("enabled='yes'"), "{said}");
    let said = lab.reeve(&["domain", "dompmsuspend", "web", "--target", "hybrid"])?.fails(1);
    assert!(said.contains("<suspend-to-mem>"), "{said}");
    let xml = lab.reeve(&["domain", "xml", "web"])?.ok();
    assert!(xml.contains("<suspend-to-mem enabled='no'/>"), "{xml}");
    Ok(())
}
