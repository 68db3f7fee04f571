//! One image is never written by two domains, whatever dies meanwhile.

use std::fs::File;

use reeve_tests::{Guest, program, wait};

use crate::kinds::Loop;
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

/// A lab with an image outside of any pool.
fn lab() -> anyhow::Result<Lab> {
    let lab = Lab::start()?;
    File::create(lab.place.path().join("disk.img"))?.set_len(1 << 20)?;
    Ok(lab)
}

/// Defines a domain with a disk on the image; `more` goes into the disk.
fn define(lab: &Lab, name: &str, more: &str) -> Outcome {
    let path = lab.place.path().join("disk.img");
    let disk = format!(
        "<disk type='file'><source file='{}'/><target dev='vda' bus='virtio'/>{more}</disk>",
        path.display()
    );
    lab.define(&Guest::locate()?.document_with(name, 64, "", &disk)).map(drop)
}

fn is_locked(lab: &Lab) -> anyhow::Result<bool> {
    let file = File::options().write(true).open(lab.place.path().join("disk.img"))?;
    Ok(file.try_lock().is_err())
}

#[test]
fn one_writer_many_readers_or_all_who_share() -> Outcome {
    let lab = lab()?;
    for (name, more) in [
        ("writer", ""),
        ("rival", ""),
        ("reader", "<readonly/>"),
        ("other-reader", "<readonly/>"),
        ("sharer", "<shareable/>"),
        ("other-sharer", "<shareable/>"),
    ] {
        define(&lab, name, more)?;
    }
    let start = |name: &str| lab.reeve(&["domain", "start", name]);
    let refused = |name: &str| -> Outcome {
        let said = start(name)?.fails(6);
        let expected = format!("domain '{name}' could not be started: disk vda");
        assert!(said.contains(&expected) && said.contains("in use by another domain"), "{said}");
        Ok(())
    };
    let destroy =
        |name: &str| -> Outcome { lab.reeve(&["domain", "destroy", name]).map(|run| drop(run.ok())) };
    start("writer")?.ok();
    for name in ["rival", "reader", "sharer"] {
        refused(name)?;
    }
    destroy("writer")?;
    for name in ["reader", "other-reader"] {
        start(name)?.ok();
    }
    refused("writer")?;
    for name in ["reader", "other-reader"] {
        destroy(name)?;
    }
    for name in ["sharer", "other-sharer"] {
        start(name)?.ok();
    }
    refused("writer")?;
    destroy("sharer")?;
    refused("writer")?;
    destroy("other-sharer")?;
    start("writer")?.ok();
    Ok(())
}

#[test]
fn two_disks_of_one_domain_are_not_one_image() -> Outcome {
    let lab = lab()?;
    let path = lab.place.path().join("disk.img").display().to_string();
    let disk = |target: &str| {
        format!("<disk type='file'><source file='{path}'/><target dev='{target}' bus='virtio'/></disk>")
    };
    let both = format!("{}{}", disk("vda"), disk("vdb"));
    let warned = lab.define(&Guest::locate()?.document_with("web", 64, "", &both))?.stderr;
    assert!(warned.contains("disks 'vda' and 'vdb' both are"), "{warned}");
    Ok(())
}

#[test]
fn a_lease_outlives_the_daemon_and_not_the_worker() -> Outcome {
    let mut lab = lab()?;
    define(&lab, "writer", "")?;
    define(&lab, "rival", "")?;
    lab.reeve(&["domain", "start", "writer"])?.ok();
    lab.daemon.kill()?;
    assert!(is_locked(&lab)?, "the worker holds the image while no daemon runs");
    lab.daemon.launch()?;
    let said = lab.reeve(&["domain", "start", "rival"])?.fails(6);
    assert!(said.contains("in use by another domain"), "{said}");

    lab.daemon.kill_worker("writer")?;
    wait::until("the rival gets the image", PATIENCE, || {
        lab.reeve(&["domain", "start", "rival"]).is_ok_and(|run| run.code == 0)
    })?;
    wait::until("the writer is seen to have crashed", PATIENCE, || {
        lab.reeve(&["domain", "state", "writer"]).is_ok_and(|run| run.stdout.contains("crashed"))
    })?;
    lab.reeve(&["domain", "start", "writer"])?.fails(6);
    Ok(())
}

#[test]
fn a_disk_and_its_partitions_are_one() -> Outcome {
    let lab = Lab::start()?;
    let device = Loop::new()?;
    let path = &device.0;
    lab.reeve(&[
        "pool",
        "define-as",
        "table",
        "disk",
        "-",
        "-",
        path,
        "-",
        "/dev",
        "--source-format",
        "gpt",
    ])?
    .ok();
    lab.reeve(&["pool", "build", "table"])?.ok();
    lab.reeve(&["pool", "start", "table"])?.ok();
    for name in ["one", "two"] {
        lab.reeve(&["vol", "create-as", "table", name, "16M"])?.ok();
    }
    let part = |number: u32| format!("{path}p{number}");
    let domain = |name: &str, path: &str, more: &str| -> Outcome {
        let disk =
            format!("<disk type='block'><source dev='{path}'/><target dev='vda' bus='virtio'/>{more}</disk>");
        lab.define(&Guest::locate()?.document_with(name, 64, "", &disk)).map(drop)
    };
    domain("whole", path, "")?;
    domain("part", &part(1), "")?;
    domain("other", &part(2), "")?;
    let start = |name: &str| lab.reeve(&["domain", "start", name]);
    let refused = |name: &str| -> Outcome {
        let said = start(name)?.fails(6);
        assert!(said.contains("disk vda") && said.contains("in use"), "{said}");
        Ok(())
    };
    let destroy =
        |name: &str| -> Outcome { lab.reeve(&["domain", "destroy", name]).map(|run| drop(run.ok())) };
    // The pool has the whole, and leaves its parts to others.
    refused("whole")?;
    start("part")?.ok();
    start("other")?.ok();
    let said = lab.reeve(&["vol", "wipe", "--pool", "table", "one"])?.fails(6);
    assert!(said.contains("use"), "{said}");
    lab.reeve(&["pool", "destroy", "table"])?.ok();
    refused("whole")?;
    destroy("other")?;
    // One part is enough, also for a daemon that comes later.
    let said = start("whole")?.fails(6);
    assert!(said.contains("is a part of what is in use, or a part of it is"), "{said}");
    destroy("part")?;
    start("whole")?.ok();
    let said = start("part")?.fails(6);
    assert!(said.contains("is a part of what is in use, or a part of it is"), "{said}");
    let said = lab.reeve(&["pool", "start", "table"])?.fails(6);
    assert!(said.contains("a domain that runs uses it"), "{said}");
    lab.reeve(&["pool", "build", "table", "--overwrite"])?.fails(6);
    destroy("whole")?;

    // Nor is a mounted file system written from below, by its device or by the disk that this is in.
    let target = lab.place.path().join("mounted").display().to_string();
    let words = ["pool", "define-as", "files", "fs", "-", "-", &part(1), "-", &target];
    lab.reeve(&[&words[..], &["--source-format", "ext4"]].concat())?.ok();
    start("part")?.ok();
    let said = lab.reeve(&["pool", "build", "files", "--overwrite"])?.fails(6);
    assert!(said.contains("written by a domain"), "{said}");
    destroy("part")?;
    lab.reeve(&["pool", "build", "files", "--overwrite"])?.ok();
    start("part")?.ok();
    let said = lab.reeve(&["pool", "start", "files"])?.fails(6);
    assert!(said.contains("written by a domain"), "{said}");
    destroy("part")?;
    lab.reeve(&["pool", "start", "files"])?.ok();
    refused("part")?;
    refused("whole")?;
    start("other")?.ok();
    destroy("other")?;
    lab.reeve(&["pool", "destroy", "files"])?.ok();
    // Readers and those who share know of each other by locks alone.
    domain("reader", &part(1), "<readonly/>")?;
    start("reader")?.ok();
    refused("part")?;
    destroy("reader")?;
    Ok(())
}

#[test]
fn a_device_is_one_by_whatever_node_it_is_named() -> Outcome {
    let lab = Lab::start()?;
    let device = Loop::new()?;
    let number = program("stat", &["--format", "%Hr %Lr", &device.0])?;
    let node = lab.place.path().join("node").display().to_string();
    let words: Vec<&str> = [&node, "b"].into_iter().chain(number.split_whitespace()).collect();
    program("mknod", &words)?;
    for (name, path) in [("writer", &device.0), ("rival", &node)] {
        let disk =
            format!("<disk type='block'><source dev='{path}'/><target dev='vda' bus='virtio'/></disk>");
        lab.define(&Guest::locate()?.document_with(name, 64, "", &disk))?;
    }
    for (first, second) in [("writer", "rival"), ("rival", "writer")] {
        lab.reeve(&["domain", "start", first])?.ok();
        let said = lab.reeve(&["domain", "start", second])?.fails(6);
        assert!(said.contains("in use by another domain"), "{said}");
        let sizes = lab.json(&["domain", "domblkinfo", first, "vda"])?;
        assert_eq!(sizes[0]["capacity"], 64 << 20);
        let said = lab.reeve(&["domain", "blockresize", first, "vda", "128M"])?.fails(7);
        assert!(said.contains("make that larger first"), "{said}");
        lab.reeve(&["domain", "destroy", first])?.ok();
    }
    Ok(())
}
