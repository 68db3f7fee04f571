//! Long operations while they go on, and content without its holes.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};

use reeve_tests::{Run, wait};

use crate::lab::{Lab, program};
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
        let rows = lab.json(&["pool", "find-sources", "--type", kind])?;
        Ok(rows.as_array().into_iter().flatten().find(|row| row["path"] == device).cloned())
    };
    let (fs, disk) = (found("fs"), found("disk"));
    program("losetup", &["--detach", device])?;
    let (fs, disk) = (fs?.unwrap_or_default(), disk?.unwrap_or_default());
    assert_eq!((&fs["format"], &fs["size"]), (&"ext4".into(), &(64 * MIB).into()));
    assert_eq!((&disk["format"], &disk["size"]), (&serde_json::Value::Null, &(64 * MIB).into()));
    let said = lab.reeve(&["pool", "find-sources", "--type", "netfs"])?.fails(1);
    assert!(said.contains("showmount"), "{said}");
    lab.reeve(&["pool", "find-sources", "--type", "gluster"])?.fails(1);
    lab.reeve(&["pool", "find-sources", "--type", "floppy"])?.fails(2);
    Ok(())
}
