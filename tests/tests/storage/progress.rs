//! Long operations while they go on, and content without its holes.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};

use reeve_tests::{Run, program, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const MIB: u64 = 1 << 20;

#[test]
fn a_long_operation_is_seen_until_it_ends() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "8M"])?.ok();
    assert_eq!(lab.json(&["pool", "jobs", "lab"])?, serde_json::json!([]));
    let fifo = lab.place.path().join("fifo");
    program("mkfifo", &[&fifo.display().to_string()])?;
    let (root, name) = (lab.daemon.root().to_owned(), fifo.display().to_string());
    let upload = std::thread::spawn(move || {
        Run::reeve(&root, &["vol", "upload", "--pool", "lab", "a", &name], "", &[])
    });
    let mut input = File::options().write(true).open(&fifo)?;
    input.write_all(&vec![7; 3 * MIB as usize])?;
    let seen = || {
        let jobs = lab.json(&["pool", "jobs", "lab"]).unwrap_or_default();
        let job = &jobs[0];
        job["operation"] == "upload" && job["volume"] == "a" && job["done"].as_u64() >= Some(MIB)
    };
    wait::until("the upload is seen", PATIENCE, seen)?;
    let listed = lab.reeve(&["pool", "jobs", "lab"])?.ok();
    assert!(listed.contains("upload") && listed.contains("MiB"), "{listed}");
    drop(input);
    // Nobody looks at a terminal, so nothing is drawn.
    let uploaded = upload.join().expect("the upload's thread lives")?;
    assert_eq!((uploaded.stderr.as_str(), uploaded.code), ("", 0));
    assert_eq!(lab.json(&["pool", "jobs", "lab"])?, serde_json::json!([]));
    lab.reeve(&["pool", "jobs", "nowhere"])?.fails(3);
    Ok(())
}

/// The first job of an operation that is seen while a command runs, with its pool.
fn job_of(lab: &Lab, operation: &str, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
    let root = lab.daemon.root().to_owned();
    let owned: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let command = std::thread::spawn(move || {
        Run::reeve(&root, &owned.iter().map(String::as_str).collect::<Vec<_>>(), "", &[])
    });
    let mut found = serde_json::Value::Null;
    wait::until("the job is seen, or over", PATIENCE, || {
        let jobs = lab.json(&["pool", "jobs"]).unwrap_or_default();
        let job = jobs.as_array().into_iter().flatten().find(|job| job["operation"] == operation);
        found = job.cloned().unwrap_or_default();
        found["done"].as_u64() > Some(0) || command.is_finished()
    })?;
    command.join().expect("the command's thread lives")?.ok();
    Ok(found)
}

#[test]
fn whatever_takes_long_is_seen() -> Outcome {
    let lab = Lab::with_pool()?;
    let full = ["vol", "create-as", "lab", "full", "768M", "--preallocation", "full"];
    let job = job_of(&lab, "create", &full)?;
    assert_eq!((&job["pool"], &job["volume"]), (&"lab".into(), &"full".into()), "{job}");
    assert_eq!(job["total"], 768 * MIB);
    assert_eq!(std::fs::metadata(lab.images().join("full"))?.blocks() * 512 / MIB, 768);

    // The disk of a domain, whether its copy is in a pool or not.
    let path = lab.images().join("full").display().to_string();
    let disk = |source: &str| format!("<disk {source}<target dev='vda' bus='virtio'/></disk>");
    let guest = reeve_tests::Guest::locate()?;
    let file = disk(&format!("type='file'><source file='{path}'/>"));
    lab.define(&guest.document_with("demo", 64, "", &file))?;
    let outside = lab.place.path().join("outside").display().to_string();
    let job = job_of(&lab, "create-from", &["domain", "clone", "demo", "--name", "far", "--file", &outside])?;
    assert_eq!((&job["pool"], &job["volume"]), (&serde_json::Value::Null, &(&*outside).into()), "{job}");
    let job = job_of(&lab, "create-from", &["domain", "clone", "demo", "--name", "near", "--file", "copy"])?;
    assert_eq!((&job["pool"], &job["volume"]), (&"lab".into(), &"copy".into()), "{job}");

    // A pool that is started reads what it finds.
    for number in 0..4000 {
        File::create(lab.images().join(format!("{number}.img")))?;
    }
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    let job = job_of(&lab, "refresh", &["pool", "start", "lab"])?;
    assert_eq!((&job["pool"], &job["volume"]), (&"lab".into(), &"".into()), "{job}");
    assert!(job["total"].as_u64() >= Some(4000), "{job}");
    assert_eq!(lab.json(&["pool", "jobs"])?, serde_json::json!([]));
    Ok(())
}

#[test]
fn a_terminal_shows_a_bar() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "64M", "--preallocation", "full"])?.ok();
    let reeve = reeve_tests::binary()?;
    let root = lab.daemon.root().display().to_string();
    let wipe = "vol wipe --pool lab a --algorithm gutmann";
    let command = format!("'{}' --root '{root}' {wipe}", reeve.display());
    let shown = program("script", &["--quiet", "--return", "--command", &command, "/dev/null"])?;
    assert!(shown.contains("\r") && shown.contains("a [") && shown.contains("% "), "{shown:?}");
    assert!(shown.contains("of 2.1 GiB") && shown.ends_with("Vol 'a' wiped\r\n"), "{shown:?}");
    Ok(())
}

#[test]
fn holes_are_not_sent() -> Outcome {
    let lab = Lab::with_pool()?;
    let big = 1_u64 << 40;
    lab.reeve(&["vol", "create-as", "lab", "a", "1T", "--allocation", "0"])?.ok();
    let (file, back) = (lab.place.path().join("in"), lab.place.path().join("out"));
    let content = File::create(&file)?;
    content.set_len(big)?;
    content.write_all_at(b"far", big - 5 * MIB)?;
    // A terabyte of zeroes would take its time.
    let (file, back) = (file.display().to_string(), back.display().to_string());
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "a", &file])?.ok();
    assert_eq!(said, format!("{big} bytes written to volume 'a'\n"));
    lab.reeve(&["vol", "download", "--pool", "lab", "a", &back])?.ok();
    let mut far = [0; 3];
    let (out, volume) = (File::open(&back)?, File::open(lab.images().join("a"))?);
    for file in [&out, &volume] {
        file.read_exact_at(&mut far, big - 5 * MIB)?;
        assert_eq!((&far, file.metadata()?.len()), (b"far", big));
        assert!(file.metadata()?.blocks() * 512 < 2 * MIB);
    }
    Ok(())
}

#[test]
fn a_volume_is_cloned_into_another_format() -> Outcome {
    let lab = Lab::with_pool()?;
    let shape = ["--format", "qcow2", "--cluster-size", "4K", "--compat", "0.10"];
    lab.reeve(&[&["vol", "create-as", "lab", "a.qcow2", "8M"][..], &shape].concat())?.ok();
    let xml = lab.reeve(&["vol", "xml", "--pool", "lab", "a.qcow2"])?.ok();
    for part in [
        "<compat>0.10</compat>",
        "<clusterSize unit='bytes'>4096</clusterSize>",
        "<mode>0600</mode>",
        "<owner>0</owner>",
        "<group>0</group>",
        "<mtime>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    lab.reeve(&["vol", "clone", "--pool", "lab", "a.qcow2", "b", "--format", "raw"])?.ok();
    lab.reeve(&[
        "vol",
        "clone",
        "--pool",
        "lab",
        "b",
        "c.qcow2",
        "--format",
        "qcow2",
        "--prealloc-metadata",
    ])?
    .ok();
    let formats = |name: &str| lab.json(&["vol", "info", "--pool", "lab", name]);
    assert_eq!((&formats("b")?["format"], &formats("c.qcow2")?["format"]), (&"raw".into(), &"qcow2".into()));
    let said = lab.reeve(&["vol", "create-as", "lab", "d", "8M", "--preallocation", "metadata"])?.fails(7);
    assert!(said.contains("no metadata to preallocate"), "{said}");
    lab.reeve(&["vol", "create-as", "lab", "d", "8M", "--preallocation", "some"])?.fails(2);
    Ok(())
}

#[test]
fn sources_of_pools_are_found() -> Outcome {
    let lab = Lab::start()?;
    let image = lab.place.path().join("disk");
    File::create(&image)?.set_len(64 * MIB)?;
    program("mkfs.ext4", &["-q", &image.display().to_string()])?;
    let device = program("losetup", &["--find", "--show", &image.display().to_string()])?;
    let device = device.trim();
    let found = |kind: &str| -> anyhow::Result<Option<serde_json::Value>> {
        let rows = lab.json(&["pool", "find-sources", kind])?;
        Ok(rows.as_array().into_iter().flatten().find(|row| row["path"] == device).cloned())
    };
    let (fs, disk) = (found("fs"), found("disk"));
    let document = lab.reeve(&["pool", "find-sources", "fs", "--xml"])?;
    program("losetup", &["--detach", device])?;
    let (fs, disk) = (fs?.unwrap_or_default(), disk?.unwrap_or_default());
    assert_eq!((&fs["format"], &fs["size"]), (&"ext4".into(), &(64 * MIB).into()));
    assert_eq!((&disk["format"], &disk["size"]), (&serde_json::Value::Null, &(64 * MIB).into()));
    let (document, source) = (document.ok(), format!("<device path='{device}'/>"));
    assert!(document.starts_with("<sources>") && document.contains(&source), "{document}");
    for (words, code, reason) in [
        (&["netfs"][..], 7, "name the server"),
        (&["iscsi"], 7, "name the server"),
        (&["netfs", "a;reboot"], 7, "neither a host name nor an address"),
        (&["disk", "files.example.com"], 7, "are on this host"),
        (&["dir"], 1, "made of any directory"),
        (&["gluster"], 1, "mount the Gluster volume"),
        (&["iscsi-direct"], 1, "use a pool of type 'iscsi'"),
        (&["floppy"], 2, "is not one of"),
        (&["iscsi", "san", "--username", "me"], 2, "--secret"),
        (&["iscsi", "san", "--username", "me", "--secret", "nobody"], 7, "there is no secret 'nobody'"),
    ] {
        let said = lab.reeve(&[&["pool", "find-sources"], words].concat())?.fails(code);
        assert!(said.contains(reason), "{words:?}: {said}");
    }
    Ok(())
}
