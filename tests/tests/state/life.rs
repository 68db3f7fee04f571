//! The lifecycle matrix: the same checks after every way of being saved.

use std::time::Instant;

use reeve_tests::{Guest, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

/// Ways of leaving and coming back.
#[derive(Debug, Clone, Copy)]
enum Way {
    File,
    PastTheCache,
    Managed,
    ManagedWithAnotherDaemon,
    ManagedWithAKilledDaemon,
}

const WAYS: [Way; 5] = [
    Way::File,
    Way::PastTheCache,
    Way::Managed,
    Way::ManagedWithAnotherDaemon,
    Way::ManagedWithAKilledDaemon,
];

impl Way {
    fn leave(self, lab: &mut Lab) -> Outcome {
        let file = lab.file("web.save");
        match self {
            Self::File => drop(lab.reeve(&["domain", "save", "web", &file])?.ok()),
            Self::PastTheCache => drop(lab.reeve(&["domain", "save", "web", &file, "--bypass-cache"])?.ok()),
            _ => drop(lab.reeve(&["domain", "managedsave", "web"])?.ok()),
        }
        match self {
            Self::ManagedWithAnotherDaemon => drop(lab.daemon.stop()?),
            Self::ManagedWithAKilledDaemon => drop(lab.daemon.kill()?),
            _ => return Ok(()),
        }
        lab.daemon.launch()
    }

    fn come_back(self, lab: &Lab) -> Outcome {
        let file = lab.file("web.save");
        match self {
            Self::File => drop(lab.reeve(&["domain", "restore", &file])?.ok()),
            Self::PastTheCache => drop(lab.reeve(&["domain", "restore", &file, "--bypass-cache"])?.ok()),
            _ => drop(lab.reeve(&["domain", "start", "web"])?.ok()),
        }
        Ok(())
    }
}

#[test]
fn a_guest_goes_on_after_every_way_of_being_saved() -> Outcome {
    let mut lab = Lab::start()?;
    let mut known = lab.boot()?;
    let plugged = lab.disk("vdb");
    lab.daemon.reeve_with_input(&["domain", "attach-device", "web", "-", "--live"], &plugged)?.ok();
    lab.told("disk put 1 9 plugged")?;
    lab.reeve(&["domain", "setmem", "web", "56MiB"])?.ok();
    wait::until("the balloon has its size", PATIENCE, || {
        lab.ask("balloon").is_ok_and(|said| said.contains("held=2048"))
    })?;
    for way in WAYS {
        let before = lab.json(&["domain", "info", "web"])?["worker_pid"].as_u64();
        way.leave(&mut lab)?;
        assert_eq!(lab.state()?, "shut-off", "{way:?}");
        assert!(crate::lab::entries(&lab.daemon.root().join("run/reeve/domains")).is_empty(), "{way:?}");
        way.come_back(&lab)?;
        let info = lab.json(&["domain", "info", "web"])?;
        assert_eq!((&info["state"], &info["reason"]), (&"running".into(), &"restored".into()), "{way:?}");
        assert_ne!(info["worker_pid"].as_u64(), before, "{way:?}: {info}");
        lab.remembers(&mut known)?;
        assert!(lab.told("disk read 1 9")?.contains("plugged"), "{way:?}");
        assert!(lab.told("balloon")?.contains("held=2048"), "{way:?}");
        assert!(lab.managed().is_empty(), "{way:?}: a managed save is used once");
    }
    // What was plugged is still the host's to take.
    lab.daemon.reeve_with_input(&["domain", "detach-device", "web", "-", "--live"], &plugged)?.ok();
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.told("ping booted")?;
    Ok(())
}

#[test]
fn vector_registers_are_what_they_were() -> Outcome {
    let lab = Lab::start()?;
    lab.boot()?;
    let file = lab.file("web.save");
    // It holds its registers for two seconds of its own time, and is saved within them.
    lab.tell("vectors 0x123456789abcdef1 2000", "reeve-guest: holding")?;
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    lab.reeve(&["domain", "restore", &file])?.ok();
    lab.tell("", Guest::vectors_intact())
}

#[test]
fn vector_registers_are_what_they_were_when_a_snapshot_was_made() -> Outcome {
    let lab = crate::snapshots::lab()?;
    lab.boot()?;
    lab.tell("vectors 0x123456789abcdef1 2000", "reeve-guest: holding")?;
    lab.reeve(&["domain", "snapshot-create-as", "web", "held"])?.ok();
    lab.tell("", Guest::vectors_intact())?;
    // The worker of the snapshot is another one, which has said nothing yet.
    lab.reeve(&["domain", "snapshot-revert", "web", "held", "--force"])?.ok();
    lab.tell("", Guest::vectors_intact())
}

#[test]
fn saving_and_restoring_are_measured() -> Outcome {
    let lab = Lab::with_memory(256)?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.told("mem write 0x1 200")?;
    let file = lab.file("web.save");
    let start = Instant::now();
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    let saved = start.elapsed();
    let start = Instant::now();
    lab.reeve(&["domain", "restore", &file])?.ok();
    let restored = start.elapsed();
    println!("256 MiB, 200 of them written: saved in {saved:?}, restored in {restored:?}");
    lab.told("mem verify 0x1 200")?;
    Ok(())
}
