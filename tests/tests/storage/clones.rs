//! Domains are cloned with their disks (guide 3.2).

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

use reeve_tests::{Guest, Run, wait};

use crate::domains::volume_disk;
use crate::kinds::Loop;
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const MIB: u64 = 1 << 20;
const SERIAL: &str = "<serial type='pty'><target port='0'/></serial>";

/// A lab with the domain `demo`: a sparse volume, an image elsewhere, and a disc.
fn lab() -> anyhow::Result<Lab> {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "demo.img", "64M", "--allocation", "0"])?.ok();
    let volume = File::options().write(true).open(lab.images().join("demo.img"))?;
    volume.write_all_at(b"of the volume", 32 * MIB)?;
    let data = lab.place.path().join("data.img");
    std::fs::write(&data, [5; 4096])?;
    let disc = lab.place.path().join("disc.iso");
    std::fs::write(&disc, [7; 4096])?;
    let devices = format!(
        "{SERIAL}{}\
         <disk type='file'><source file='{}'/><target dev='vdb' bus='virtio'/></disk>\
         <disk type='file' device='cdrom'><source file='{}'/><target dev='vdc' bus='virtio'/></disk>",
        volume_disk("demo.img", "vda"),
        data.display(),
        disc.display()
    );
    lab.define(&Guest::locate()?.document_with("demo", 64, "", &devices))?;
    Ok(lab)
}

/// Names of what is in the directory of the lab, its pool apart.
fn elsewhere(lab: &Lab) -> anyhow::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(lab.place.path())?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<_>>()?;
    names.retain(|name| name != "images");
    names.sort();
    Ok(names)
}

#[test]
fn a_domain_is_cloned_with_its_disks() -> Outcome {
    let lab = lab()?;
    let said = lab.reeve(&["domain", "clone", "demo", "--auto-clone"])?.ok();
    assert!(said.starts_with("Domain 'demo-clone' cloned from 'demo'\n"), "{said}");
    assert!(said.contains("vda is a copy: demo-clone.img") && said.contains("vdc is the same: "), "{said}");
    assert_eq!(lab.volumes("lab")?, ["demo-clone.img", "demo.img"]);
    assert_eq!(elsewhere(&lab)?, ["data-clone.img", "data.img", "disc.iso"]);
    let copy = lab.images().join("demo-clone.img");
    assert!(std::fs::read(&copy)? == std::fs::read(lab.images().join("demo.img"))?);
    assert!(std::fs::metadata(&copy)?.blocks() * 512 < MIB, "holes were filled");
    assert_eq!(std::fs::read(lab.place.path().join("data-clone.img"))?, [5; 4096]);
    let uuid = |name: &str| -> anyhow::Result<String> {
        Ok(lab.json(&["domain", "info", name])?["uuid"].as_str().unwrap_or_default().to_owned())
    };
    assert_ne!(uuid("demo")?, uuid("demo-clone")?);
    let xml = lab.reeve(&["domain", "xml", "demo-clone"])?.ok();
    assert!(xml.contains("<source pool='lab' volume='demo-clone.img'/>"), "{xml}");
    // Each has what it writes for itself; the disc is read by both.
    for name in ["demo", "demo-clone"] {
        lab.reeve(&["domain", "start", name])?.ok();
        lab.console(name, "", "disks=3")?;
    }
    let again = lab.reeve(&["domain", "clone", "demo-clone", "--auto-clone"])?.fails(6);
    assert!(again.contains("is active") && again.contains("suspend"), "{again}");
    for name in ["demo", "demo-clone"] {
        lab.reeve(&["domain", "destroy", name])?.ok();
    }
    lab.reeve(&["domain", "clone", "demo", "--auto-clone"])?.ok();
    assert_eq!(lab.volumes("lab")?, ["demo-clone.img", "demo-clone1.img", "demo.img"]);
    Ok(())
}

#[test]
fn each_disk_goes_where_it_is_said() -> Outcome {
    let lab = lab()?;
    let path = |name: &str| lab.place.path().join(name).display().to_string();
    let refused = |words: &[&str], code, said: &str| -> Outcome {
        let error = lab.reeve(&[&["domain", "clone", "demo"], words].concat())?.fails(code);
        assert!(error.contains(said), "{words:?}: {error}");
        assert_eq!(lab.volumes("lab")?, ["demo.img"], "{words:?}");
        assert_eq!(elsewhere(&lab)?, ["data.img", "disc.iso"], "{words:?}");
        Ok(())
    };
    refused(&[], 7, "is not named")?;
    refused(&["--name", "demo", "--auto-clone"], 6, "'demo'")?;
    refused(&["--name", "new"], 7, "where the copy of disk 'vda'")?;
    refused(&["--name", "new", "--file", "new.img"], 7, "where the copy of disk 'vdb'")?;
    refused(&["--name", "new", "-f", "new.img", "-f", &path("new.img"), "-f", "c"], 7, "no disk left")?;
    refused(
        &["--name", "new", "-f", "new.img", "-f", "data.img"],
        7,
        "is no place for the copy of disk 'vdb'",
    )?;
    refused(&["--name", "new", "-f", "new.img", "-f", &path("data.img")], 6, "is there already")?;
    refused(&["--name", "new", "-f", "../new.img", "-f", &path("new.img")], 7, "is no place")?;
    refused(&["--name", "new", "--auto-clone", "--skip-copy", "vdx"], 3, "has no disk 'vdx'")?;
    refused(
        &["--name", "new", "-f", "x", "-f", &path("new.img"), "--preserve-data"],
        3,
        "is not there to be taken",
    )?;
    // What comes second can't be had: what came first goes again.
    refused(&["--name", "new", "-f", "new.img", "-f", &path("nowhere/new.img")], 1, "nowhere")?;
    assert_eq!(lab.reeve(&["domain", "list", "--all", "--name"])?.ok(), "demo\n");

    let words = ["domain", "clone", "demo", "--name", "new", "--file", "new.img", "--file", &path("new.img")];
    lab.reeve(&words)?.ok();
    let disks = lab.json(&["domain", "domblklist", "new"])?;
    assert_eq!((&disks[0]["source"], &disks[1]["source"]), (&"new.img".into(), &path("new.img").into()));

    std::fs::write(path("kept.img"), [9; 4096])?;
    let kept = ["--file", &path("kept.img"), "--preserve-data", "--skip-copy", "vda"];
    let run = lab.reeve(&[&["domain", "clone", "demo", "--name", "kept"][..], &kept].concat())?;
    assert!(run.stderr.contains("disk 'vda' is the same for 'demo' and 'kept'"), "{run:?}");
    assert!(run.ok().contains("vdb was there: "));
    assert_eq!(std::fs::read(path("kept.img"))?, [9; 4096]);

    let forced = ["--auto-clone", "--force-copy", "vdc", "--skip-copy", "vda", "--skip-copy", "vdb"];
    lab.reeve(&[&["domain", "clone", "demo"][..], &forced].concat())?.ok();
    assert_eq!(std::fs::read(path("disc-clone.iso"))?, [7; 4096]);
    Ok(())
}

#[test]
fn a_paused_domain_is_cloned_as_it_stands() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["domain", "start", "demo"])?.ok();
    lab.console("demo", "disk put 0 3 before-the-pause\n", "ok")?;
    lab.reeve(&["domain", "suspend", "demo"])?.ok();
    lab.reeve(&["domain", "clone", "demo", "--name", "twin", "--auto-clone"])?.ok();
    let copy = std::fs::read(lab.images().join("twin.img"))?;
    assert!(
        copy[3 * 512..].starts_with(b"before-the-pause")
            && copy[32 * MIB as usize..].starts_with(b"of the volume")
    );
    assert!(std::fs::metadata(lab.images().join("twin.img"))?.blocks() * 512 < 2 * MIB, "holes were filled");
    lab.reeve(&["domain", "resume", "demo"])?.ok();
    lab.reeve(&["domain", "start", "twin"])?.ok();
    lab.console("twin", "", "disks=3")?;
    Ok(())
}

#[test]
fn a_clone_that_is_cut_off_leaves_nothing() -> Outcome {
    const LARGE: u64 = 768;
    let mut lab = lab()?;
    lab.reeve(&["vol", "create-as", "lab", "large", &format!("{LARGE}M"), "--allocation", "0"])?.ok();
    let large = File::options().write(true).open(lab.images().join("large"))?;
    let piece = vec![0x5a; MIB as usize];
    for at in 0..LARGE {
        large.write_all_at(&piece, at * MIB)?;
    }
    let devices = format!("{}{}", volume_disk("demo.img", "vda"), volume_disk("large", "vdb"));
    lab.define(&Guest::locate()?.document_with("two", 64, "", &devices))?;
    let root = lab.daemon.root().to_owned();
    let words = ["domain", "clone", "two", "--name", "half", "--auto-clone"];
    let cloning = std::thread::spawn(move || Run::reeve(&root, &words, "", &[]));
    let unfinished = |lab: &Lab| {
        let entries = std::fs::read_dir(lab.images()).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(".reeve-new-"))
    };
    // The first is whole, the second is being made.
    wait::until("the second copy is under way", PATIENCE, || {
        cloning.is_finished() || lab.images().join("demo-clone.img").exists() && unfinished(&lab)
    })?;
    lab.daemon.kill()?;
    let was_cut_off = unfinished(&lab);
    let run = cloning.join().expect("the clone's thread lives")?;
    lab.daemon.launch()?;
    assert!(!unfinished(&lab), "what was cut off is still there");
    let is_defined = lab.reeve(&["domain", "info", "half"])?.code == 0;
    assert!(was_cut_off || is_defined || run.code != 0, "{run:?}");
    let expected: &[&str] = match is_defined {
        true => &["demo-clone.img", "demo.img", "large", "large-clone"],
        false => &["demo.img", "large"],
    };
    assert_eq!(lab.volumes("lab")?, expected);
    if !is_defined {
        lab.reeve(&words)?.ok();
    }
    let mut last = [0; 4];
    File::open(lab.images().join("large-clone"))?.read_exact_at(&mut last, LARGE * MIB - 4)?;
    assert_eq!(last, [0x5a; 4]);
    Ok(())
}

#[test]
fn a_partition_becomes_another_one() -> Outcome {
    let lab = Lab::start()?;
    let device = Loop::new()?;
    let define = [
        "pool",
        "define-as",
        "lab",
        "disk",
        "--source-dev",
        &device.0,
        "--source-format",
        "gpt",
        "--target",
        "/dev",
    ];
    lab.reeve(&define)?.ok();
    lab.reeve(&["pool", "build", "lab", "--overwrite"])?.ok();
    lab.reeve(&["pool", "start", "lab"])?.ok();
    lab.reeve(&["vol", "create-as", "lab", "root", "4M"])?.ok();
    let file = lab.daemon.file("content", "of the partition")?;
    lab.reeve(&["vol", "upload", "--pool", "lab", "root", &file])?.ok();
    let devices = format!("{SERIAL}{}", volume_disk("root", "vda"));
    lab.define(&Guest::locate()?.document_with("demo", 64, "", &devices))?;
    lab.reeve(&["domain", "clone", "demo", "--auto-clone"])?.ok();
    lab.reeve(&["domain", "start", "demo"])?.ok();
    lab.reeve(&["domain", "suspend", "demo"])?.ok();
    lab.reeve(&["domain", "clone", "demo", "--name", "paused", "--auto-clone"])?.ok();
    let outside = lab.place.path().join("outside.img").display().to_string();
    lab.reeve(&["domain", "clone", "demo", "--name", "outside", "--file", &outside])?.ok();
    assert_eq!(lab.volumes("lab")?, ["root", "root-clone", "root-clone1"]);
    let mut contents = vec![std::fs::read(&outside)?];
    for volume in ["root-clone", "root-clone1"] {
        contents.push(std::fs::read(lab.reeve(&["vol", "path", "--pool", "lab", volume])?.ok().trim())?);
    }
    for content in contents {
        assert!(content.len() >= 4 << 20 && content.starts_with(b"of the partition"), "{}", content.len());
    }
    lab.reeve(&["domain", "destroy", "demo"])?.ok();
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    Ok(())
}
