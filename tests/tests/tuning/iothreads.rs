//! Threads that disks share: which disks are on which, what the guest's data say after everything that stops them, and where they run.

use std::path::Path;

use reeve_tests::wait;
use tempfile::TempDir;

use crate::lab::{Lab, hierarchy};
use crate::{Outcome, PATIENCE};

const DISK: u64 = 1 << 20;
/// Writes of a disk after which it was read back several times: a round writes 256 blocks, reads them, and ends at a wrong word.
const ROUNDS_OF_WRITES: u64 = 2048;

/// A disk on an I/O thread, or on a thread of its own.
fn disk(place: &Path, target: &str, format: &str, iothread: Option<u32>) -> String {
    let path = place.join(format!("{target}.img"));
    let iothread = iothread.map(|id| format!(" iothread='{id}'")).unwrap_or_default();
    format!(
        "<disk type='file'><driver type='{format}'{iothread}/><source file='{}'/><target dev='{target}' bus='virtio'/></disk>",
        path.display()
    )
}

fn raw(place: &Path, target: &str) -> Outcome {
    Ok(std::fs::File::create(place.join(format!("{target}.img")))?.set_len(DISK)?)
}

/// Names of the threads that serve disks.
fn serving(lab: &Lab) -> anyhow::Result<Vec<String>> {
    let names = lab.threads()?.into_iter().map(|(name, _)| name);
    let mut names: Vec<String> = names
        .filter(|name| {
            let number = name.strip_prefix("io");
            name == "virtio-blk" || number.is_some_and(|number| number.parse::<u32>().is_ok())
        })
        .collect();
    names.sort();
    Ok(names)
}

fn affinity(lab: &Lab, name: &str) -> anyhow::Result<Option<String>> {
    Ok(lab.threads()?.into_iter().find(|(thread, _)| thread == name).map(|(_, allowed)| allowed))
}

/// Requests that the disks of the worker have written so far.
fn writes(lab: &Lab, target: &str) -> anyhow::Result<u64> {
    let counters = lab.json("domblkstat", &[target])?;
    Ok(counters["write_requests"].as_u64().unwrap_or_default())
}

/// Waits until every disk was written and read several times more.
fn churned(lab: &Lab, targets: &[&str]) -> Outcome {
    for target in targets {
        let before = writes(lab, target)?;
        wait::until("the disks are written and read", PATIENCE, || {
            writes(lab, target).is_ok_and(|now| now >= before + ROUNDS_OF_WRITES)
        })?;
    }
    Ok(())
}

/// Two disks on the first thread, one of which is qcow2, one on the second, and one on its own.
fn four_disks(place: &TempDir) -> anyhow::Result<Lab> {
    let place = place.path();
    for target in ["vda", "vdc", "vdd"] {
        raw(place, target)?;
    }
    let disks = [
        disk(place, "vda", "raw", Some(1)),
        disk(place, "vdb", "qcow2", Some(1)),
        disk(place, "vdc", "raw", Some(2)),
        disk(place, "vdd", "raw", None),
    ];
    let pinned = "<iothreads>2</iothreads><cputune><iothreadpin iothread='2' cpuset='0'/></cputune>";
    let lab = Lab::with_devices(pinned, "", &disks.concat())?;
    let qcow2 = place.join("vdb.img").display().to_string();
    lab.daemon.reeve(&["image", "create", "-f", "qcow2", &qcow2, "1M"])?.ok();
    lab.domain("start", &[])?;
    lab.console("", "reeve-guest: ready")?;
    Ok(lab)
}

#[test]
fn disks_share_iothreads_whatever_stops_them() -> Outcome {
    let place = tempfile::tempdir()?;
    let lab = four_disks(&place)?;
    let all = ["vda", "vdb", "vdc", "vdd"];
    assert_eq!(serving(&lab)?, ["io1", "io2", "virtio-blk"]);
    lab.console("disk churn 8 7", "verified=8192 disks=4")?;

    // The guest is reset, paused, and saved while all of them are busy.
    lab.console("disk churn 1000000 7", "reeve-guest: churning")?;
    churned(&lab, &all)?;
    lab.domain("suspend", &[])?;
    lab.domain("resume", &[])?;
    churned(&lab, &all)?;
    let saved = place.path().join("web.save").display().to_string();
    lab.domain("save", &[&saved])?;
    lab.daemon.reeve(&["domain", "restore", &saved])?.ok();
    churned(&lab, &all)?;
    assert_eq!(serving(&lab)?, ["io1", "io2", "virtio-blk"]);
    assert_eq!(affinity(&lab, "io2")?.as_deref(), Some("0"));
    lab.domain("reset", &[])?;
    // The worker of the restored guest has not heard it boot before.
    lab.console("", "reeve-guest: ready")?;
    lab.console("disk churn 2 9", "verified=2048 disks=4")?;
    assert_eq!(serving(&lab)?, ["io1", "io2", "virtio-blk"]);
    lab.domain("destroy", &[])?;
    let qcow2 = place.path().join("vdb.img").display().to_string();
    lab.daemon.reeve(&["image", "check", &qcow2])?.ok();
    Ok(())
}

#[test]
fn iothreads_run_where_they_are_pinned() -> Outcome {
    let place = tempfile::tempdir()?;
    let mut lab = four_disks(&place)?;
    let cpus = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    let everywhere = cpus.trim();
    let table = |one: &str, two: &str| {
        format!(
            " IOThread ID     CPU Affinity\n{}\n 1               {one}\n 2               {two}\n",
            "-".repeat(29)
        )
    };
    assert_eq!(lab.domain("iothreadinfo", &[])?, table(everywhere, "0"));
    assert_eq!(affinity(&lab, "io1")?.as_deref(), Some(everywhere));
    assert_eq!(affinity(&lab, "io2")?.as_deref(), Some("0"));
    // What is no I/O thread is pinned by itself.
    lab.domain("emulatorpin", &["0", "--live"])?;
    assert_eq!(affinity(&lab, "io1")?.as_deref(), Some(everywhere));
    assert_eq!(lab.domain("iothreadpin", &["1", "0", "--live", "--config"])?, table("0", "0"));
    assert_eq!(affinity(&lab, "io1")?.as_deref(), Some("0"));
    assert_eq!(lab.domain("iothreadpin", &["2", everywhere, "--live"])?, table("0", everywhere));
    assert_eq!(affinity(&lab, "io2")?.as_deref(), Some(everywhere));
    let xml = lab.domain("xml", &["--inactive"])?;
    assert!(
        xml.contains("<iothreads>2</iothreads>")
            && xml.contains("<iothreadpin iothread='1' cpuset='0'/>")
            && xml.contains("<iothreadpin iothread='2' cpuset='0'/>"),
        "{xml}"
    );
    let refused = lab.daemon.reeve(&["domain", "iothreadpin", "web", "3", "0"])?.fails(7);
    assert!(refused.contains("I/O thread 3 does not exist; the domain has 1, 2"), "{refused}");
    let refused = lab.daemon.reeve(&["domain", "iothreadpin", "web", "1", "0,9000", "--live"])?.fails(7);
    assert!(
        refused.contains("can't be pinned to host CPUs 0,9000: this host has") && refused.contains("no 9000"),
        "{refused}"
    );
    // Another daemon finds them.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    assert_eq!(lab.domain("iothreadinfo", &[])?, table("0", everywhere));
    let stats = lab.domain("domstats", &["--iothread"])?;
    assert!(stats.ends_with("  iothread.count=2\n"), "{stats}");
    lab.domain("destroy", &[])?;
    assert_eq!(lab.domain("iothreadinfo", &[])?, table("0", "0"));
    lab.domain("start", &[])?;
    assert_eq!(affinity(&lab, "io1")?.as_deref(), Some("0"));
    Ok(())
}

#[test]
fn iothreads_and_their_disks_come_and_go() -> Outcome {
    let place = tempfile::tempdir()?;
    for target in ["vda", "vdb", "vdc"] {
        raw(place.path(), target)?;
    }
    let lab = Lab::with_devices("", "", &disk(place.path(), "vda", "raw", None))?;
    lab.domain("start", &[])?;
    lab.console("", "reeve-guest: ready")?;
    let none = lab.daemon.reeve(&["domain", "iothreadinfo", "web"])?.ok();
    assert_eq!(none, "no I/O threads\n");
    let plug = |verb: &str, target: &str, id: u32| {
        let xml = disk(place.path(), target, "raw", Some(id));
        lab.daemon.reeve_with_input(&["domain", verb, "web", "-"], &xml)
    };
    let refused = plug("attach-device", "vdb", 5)?.fails(7);
    assert!(
        refused.contains("disk 'vdb' is on I/O thread 5, which does not exist")
            && refused.contains("<iothreads>1</iothreads>"),
        "{refused}"
    );
    let limited = hierarchy("cpu").is_some();
    if limited {
        lab.domain("schedinfo", &["--set", "emulator_quota=90000"])?;
    }
    lab.domain("iothreadadd", &["5", "--live", "--config"])?;
    if limited {
        // What limits the emulator is not for it.
        let tasks = lab.group_file("cpu", "io5/tasks")?.unwrap_or_default();
        assert_eq!(tasks.lines().count(), 1, "{tasks}");
        assert_eq!(lab.group_file("cpu", "io5/cpu.cfs_quota_us")?.as_deref(), Some("-1"));
    }
    assert!(lab.domain("xml", &["--inactive"])?.contains("<iothread id='5'/>"));
    let refused = lab.daemon.reeve(&["domain", "iothreadadd", "web", "5", "--live"])?.fails(6);
    assert!(refused.contains("domain 'web' has I/O thread 5 already"), "{refused}");
    assert_eq!(serving(&lab)?, ["io5", "virtio-blk"]);
    lab.domain("iothreadpin", &["5", "0"])?;
    assert_eq!(affinity(&lab, "io5")?.as_deref(), Some("0"));
    lab.console("disk churn 1 1", "disks=1")?;
    plug("attach-device", "vdb", 5)?.ok();
    lab.console("", "reeve-guest: disk 1 is in slot")?;
    lab.console("disk churn 8 3", "verified=4096 disks=2")?;
    assert_eq!(serving(&lab)?, ["io5", "virtio-blk"]);
    let refused = lab.daemon.reeve(&["domain", "iothreaddel", "web", "5", "--live"])?.fails(6);
    assert!(refused.contains("I/O thread 5 of domain 'web' serves disk 'vdb'"), "{refused}");
    plug("detach-device", "vdb", 5)?.ok();
    lab.domain("iothreaddel", &["5", "--live", "--config"])?;
    let refused = lab.daemon.reeve(&["domain", "iothreaddel", "web", "5", "--config"])?.fails(3);
    assert!(refused.contains("domain 'web' has no I/O thread 5"), "{refused}");
    let xml = lab.domain("xml", &[])?;
    assert!(!xml.contains("<iothread"), "{xml}");
    wait::until("its thread is gone", PATIENCE, || serving(&lab).is_ok_and(|names| names == ["virtio-blk"]))?;
    // One that comes again begins anew.
    lab.domain("iothreadadd", &["5"])?;
    plug("attach-device", "vdb", 5)?.ok();
    plug("attach-device", "vdc", 5)?.ok();
    // The console still says that there was a disk 1: only of this one is it known that it was said now.
    lab.console("", "reeve-guest: disk 2 is in slot")?;
    lab.console("disk churn 8 4", "verified=6144 disks=3")?;
    Ok(())
}
