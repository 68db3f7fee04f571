//! Snapshots of domains: what a guest had at one moment, memory and all disks, comes back; and what is left when somebody dies.

use std::ffi::OsStr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use reeve_tests::{Run, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::faults::{Small, begin};
use crate::lab::{Lab, entries, field};
use crate::{Outcome, PATIENCE};

/// A lab whose domain has two disks in qcow2 images.
pub fn lab() -> anyhow::Result<Lab> {
    let lab = Lab::start()?;
    for name in ["a.qcow2", "b.qcow2"] {
        lab.reeve(&["image", "create", "-f", "qcow2", &lab.file(name), "8M"])?.ok();
    }
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    lab.define(&document(&lab))?;
    Ok(lab)
}

pub fn document(lab: &Lab) -> String {
    let disk = |path: &str, target: &str| {
        let driver = "<driver name='qemu' type='qcow2'/>";
        format!(
            "<disk type='file'>{driver}<source file='{path}'/><target dev='{target}' bus='virtio'/></disk>"
        )
    };
    let both = disk(&lab.file("a.qcow2"), "vda") + &disk(&lab.file("b.qcow2"), "vdb");
    let name = "<name>web</name>";
    let identity = format!("{name}<uuid>{}</uuid>", lab.uuid);
    lab.document("web").replace(&lab.disk("vda"), &both).replace(name, &identity)
}

/// What the guest has in memory and on its disks; it is told to have that first.
pub struct Mark {
    seed: u32,
    sums: [String; 2],
}

impl Mark {
    pub fn make(lab: &Lab, seed: u32) -> anyhow::Result<Self> {
        lab.told(&format!("mem write {seed:#x} 32"))?;
        let mut sums = [String::new(), String::new()];
        for (number, sum) in sums.iter_mut().enumerate() {
            *sum = field(
                &lab.told(&format!("disk write {number} 0 256 {:#x}", seed + 1 + number as u32))?,
                "sum",
            );
        }
        Ok(Self { seed, sums })
    }

    pub fn disks_are_back(&self, lab: &Lab) -> Outcome {
        for (number, sum) in self.sums.iter().enumerate() {
            let now = field(&lab.told(&format!("disk sum {number} 0 256"))?, "sum");
            anyhow::ensure!(now == *sum, "disk {number} has {now}, not {sum}");
        }
        Ok(())
    }

    pub fn is_back(&self, lab: &Lab) -> Outcome {
        lab.told(&format!("mem verify {:#x} 32", self.seed))?;
        self.disks_are_back(lab)
    }
}

/// The guest's disks have all that it wrote, whatever becomes of its worker.
pub fn flush(lab: &Lab) -> Outcome {
    (0..2).try_for_each(|number| lab.told(&format!("disk flush {number}")).map(drop))
}

pub fn snapshot(lab: &Lab, name: &str, more: &[&str]) -> anyhow::Result<Run> {
    lab.reeve(&[&["domain", "snapshot-create-as", "web", name], more].concat())
}

pub fn revert(lab: &Lab, name: &str, more: &[&str]) -> anyhow::Result<Run> {
    lab.reeve(&[&["domain", "snapshot-revert", "web", name], more].concat())
}

pub fn names(lab: &Lab) -> anyhow::Result<String> {
    Ok(lab.reeve(&["domain", "snapshot-list", "web", "--name"])?.ok().trim().replace('\n', " "))
}

/// Names of the snapshots within an image that nobody has.
fn within(lab: &Lab, image: &str) -> anyhow::Result<String> {
    lab.reeve(&["image", "check", "-f", "qcow2", &lab.file(image)])?.ok();
    named_within(lab, image)
}

/// The same of an image whose worker was killed, which may have left clusters that nobody uses.
fn within_a_remainder(lab: &Lab, image: &str) -> anyhow::Result<String> {
    let check = lab.reeve(&["image", "check", "-f", "qcow2", &lab.file(image)])?;
    anyhow::ensure!(check.code == 0 || check.stderr.contains(" 0 corruptions"), "{check:?}");
    named_within(lab, image)
}

fn named_within(lab: &Lab, image: &str) -> anyhow::Result<String> {
    let list = lab.json(&["image", "snapshot", "list", "-f", "qcow2", &lab.file(image)])?;
    let rows = list.as_array().into_iter().flatten();
    let names: Vec<&str> = rows.filter_map(|row| row["name"].as_str().or(row["tag"].as_str())).collect();
    Ok(names.join(" "))
}

pub fn off(lab: &Lab) -> Outcome {
    if lab.state()? != "shut-off" {
        lab.reeve(&["domain", "destroy", "web"])?.ok();
    }
    Ok(())
}

/// Files that have the memory of guests.
fn memories(lab: &Lab) -> usize {
    let has = |path: &Path| path.extension().is_some_and(|extension| extension == "snapshot");
    lab.managed().iter().filter(|path| has(path)).count()
}

#[test]
fn a_running_domain_goes_back_with_its_memory_and_all_its_disks() -> Outcome {
    let mut lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let first = Mark::make(&lab, 0x1000)?;
    snapshot(&lab, "first", &["a clean copy"])?.ok();
    assert_eq!(lab.state()?, "running");
    first.is_back(&lab)?;
    let second = Mark::make(&lab, 0x2000)?;
    snapshot(&lab, "second", &[])?.ok();
    Mark::make(&lab, 0x3000)?;
    revert(&lab, "first", &[])?.ok();
    assert_eq!(lab.state()?, "running");
    first.is_back(&lab)?;
    assert_eq!(lab.reeve(&["domain", "snapshot-current", "web", "--name"])?.ok().trim(), "first");
    let third = Mark::make(&lab, 0x4000)?;
    lab.reeve(&["domain", "suspend", "web"])?.ok();
    snapshot(&lab, "third", &[])?.ok();
    assert_eq!(lab.state()?, "paused");
    let tree = lab.reeve(&["domain", "snapshot-list", "web", "--tree"])?.ok();
    assert_eq!(tree.trim(), "first\n  +- second\n  +- third");
    assert_eq!(lab.reeve(&["domain", "snapshot-parent", "web", "--current"])?.ok().trim(), "first");

    lab.daemon.kill()?;
    lab.daemon.launch()?;
    revert(&lab, "second", &[])?.ok();
    second.is_back(&lab)?;
    // A domain with snapshots is saved and goes on as any other.
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    second.is_back(&lab)?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    revert(&lab, "third", &[])?.ok();
    assert_eq!(lab.state()?, "paused");
    assert_eq!(memories(&lab), 3, "the managed save was of a guest that is no more");
    lab.reeve(&["domain", "resume", "web"])?.ok();
    third.is_back(&lab)?;
    revert(&lab, "first", &["--paused"])?.ok();
    assert_eq!(lab.state()?, "paused");
    lab.reeve(&["domain", "resume", "web"])?.ok();
    first.is_back(&lab)?;

    // Of a running domain, by its worker.
    lab.reeve(&["domain", "snapshot-delete", "web", "second"])?.ok();
    first.is_back(&lab)?;
    assert_eq!((names(&lab)?.as_str(), memories(&lab)), ("first third", 2));
    off(&lab)?;
    assert_eq!(within(&lab, "a.qcow2")?, "first third");
    assert_eq!(within(&lab, "b.qcow2")?, "first third");
    lab.reeve(&["domain", "snapshot-delete", "web", "first", "--children"])?.ok();
    assert_eq!((names(&lab)?.as_str(), memories(&lab)), ("", 0));
    assert_eq!((within(&lab, "a.qcow2")?, within(&lab, "b.qcow2")?), (String::new(), String::new()));
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    Ok(())
}

#[test]
fn a_domain_that_is_off_is_snapshotted_in_all_its_images_or_in_none() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let clean = Mark::make(&lab, 0x1000)?;
    off(&lab)?;
    snapshot(&lab, "clean", &[])?.ok();
    let info = lab.reeve(&["domain", "snapshot-info", "web", "clean"])?.ok();
    assert!(info.contains("shutoff") && info.contains("internal"), "{info}");
    // The name is taken in the second image only: the first is left as it was.
    lab.reeve(&["image", "snapshot", "create", "-f", "qcow2", &lab.file("b.qcow2"), "half"])?.ok();
    snapshot(&lab, "half", &[])?.fails(1);
    assert_eq!((within(&lab, "a.qcow2")?, within(&lab, "b.qcow2")?), ("clean".into(), "clean half".into()));
    assert_eq!(names(&lab)?, "clean");
    lab.reeve(&["domain", "start", "web"])?.ok();
    Mark::make(&lab, 0x2000)?;
    let said = revert(&lab, "clean", &["--running"])?.fails(6);
    assert!(said.contains("--force"), "{said}");
    revert(&lab, "clean", &[])?.ok();
    assert_eq!(lab.state()?, "shut-off");
    lab.reeve(&["domain", "start", "web"])?.ok();
    clean.disks_are_back(&lab)?;
    Mark::make(&lab, 0x3000)?;
    revert(&lab, "clean", &["--running", "--force"])?.ok();
    clean.disks_are_back(&lab)?;
    // Whether it runs or not: nobody could go back to them, and another domain of its identity would have them.
    for state in ["running", "shut-off"] {
        assert_eq!(lab.state()?, state);
        let said = lab.reeve(&["domain", "undefine", "web"])?.fails(6);
        assert!(said.contains("--snapshots-metadata"), "{said}");
        off(&lab)?;
    }
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.reeve(&["domain", "undefine", "web", "--snapshots-metadata"])?.ok();
    assert_eq!(names(&lab)?, "", "it goes on as a transient one without them");
    off(&lab)?;
    lab.define(&document(&lab))?;
    assert_eq!(names(&lab)?, "");
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    assert_eq!(within(&lab, "a.qcow2")?, "clean", "what is in its images stays");
    Ok(())
}

#[test]
fn running_disks_change_over_to_new_images() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let mark = Mark::make(&lab, 0x1000)?;
    let diskspec = format!("vdb,file={}", lab.file("b,,new"));
    snapshot(&lab, "night", &["--disk-only", "--atomic", "--diskspec", &diskspec])?.ok();
    let frozen = [std::fs::read(lab.path("a.qcow2"))?, std::fs::read(lab.path("b.qcow2"))?];
    mark.is_back(&lab)?;
    let later = Mark::make(&lab, 0x2000)?;
    let now = [std::fs::read(lab.path("a.qcow2"))?, std::fs::read(lab.path("b.qcow2"))?];
    assert!(frozen == now, "the images below are not written");
    for which in [&[][..], &["--inactive"]] {
        let list = lab.reeve(&[&["domain", "domblklist", "web"], which].concat())?.ok();
        assert!(list.contains("a.night") && list.contains("b,new"), "{list}");
    }
    // Others may read the images below, and nobody writes them.
    lab.reeve(&["image", "info", "-f", "qcow2", &lab.file("a.qcow2")])?.ok();
    snapshot(&lab, "again", &["--disk-only", "--reuse-external"])?.fails(7);
    let memory = lab.file("web.mem");
    snapshot(&lab, "whole", &["--memspec", &format!("file={memory},snapshot=external")])?.ok();
    later.is_back(&lab)?;
    let rows = lab.reeve(&["domain", "snapshot-list", "web", "--external", "--parent"])?.ok();
    assert!(rows.contains("disk-snapshot") && rows.contains("running"), "{rows}");
    off(&lab)?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    later.disks_are_back(&lab)?;
    let last = Mark::make(&lab, 0x3000)?;
    off(&lab)?;
    snapshot(&lab, "off", &["--diskspec", "vda,snapshot=external", "--diskspec", "vdb,snapshot=no"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    last.disks_are_back(&lab)?;
    lab.reeve(&["domain", "snapshot-delete", "web", "night", "--children-only", "--metadata"])?.ok();
    lab.reeve(&["domain", "snapshot-delete", "web", "--current", "--metadata"])?.ok();
    assert_eq!(names(&lab)?, "");
    last.disks_are_back(&lab)
}

#[test]
fn what_can_not_be_made_is_refused_and_changes_nothing() -> Outcome {
    let lab = Lab::start()?;
    let mut known = lab.boot()?;
    for (more, code, part) in [
        (&[][..], 7, "a raw image holds no snapshot"),
        (&["--live", "--disk-only"], 7, "--live"),
        (&["--quiesce"], 7, "--disk-only"),
        (&["--halt", "--disk-only"], 7, "--halt"),
        (&["--disk-only", "--quiesce"], 6, ""),
        (&["--disk-only", "--diskspec", "vdz"], 3, "no disk 'vdz'"),
        (&["--disk-only", "--diskspec", "vda,file=/proc/x"], 7, "beside it"),
        (&["--disk-only", "--reuse-external"], 7, "not there to be reused"),
        (&["--diskspec", "vda,snapshot=no", "--memspec", "relative"], 7, "absolute"),
    ] {
        let run = snapshot(&lab, "x", more)?;
        assert!(run.code != 0 && run.stderr.contains(part), "{more:?}: {run:?}");
        assert!(run.code == code || part.is_empty(), "{more:?}: {run:?}");
    }
    snapshot(&lab, "../x", &["--disk-only"])?.fails(7);
    assert_eq!((names(&lab)?.as_str(), lab.state()?.as_str()), ("", "running"));
    lab.remembers(&mut known)?;
    // A raw image below a new one.
    snapshot(&lab, "raw", &["--disk-only", "--no-metadata"])?.ok();
    assert_eq!(names(&lab)?, "");
    lab.remembers(&mut known)?;
    // Memory alone, and the end of the domain.
    snapshot(&lab, "mem", &["--diskspec", "vda,snapshot=no", "--halt"])?.ok();
    assert_eq!((names(&lab)?.as_str(), lab.state()?.as_str()), ("mem", "shut-off"));
    revert(&lab, "mem", &[])?.ok();
    lab.told("mem verify 0x5151 32")?;
    let said = lab.reeve(&["domain", "migrate", "web", "reeve+unix:///nowhere/reeve.sock"])?.fails(6);
    assert!(said.contains("has snapshots"), "{said}");
    Ok(())
}

#[test]
fn what_is_kept_is_shown_edited_and_taken_again() -> Outcome {
    let lab = lab()?;
    let printed = lab.reeve(&[
        "domain",
        "snapshot-create-as",
        "web",
        "a",
        "first",
        "--print-xml",
        "--diskspec",
        "vda,file=/x,,y",
    ])?;
    let printed = printed.ok();
    assert!(
        printed.contains("<source file='/x,y'/>") && printed.contains("<description>first<"),
        "{printed}"
    );
    let run = lab.daemon.reeve_with_input(
        &["domain", "snapshot-create", "web", "-"],
        "<domainsnapshot><name>a</name><description>first</description></domainsnapshot>",
    )?;
    run.ok();
    for name in ["b", "c"] {
        snapshot(&lab, name, &[])?.ok();
    }
    lab.reeve(&["domain", "snapshot-create", "web"])?.ok();
    lab.reeve(&["domain", "snapshot-delete", "web", "--current"])?.ok();
    assert_eq!(lab.reeve(&["domain", "snapshot-current", "web", "--name"])?.ok().trim(), "c");
    lab.reeve(&["domain", "snapshot-current", "web", "b"])?.ok();
    let current = lab.reeve(&["domain", "snapshot-current", "web"])?.ok();
    let dumped = lab.reeve(&["domain", "snapshot-dumpxml", "web", "b", "--security-info"])?.ok();
    assert!(current == dumped && dumped.contains("<domain type="), "{dumped}");
    let text =
        lab.reeve(&["domain", "snapshot-list", "web", "--from", "a", "--descendants", "--leaves"])?.ok();
    assert!(text.contains('c') && !text.contains("\nb"), "{text}");
    for bad in [&["--roots", "--tree"][..], &["--tree", "--leaves"], &["--roots", "--from", "a"]] {
        assert_eq!(lab.reeve(&[&["domain", "snapshot-list", "web"], bad].concat())?.code, 2, "{bad:?}");
    }
    // Forgotten and taken again, as on another host.
    let file = lab.daemon.file("b.xml", &dumped)?;
    lab.reeve(&["domain", "snapshot-delete", "web", "b", "--metadata"])?.ok();
    lab.reeve(&["domain", "snapshot-create", "web", &file, "--redefine", "--current"])?.ok();
    assert_eq!(lab.reeve(&["domain", "snapshot-current", "web", "--name"])?.ok().trim(), "b");
    revert(&lab, "b", &[])?.ok();
    // The one that came from it is its parent's now, until it is said otherwise.
    let c = lab.reeve(&["domain", "snapshot-parent", "web", "c"])?.ok();
    assert_eq!(c.trim(), "a");
    let circle = lab.reeve(&["domain", "snapshot-dumpxml", "web", "a"])?.ok();
    let circle = circle.replace("<state>", "<parent><name>c</name></parent><state>");
    let file = lab.daemon.file("a.xml", &circle)?;
    let said = lab.reeve(&["domain", "snapshot-create", "web", &file, "--redefine"])?.fails(7);
    assert!(said.contains("comes from it"), "{said}");

    let edit = |sed: &str, more: &[&str]| {
        let words = [&["domain", "snapshot-edit", "web", "c"], more].concat();
        let editor = format!("sed -i '{sed}'");
        Run::reeve(
            lab.daemon.root(),
            &words,
            "",
            &[("EDITOR", OsStr::new(&editor)), ("VISUAL", OsStr::new(""))],
        )
    };
    edit("s|<state>|<description>edited</description><state>|", &[])?.ok();
    let info = lab.reeve(&["domain", "snapshot-info", "web", "c"])?.ok();
    assert!(info.contains("edited"), "{info}");
    assert_ne!(edit("s/>c</>d</", &[])?.code, 0, "the name must stay");
    edit("s/>c</>d</", &["--clone"])?.ok();
    assert_eq!(names(&lab)?, "a b c d");
    edit("s/>c</>e</", &["--rename", "--current"])?.ok();
    assert_eq!(names(&lab)?, "a b d e");
    assert_eq!(lab.reeve(&["domain", "snapshot-current", "web", "--name"])?.ok().trim(), "e");
    let said = revert(&lab, "e", &[])?.fails(6);
    assert!(said.contains("has no snapshot 'e'"), "{said}");
    Ok(())
}

#[test]
fn a_full_disk_leaves_no_snapshot_and_a_running_domain() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let mark = Mark::make(&lab, 0x1000)?;
    let small = Small::mount(&lab.path("small"))?;
    let memory = format!("file={}", lab.file("small/web.mem"));
    let internal =
        ["--memspec", &memory, "--diskspec", "vda,snapshot=internal", "--diskspec", "vdb,snapshot=internal"];
    let said = snapshot(&lab, "full", &internal)?;
    assert!(said.code != 0 && said.stderr.contains("No space left on device"), "{said:?}");
    let external = snapshot(&lab, "full", &["--memspec", &memory])?;
    assert!(external.code != 0 && external.stderr.contains("No space left on device"), "{external:?}");
    assert!(entries(lab.path("small").as_path()).is_empty());
    assert!(!lab.path("a.full").exists() && !lab.path("b.full").exists());
    assert_eq!((names(&lab)?.as_str(), lab.state()?.as_str()), ("", "running"));
    mark.is_back(&lab)?;
    drop(small);
    off(&lab)?;
    assert_eq!((within(&lab, "a.qcow2")?, within(&lab, "b.qcow2")?), (String::new(), String::new()));
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_at_any_moment_leaves_a_whole_snapshot_or_none() -> Outcome {
    let mut lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    let (mut made, mut none) = (Vec::new(), 0);
    for round in 0..10u32 {
        let mark = Mark::make(&lab, 0x1000 * (round + 1))?;
        let name = format!("s{round}");
        let taking = begin(&lab, &["domain", "snapshot-create-as", "web", &name]);
        killed_after(&mut lab, taking, round * 15)?;
        assert_eq!(lab.state()?, "running", "round {round}");
        mark.is_back(&lab)?;
        match names(&lab)?.split(' ').any(|other| other == name) {
            true => made.push((name, mark)),
            false => none += 1,
        }
        assert_eq!(memories(&lab), made.len(), "round {round}");
        assert!(!lab.managed().iter().any(|path| path.display().to_string().contains(".saving-")));
    }
    assert_eq!(made.len() + none, 10);
    // Going back is done whole too, and its domain is off at worst.
    for (round, (name, mark)) in (0..).zip(&made) {
        let reverting = begin(&lab, &["domain", "snapshot-revert", "web", name]);
        killed_after(&mut lab, reverting, round * 20)?;
        let current = || anyhow::Ok(lab.reeve(&["domain", "snapshot-current", "web", "--name"])?.ok());
        if lab.state()? != "running" || current()?.trim() != name {
            revert(&lab, name, &[])?.ok();
        }
        mark.is_back(&lab)?;
    }
    off(&lab)?;
    let all: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((within(&lab, "a.qcow2")?, within(&lab, "b.qcow2")?), (all.join(" "), all.join(" ")));
    Ok(())
}

#[test]
fn a_daemon_that_is_killed_while_disks_change_over_leaves_them_all_on_one_side() -> Outcome {
    let mut lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    for round in 0..8u32 {
        let mark = Mark::make(&lab, 0x1000 * (round + 1))?;
        let name = format!("s{round}");
        let taking = begin(&lab, &["domain", "snapshot-create-as", "web", &name, "--disk-only"]);
        killed_after(&mut lab, taking, round * 8)?;
        mark.is_back(&lab)?;
        let is_made = names(&lab)?.split(' ').any(|other| other == name);
        for which in [&[][..], &["--inactive"]] {
            let list = lab.reeve(&[&["domain", "domblklist", "web"], which].concat())?.ok();
            let on = list.matches(&format!(".{name}")).count();
            assert_eq!(on, if is_made { 2 } else { 0 }, "round {round}, {which:?}: {list}");
        }
        assert_eq!(lab.path(&format!("a.{name}")).exists(), is_made, "round {round}");
        let last = Mark::make(&lab, 0x100_0000 + round)?;
        off(&lab)?;
        lab.reeve(&["domain", "start", "web"])?.ok();
        last.disks_are_back(&lab)?;
    }
    Ok(())
}

/// Kills the daemon so many milliseconds after something began, and starts another.
pub fn killed_after(
    lab: &mut Lab,
    running: std::thread::JoinHandle<anyhow::Result<Run>>,
    milliseconds: u32,
) -> Outcome {
    let end = Instant::now() + Duration::from_millis(milliseconds.into());
    while Instant::now() < end && !running.is_finished() {
        std::thread::yield_now();
    }
    lab.daemon.kill()?;
    drop(running.join().expect("the thread lives"));
    lab.daemon.launch()?;
    Ok(())
}

#[test]
fn a_worker_that_is_killed_leaves_a_whole_snapshot_or_none() -> Outcome {
    let lab = lab()?;
    for round in 0..4u64 {
        lab.reeve(&["domain", "start", "web"])?.ok();
        let mark = Mark::make(&lab, 0x1000)?;
        let worker = lab.json(&["domain", "info", "web"])?["worker_pid"].as_i64().unwrap_or_default();
        let worker = Pid::from_raw(i32::try_from(worker)?).expect("it has a worker");
        let name = format!("s{round}");
        let taking = begin(&lab, &["domain", "snapshot-create-as", "web", &name]);
        let saving = || lab.managed().iter().any(|path| path.display().to_string().contains(".saving-"));
        wait::until("the snapshot begins", PATIENCE, || saving() || taking.is_finished())?;
        let end = Instant::now() + Duration::from_millis(round * 20);
        while Instant::now() < end && !taking.is_finished() {
            std::thread::yield_now();
        }
        // It may have ended by now.
        let _ = kill_process(worker, Signal::KILL);
        let run = taking.join().expect("the thread lives")?;
        wait::until("the loss is known", PATIENCE, || lab.state().is_ok_and(|state| state == "crashed"))?;
        let is_made = names(&lab)?.split(' ').any(|other| other == name);
        assert!(run.code != 0 || is_made, "{run:?}");
        for image in ["a.qcow2", "b.qcow2"] {
            let names = within_a_remainder(&lab, image)?;
            assert_eq!(names.split(' ').any(|other| other == name), is_made, "{run:?}");
        }
        assert!(!saving());
        if is_made {
            revert(&lab, &name, &[])?.ok();
            mark.is_back(&lab)?;
            off(&lab)?;
        }
    }
    Ok(())
}

#[test]
fn a_damaged_memory_is_found_before_anything_is_lost() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    Mark::make(&lab, 0x1000)?;
    snapshot(&lab, "one", &[])?.ok();
    let now = Mark::make(&lab, 0x2000)?;
    let memory = lab.managed().remove(0);
    std::fs::File::options().write(true).open(&memory)?.write_all_at(&[7; 16], 4096)?;
    let said = revert(&lab, "one", &[])?;
    assert!(said.code != 0 && said.stderr.contains("damaged"), "{said:?}");
    now.is_back(&lab)?;
    std::fs::remove_file(memory)?;
    assert_ne!(revert(&lab, "one", &[])?.code, 0);
    now.is_back(&lab)
}
