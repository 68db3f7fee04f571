//! External snapshots: a domain goes back to images that others are put on, and these are merged when a snapshot is deleted; and what is left
//! when somebody dies.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reeve_tests::{Run, wait};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Signal, kill_process};

use crate::faults::begin;
use crate::lab::{Lab, entries};
use crate::snapshots::{Mark, document, flush, killed_after, lab, names, off, revert, snapshot};
use crate::{Outcome, PATIENCE};

fn delete(lab: &Lab, name: &str, more: &[&str]) -> anyhow::Result<Run> {
    lab.reeve(&[&["domain", "snapshot-delete", "web", name], more].concat())
}

/// A domain that runs, with a snapshot of its disks under each name; what its guest had at each, and what it has now.
fn chain(names: &[&str]) -> anyhow::Result<(Lab, Vec<Mark>, Mark)> {
    let lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let mut marks = Vec::new();
    for (name, seed) in names.iter().zip(1..) {
        marks.push(Mark::make(&lab, seed * 0x1000)?);
        snapshot(&lab, name, &["--disk-only"])?.ok();
    }
    let now = Mark::make(&lab, 0xf000)?;
    Ok((lab, marks, now))
}

/// What the first disk starts with, live and in the definition.
fn image(lab: &Lab) -> anyhow::Result<String> {
    let source = |which: &[&str]| {
        let rows = lab.json(&[&["domain", "domblklist", "web"], which].concat())?;
        let disk = rows.as_array().into_iter().flatten().find(|disk| disk["target"] == "vda").cloned();
        let path = disk.unwrap_or_default()["source"].as_str().unwrap_or_default().to_owned();
        anyhow::Ok(path.rsplit('/').next().unwrap_or_default().to_owned())
    };
    let (live, inactive) = (source(&[])?, source(&["--inactive"])?);
    anyhow::ensure!(live == inactive, "'{live}' and '{inactive}'");
    Ok(live)
}

/// Names of the images of the first disk, each of which is whole, as far as nobody has it.
fn images(lab: &Lab) -> anyhow::Result<BTreeSet<String>> {
    let all = entries(lab.place.path()).into_iter();
    let names = all.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let names: BTreeSet<String> = names.filter(|name| name.starts_with("a.")).collect();
    for name in &names {
        let run = lab.reeve(&["image", "check", "-f", "qcow2", &lab.file(name)])?;
        anyhow::ensure!(run.code == 0 || run.stderr.contains("it is in use"), "{run:?}");
    }
    Ok(names)
}

#[test]
fn a_domain_goes_back_and_the_images_of_then_stay_what_they_were() -> Outcome {
    let (mut lab, marks, second) = chain(&["night"])?;
    let night = std::fs::read(lab.path("a.qcow2"))?;
    let memory = format!("file={},snapshot=external", lab.file("web.mem"));
    snapshot(&lab, "whole", &["--memspec", &memory])?.ok();
    Mark::make(&lab, 0x3000)?;
    // With its memory: it goes on where it was.
    revert(&lab, "whole", &[])?.ok();
    assert_eq!(lab.state()?, "running");
    second.is_back(&lab)?;
    let back = image(&lab)?;
    assert!(!lab.path("a.whole").exists(), "nobody needs what was written since");
    assert_eq!(images(&lab)?, ["a.qcow2", "a.night", &back].map(str::to_owned).into());
    Mark::make(&lab, 0x4000)?;
    // The disks alone: the domain is off, or boots when that is asked for.
    let said = revert(&lab, "night", &["--running"])?.fails(6);
    assert!(said.contains("--force"), "{said}");
    revert(&lab, "night", &[])?.ok();
    assert_eq!((lab.state()?.as_str(), lab.path(&back).exists()), ("shut-off", false));
    lab.reeve(&["domain", "start", "web"])?.ok();
    marks[0].disks_are_back(&lab)?;
    assert!(night == std::fs::read(lab.path("a.qcow2"))?, "the image of then was not written");
    let fourth = Mark::make(&lab, 0x5000)?;
    // What it went on in is known to the next daemon, and the other branch is as it was.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(lab.reeve(&["domain", "snapshot-current", "web", "--name"])?.ok().trim(), "night");
    snapshot(&lab, "branch", &["--disk-only"])?.ok();
    revert(&lab, "whole", &["--paused"])?.ok();
    assert_eq!(lab.state()?, "paused");
    lab.reeve(&["domain", "resume", "web"])?.ok();
    second.is_back(&lab)?;
    revert(&lab, "branch", &["--running", "--force"])?.ok();
    fourth.disks_are_back(&lab)?;
    let tree = lab.reeve(&["domain", "snapshot-list", "web", "--tree"])?.ok();
    assert_eq!(tree.trim(), "night\n  +- branch\n  +- whole");

    // Two images are put on that of 'night': neither can go into it without breaking the other.
    let said = delete(&lab, "night", &[])?.fails(6);
    assert!(said.contains("can take one only") && said.contains("--children"), "{said}");
    fourth.disks_are_back(&lab)?;
    // Nobody is on the image of 'whole' any more. It goes, and with it the memory.
    delete(&lab, "whole", &[])?.ok();
    assert!(!lab.path("web.mem").exists() && !lab.path("a.night").exists());
    delete(&lab, "night", &["--children"])?.ok();
    fourth.disks_are_back(&lab)?;
    assert_eq!((names(&lab)?.as_str(), image(&lab)?.as_str()), ("", "a.qcow2"));
    assert_eq!(images(&lab)?, ["a.qcow2".to_owned()].into());
    Ok(())
}

/// Deletes the second, the first and the last one of three snapshots, and goes back to those that are left in between.
fn one_after_the_other(running: bool) -> Outcome {
    let (lab, marks, now) = chain(&["one", "two", "three"])?;
    let again = |lab: &Lab| match running {
        true => Ok(()),
        false => off(lab),
    };
    let runs = |lab: &Lab| match running {
        true => Ok(()),
        false => lab.reeve(&["domain", "start", "web"]).map(|run| drop(run.ok())),
    };
    again(&lab)?;
    delete(&lab, "two", &[])?.ok();
    assert_eq!(images(&lab)?, ["a.qcow2", "a.one", "a.three"].map(str::to_owned).into());
    runs(&lab)?;
    now.disks_are_back(&lab)?;
    // What came from it knows its image by the other name.
    revert(&lab, "three", &["--running", "--force"])?.ok();
    marks[2].disks_are_back(&lab)?;
    let last = Mark::make(&lab, 0xe000)?;
    again(&lab)?;
    delete(&lab, "one", &[])?.ok();
    runs(&lab)?;
    last.disks_are_back(&lab)?;
    assert_eq!(names(&lab)?, "three");
    let written = Mark::make(&lab, 0xd000)?;
    again(&lab)?;
    // The image that the disk has is merged too, and the domain goes on in the one below it.
    delete(&lab, "three", &[])?.ok();
    assert_eq!((image(&lab)?.as_str(), images(&lab)?.len()), ("a.qcow2", 1));
    runs(&lab)?;
    written.disks_are_back(&lab)?;
    off(&lab)?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    written.disks_are_back(&lab)
}

#[test]
fn images_are_merged_while_the_guest_runs() -> Outcome {
    one_after_the_other(true)
}

#[test]
fn images_of_a_domain_that_is_off_are_merged() -> Outcome {
    one_after_the_other(false)
}

#[test]
fn children_go_with_it_or_alone_or_are_forgotten() -> Outcome {
    let (lab, marks, now) = chain(&["one", "two", "three"])?;
    delete(&lab, "one", &["--children-only"])?.ok();
    assert_eq!((names(&lab)?.as_str(), image(&lab)?.as_str()), ("one", "a.one"));
    now.disks_are_back(&lab)?;
    revert(&lab, "one", &["--running", "--force"])?.ok();
    marks[0].disks_are_back(&lab)?;
    let files = images(&lab)?;
    delete(&lab, "one", &["--metadata"])?.ok();
    assert_eq!((names(&lab)?.as_str(), images(&lab)?), ("", files));
    marks[0].disks_are_back(&lab)
}

#[test]
fn images_of_then_may_be_volumes() -> Outcome {
    let lab = lab()?;
    let place = lab.place.path().display().to_string();
    lab.reeve(&["pool", "define-as", "place", "dir", "-", "-", "-", "-", &place])?.ok();
    lab.reeve(&["pool", "start", "place"])?.ok();
    let volume =
        "<disk type='volume'><driver name='qemu' type='qcow2'/><source pool='place' volume='a.qcow2'/>";
    let file = format!(
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='{}'/>",
        lab.file("a.qcow2")
    );
    let document = document(&lab);
    assert!(document.contains(&file), "{document}");
    lab.define(&document.replace(&file, volume))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let then = Mark::make(&lab, 0x1000)?;
    snapshot(&lab, "one", &["--disk-only"])?.ok();
    Mark::make(&lab, 0x2000)?;
    revert(&lab, "one", &["--running", "--force"])?.ok();
    then.disks_are_back(&lab)?;
    let now = Mark::make(&lab, 0x3000)?;
    // A domain that is off has it as a volume too.
    let disk = format!("{volume}<target dev='vda' bus='virtio'/></disk>");
    lab.define(&lab.document("other").replace(&lab.disk("vda"), &disk))?;
    let said = delete(&lab, "one", &[])?.fails(6);
    assert!(said.contains("domain 'other' has the image"), "{said}");
    lab.reeve(&["domain", "undefine", "other"])?.ok();
    delete(&lab, "one", &[])?.ok();
    now.disks_are_back(&lab)?;
    assert_eq!((names(&lab)?.as_str(), image(&lab)?.as_str()), ("", "a.qcow2"));
    off(&lab)?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    now.disks_are_back(&lab)
}

#[test]
fn what_can_not_be_merged_is_refused_and_changes_nothing() -> Outcome {
    let (lab, ..) = chain(&["one"])?;
    off(&lab)?;
    snapshot(&lab, "within", &[])?.ok();
    // 'within' is in the image that would go.
    let said = delete(&lab, "one", &[])?.fails(6);
    assert!(said.contains("the snapshot 'within' within"), "{said}");
    delete(&lab, "within", &[])?.ok();
    // Another domain is put on the image that would be written.
    let disk = format!(
        "<disk type='file'><driver type='qcow2'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>",
        lab.file("other.img")
    );
    let on = ["-F", "qcow2", "-b", "a.qcow2"];
    lab.reeve(&[&["image", "create", "-f", "qcow2"], &on[..], &[&lab.file("other.img")]].concat())?.ok();
    lab.define(&lab.document("other").replace(&lab.disk("vda"), &disk))?;
    let said = delete(&lab, "one", &[])?.fails(6);
    assert!(said.contains("domain 'other' has the image"), "{said}");
    revert(&lab, "one", &[])?.ok();
    lab.reeve(&["domain", "undefine", "other"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    let now = Mark::make(&lab, 0xe000)?;
    off(&lab)?;
    // Somebody has it who is no domain.
    let held = std::fs::File::open(lab.path("a.qcow2"))?;
    flock(&held, FlockOperation::LockShared)?;
    let said = delete(&lab, "one", &[])?;
    assert!(said.code != 0 && said.stderr.contains("is in use"), "{said:?}");
    // It may have begun: nobody goes back to it any more, and it can be deleted again.
    let said = revert(&lab, "one", &[])?.fails(6);
    assert!(said.contains("begun to be deleted"), "{said}");
    drop(held);
    lab.reeve(&["domain", "start", "web"])?.ok();
    now.disks_are_back(&lab)?;
    delete(&lab, "one", &[])?.ok();
    now.disks_are_back(&lab)?;
    assert_eq!((names(&lab)?.as_str(), image(&lab)?.as_str()), ("", "a.qcow2"));
    // What was saved goes on in the images that it had.
    let now = Mark::make(&lab, 0xd000)?;
    snapshot(&lab, "saved", &["--disk-only"])?.ok();
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    let said = delete(&lab, "saved", &[])?.fails(6);
    assert!(said.contains("a managed save"), "{said}");
    lab.reeve(&["domain", "start", "web"])?.ok();
    now.is_back(&lab)?;
    // Memory alone is found again where its disks are merged.
    snapshot(&lab, "memory", &["--diskspec", "vda,snapshot=no", "--diskspec", "vdb,snapshot=no"])?.ok();
    delete(&lab, "saved", &[])?.ok();
    revert(&lab, "memory", &[])?.ok();
    now.is_back(&lab)?;
    delete(&lab, "memory", &[])?.ok();
    // An image of then that is gone.
    snapshot(&lab, "two", &["--disk-only"])?.ok();
    off(&lab)?;
    std::fs::rename(lab.path("a.qcow2"), lab.path("a.away"))?;
    let said = revert(&lab, "two", &[])?.fails(6);
    assert!(said.contains("is not there"), "{said}");
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_while_images_are_merged_leaves_disks_that_show_the_same() -> Outcome {
    for round in 0..6u32 {
        let (mut lab, marks, now) = chain(&["one", "two", "three"])?;
        let name = ["one", "two", "three"][round as usize % 3];
        let deleting = begin(&lab, &["domain", "snapshot-delete", "web", name]);
        killed_after(&mut lab, deleting, 15 + round * 35)?;
        now.disks_are_back(&lab)?;
        // The next daemon ends what the one before had begun.
        let known = || names(&lab).is_ok_and(|names| names.split(' ').any(|other| other == name));
        if known() {
            // It may be at it, and done before it is asked.
            let run = delete(&lab, name, &[])?;
            assert!(run.code == 0 || run.stderr.contains("has no snapshot"), "{run:?}");
        }
        assert!(!known(), "round {round}");
        now.disks_are_back(&lab)?;
        assert_eq!(images(&lab)?.len(), 3, "round {round}");
        let left = if name == "one" { 1 } else { 0 };
        revert(&lab, ["one", "two"][left], &["--running", "--force"])?.ok();
        marks[left].disks_are_back(&lab)?;
    }
    Ok(())
}

#[test]
fn a_worker_that_is_killed_while_images_are_merged_leaves_disks_that_show_the_same() -> Outcome {
    for round in 0..3u64 {
        let (lab, marks, now) = chain(&["one", "two"])?;
        flush(&lab)?;
        let worker = lab.daemon.worker("web")?;
        let deleting = begin(&lab, &["domain", "snapshot-delete", "web", "two"]);
        let end = Instant::now() + Duration::from_millis(20 + round * 30);
        while Instant::now() < end && !deleting.is_finished() {
            std::thread::yield_now();
        }
        let _ = kill_process(worker, Signal::KILL);
        let run = deleting.join().expect("the thread lives")?;
        wait::until("the loss is known", PATIENCE, || lab.state().is_ok_and(|state| state == "crashed"))?;
        if run.code != 0 {
            delete(&lab, "two", &[])?.ok();
        }
        assert_eq!((names(&lab)?.as_str(), image(&lab)?.as_str()), ("one", "a.one"), "{run:?}");
        lab.reeve(&["domain", "start", "web"])?.ok();
        now.disks_are_back(&lab)?;
        revert(&lab, "one", &["--running", "--force"])?.ok();
        marks[0].disks_are_back(&lab)?;
    }
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_while_a_domain_goes_back_leaves_it_on_one_side() -> Outcome {
    let (mut lab, marks, _) = chain(&["one"])?;
    for round in 0..6u32 {
        let now = Mark::make(&lab, 0x1_0000 * (round + 1))?;
        let before = image(&lab)?;
        let reverting = begin(&lab, &["domain", "snapshot-revert", "web", "one"]);
        killed_after(&mut lab, reverting, 10 + round * 25)?;
        let is_back = image(&lab)? != before;
        assert_eq!(lab.path(&before).exists(), !is_back, "round {round}");
        if lab.state()? != "running" {
            lab.reeve(&["domain", "start", "web"])?.ok();
        }
        if is_back { &marks[0] } else { &now }.disks_are_back(&lab)?;
        assert_eq!(images(&lab)?.len(), 2, "round {round}");
    }
    Ok(())
}

/// A domain of which a snapshot is being deleted, by a merge that goes on for hours unless somebody does something about it.
fn slow_merge(lab: &Lab) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<Run>>> {
    for round in 0..200 {
        snapshot(lab, "one", &["--disk-only"])?.ok();
        lab.told(&format!("disk write 0 0 16384 {}", round + 1))?;
        let deleting = begin(lab, &["domain", "snapshot-delete", "web", "one"]);
        while !deleting.is_finished() {
            let slower = lab.reeve(&["domain", "blockjob", "web", "vda", "512", "--bytes"])?;
            let job = lab.reeve(&["domain", "blockjob", "web", "vda", "--raw"])?;
            let number = |name: &str| -> u64 {
                let lines = job.stdout.lines();
                let found = lines.filter_map(|line| line.trim().strip_prefix(name)).next();
                found.and_then(|number| number.parse().ok()).unwrap_or(0)
            };
            // It is told between two steps, of which one is done at once.
            let is_long = number("end=") >= number("cur=") + (1 << 20);
            match slower.code == 0 && job.stdout.contains("state=running") {
                true if is_long => return Ok(deleting),
                true => drop(lab.reeve(&["domain", "blockjob", "web", "vda", "0"])?),
                false => {}
            }
        }
        deleting.join().expect("the thread lives")?.ok();
    }
    anyhow::bail!("each merge was done before it could be made slow")
}

#[test]
fn a_domain_is_looked_at_steered_and_ended_while_its_images_are_merged() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let deleting = slow_merge(&lab)?;
    for words in
        [&["domstats", "web"][..], &["snapshot-list", "web"], &["domblklist", "web"], &["dumpxml", "web"]]
    {
        lab.reeve(&[&["domain"], words].concat())?.ok();
    }
    assert_eq!(lab.state()?, "running");
    lab.reeve(&["domain", "suspend", "web"])?.ok();
    lab.reeve(&["domain", "resume", "web"])?.ok();
    if deleting.is_finished() {
        anyhow::bail!("the merge does not go on: {:?}", deleting.join());
    }
    // Given up, all is as before.
    lab.reeve(&["domain", "blockjob", "web", "vda", "--abort", "--async"])?.ok();
    assert!(deleting.join().expect("the thread lives")?.fails(1).contains("cancelled"));
    assert_eq!(names(&lab)?, "one");
    delete(&lab, "one", &[])?.ok();
    // Ended by force, it is not in the way.
    let deleting = slow_merge(&lab)?;
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    deleting.join().expect("the thread lives")?.fails(6);
    delete(&lab, "one", &[])?.ok();
    // A guest that shuts down ends its machine, and the merge is done without it.
    lab.reeve(&["domain", "start", "web"])?.ok();
    let deleting = slow_merge(&lab)?;
    lab.reeve(&["domain", "shutdown", "web"])?.ok();
    wait::until("the guest has shut down", PATIENCE, || lab.state().is_ok_and(|state| state == "shut-off"))?;
    // Unless it ended just when a job was about to begin.
    if deleting.join().expect("the thread lives")?.code != 0 {
        delete(&lab, "one", &[])?.ok();
    }
    assert_eq!((names(&lab)?.as_str(), image(&lab)?.as_str()), ("", "a.qcow2"));
    assert_eq!(images(&lab)?, ["a.qcow2".to_owned()].into());
    Ok(())
}

#[test]
fn a_guest_that_was_saved_to_a_file_is_restored_only_with_the_images_that_it_had() -> Outcome {
    let (lab, _, now) = chain(&["one"])?;
    let file = lab.file("saved");
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    delete(&lab, "one", &[])?.ok();
    let said = lab.reeve(&["domain", "restore", &file])?.fails(3);
    assert!(said.contains("a.one', which is not there any more"), "{said}");
    assert_eq!(lab.state()?, "shut-off");
    // Nothing has been written to the images that they went into.
    let document = lab.reeve(&["domain", "save-image-dumpxml", &file])?.ok();
    let there = ["a", "b"].iter().fold(document, |document, name| {
        document.replace(&format!("/{name}.one'"), &format!("/{name}.qcow2'"))
    });
    let xml = lab.file("there.xml");
    std::fs::write(&xml, there)?;
    lab.reeve(&["domain", "restore", &file, "--xml", &xml])?.ok();
    now.is_back(&lab)
}

#[test]
fn images_of_snapshots_and_of_domains_that_are_off_are_not_committed() -> Outcome {
    let (lab, _, now) = chain(&["one", "two"])?;
    let commit =
        |more: &[&str]| lab.reeve(&[&["domain", "blockcommit", "web", "vda", "--wait"], more].concat());
    // The active image into the one of 'two', that into the one of 'one', and all.
    for (more, name, path) in [
        (&["--active", "--shallow", "--pivot"][..], "two", "a.one"),
        (&["--top", "vda[1]", "--base", "vda[2]"][..], "one", "a.qcow2"),
        (&["--active", "--pivot"][..], "one", "a.qcow2"),
    ] {
        let said = commit(more)?.fails(6);
        // The first snapshot by name that would lose something.
        assert!(said.contains(&format!("snapshot '{name}' has the image '{}'", lab.file(path))), "{said}");
        assert!(said.contains("snapshot-delete") && said.contains("--metadata"), "{said}");
    }
    assert_eq!((image(&lab)?.as_str(), images(&lab)?.len()), ("a.two", 3));
    delete(&lab, "two", &[])?.ok();
    // What nobody goes back to by a snapshot may be what another domain is put on.
    delete(&lab, "one", &["--metadata"])?.ok();
    off(&lab)?;
    let disk = format!(
        "<disk type='file'><driver type='qcow2'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>",
        lab.file("other.img")
    );
    let on = ["-F", "qcow2", "-b", "a.qcow2"];
    lab.reeve(&[&["image", "create", "-f", "qcow2"], &on[..], &[&lab.file("other.img")]].concat())?.ok();
    lab.define(&lab.document("other").replace(&lab.disk("vda"), &disk))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let said = commit(&["--active", "--pivot"])?.fails(6);
    assert!(said.contains("domain 'other' has the image"), "{said}");
    lab.reeve(&["domain", "undefine", "other"])?.ok();
    commit(&["--active", "--pivot"])?.ok();
    assert_eq!(image(&lab)?, "a.qcow2");
    now.disks_are_back(&lab)
}
