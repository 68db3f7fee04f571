//! Verbs on the disks of domains (guide 13.3, 14.4, 14.5.5, 14.5.12, 14.5.13, 14.5.17).

use std::os::unix::fs::FileExt;

use reeve_tests::{Guest, wait};

use crate::domains::volume_disk;
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const SERIAL: &str = "<serial type='pty'><target port='0'/></serial>";
const MIB: u64 = 1 << 20;

/// A lab with a running guest on a volume of 8 MiB, with a disc in a drive.
pub fn lab() -> anyhow::Result<Lab> {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "disk", "8M"])?.ok();
    let disc = lab.place.path().join("disc.iso");
    std::fs::write(&disc, [7; 4096])?;
    let drive = format!(
        "<disk type='file' device='cdrom'><source file='{}'/><target dev='vdc' bus='virtio'/></disk>",
        disc.display()
    );
    let devices = format!("{SERIAL}{}{drive}", volume_disk("disk", "vda"));
    lab.define(&Guest::locate()?.document_with("web", 64, "", &devices))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("web", "", "reeve-guest: ready")?;
    Ok(lab)
}

#[test]
fn disks_are_listed_and_measured() -> Outcome {
    let lab = lab()?;
    let listed = lab.reeve(&["domain", "domblklist", "web"])?.ok();
    let disc = lab.place.path().join("disc.iso").display().to_string();
    let has = |text: &str, words: &[&str]| {
        text.lines().any(|line| line.split_whitespace().eq(words.iter().copied()))
    };
    assert!(has(&listed, &["vda", "disk"]) && has(&listed, &["vdc", &disc]), "{listed}");
    let details = lab.reeve(&["domain", "domblklist", "web", "--details", "--inactive"])?.ok();
    assert!(has(&details, &["volume", "disk", "vda", "disk"]), "{details}");
    assert!(has(&details, &["file", "cdrom", "vdc", &disc]), "{details}");
    let path = lab.images().join("disk").display().to_string();
    for name in ["vda", &path] {
        let one = lab.reeve(&["domain", "domblkinfo", "web", name])?.ok();
        assert!(has(&one, &["Capacity:", "8388608"]) && has(&one, &["Physical:", "8388608"]), "{one}");
    }
    let all = lab.reeve(&["domain", "domblkinfo", "web", "--human"])?.ok();
    assert!(all.contains("vda") && all.contains("8.00 MiB") && all.contains("vdc"), "{all}");
    let said = lab.reeve(&["domain", "domblkinfo", "web", "vdz"])?.fails(3);
    assert!(said.contains("has no disk 'vdz'") && said.contains("domblklist"), "{said}");

    lab.console("web", "disk put 0 3 written\n", "ok")?;
    lab.console("web", "disk flush 0\n", "ok")?;
    let counters = lab.json(&["domain", "domblkstat", "web", "vda"])?;
    assert_eq!((&counters["write_requests"], &counters["write_bytes"]), (&1.into(), &512.into()));
    assert!(counters["write_time_ns"].as_u64() > Some(0) && counters["flush_requests"] == 1, "{counters}");
    let text = lab.reeve(&["domain", "domblkstat", "web", "vda"])?.ok();
    assert!(text.lines().any(|line| line == "vda wr_req 1"), "{text}");
    let human = lab.reeve(&["domain", "domblkstat", "--human", "web", &path])?.ok();
    assert!(human.starts_with("Device: vda\n") && human.contains("number of write operations:"), "{human}");
    Ok(())
}

#[test]
fn a_guest_sees_its_disk_grow() -> Outcome {
    let lab = lab()?;
    let said = lab.reeve(&["domain", "blockresize", "web", "vda", "16M"])?.ok();
    assert_eq!(said, "Block device 'vda' has 16777216 bytes now\n");
    lab.console("web", "", "reeve-guest: disk 0 has 32768 sectors")?;
    assert_eq!(lab.json(&["vol", "info", "--pool", "lab", "disk"])?["capacity"], 16 * MIB);
    lab.console("web", "disk put 0 32767 at-the-end\n", "ok")?;
    let image = std::fs::File::open(lab.images().join("disk"))?;
    wait::until("the guest has written where nothing was", PATIENCE, || {
        let mut word = [0; 10];
        image.read_exact_at(&mut word, 32767 * 512).is_ok() && word == *b"at-the-end"
    })?;

    // Sizes are KiB where no unit is given; paths are names too.
    let path = lab.images().join("disk").display().to_string();
    let said = lab.reeve(&["domain", "blockresize", "web", &path, "4096"])?.fails(7);
    assert!(said.contains("it has 16777216 bytes") && said.contains("give --shrink"), "{said}");
    lab.reeve(&["domain", "blockresize", "web", &path, "4096", "--shrink"])?.ok();
    lab.console("web", "", "reeve-guest: disk 0 has 8192 sectors")?;
    assert_eq!(std::fs::metadata(&path)?.len(), 4 * MIB);
    lab.console("web", "disk read 0 8192\n", "error the disk has 8192 sectors")?;
    let said = lab.reeve(&["domain", "blockresize", "web", "vdc", "16M"])?.fails(7);
    assert!(said.contains("read-only"), "{said}");
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    let said = lab.reeve(&["domain", "blockresize", "web", "vda", "16M"])?.fails(6);
    assert!(said.contains("is not running"), "{said}");
    Ok(())
}

#[test]
fn media_change_in_the_definition() -> Outcome {
    let lab = lab()?;
    let change = |words: &[&str]| lab.reeve(&[&["domain", "change-media", "web"], words].concat());
    let disc = lab.place.path().join("disc.iso").display().to_string();
    let inserted = |lab: &Lab| -> anyhow::Result<String> {
        let disks = lab.json(&["domain", "domblklist", "web", "--inactive"])?;
        Ok(disks[1]["source"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(inserted(&lab)?, disc);
    change(&["vdc", "--eject", "--config"])?.ok();
    assert_eq!(inserted(&lab)?, "");
    let said = change(&["vdc", "--eject", "--config"])?.fails(6);
    assert!(said.contains("is empty already"), "{said}");
    change(&["vdc", "/a.iso", "--insert", "--config"])?.ok();
    assert_eq!(inserted(&lab)?, "/a.iso");
    let said = change(&["vdc", "/b.iso", "--insert", "--config"])?.fails(6);
    assert!(said.contains("has a medium already"), "{said}");
    change(&["vdc", "--source", "/b.iso", "--insert", "--force", "--config"])?.ok();
    change(&["vdc", "disk", "--pool", "lab", "--update", "--config"])?.ok();
    assert_eq!(inserted(&lab)?, "disk");
    let said = change(&["vda", "--eject", "--config"])?.fails(7);
    assert!(said.contains("holds no media"), "{said}");
    change(&["vdc", "--update", "--config"])?.fails(2);
    Ok(())
}

#[test]
fn disks_come_and_go_by_options() -> Outcome {
    let lab = lab()?;
    lab.reeve(&["vol", "create-as", "lab", "more", "4M"])?.ok();
    let said =
        lab.reeve(&["domain", "attach-disk", "web", "more", "vdb", "--pool", "lab", "--serial", "S1"])?.ok();
    assert_eq!(said, "Domain 'web' has the disk now\n");
    lab.console("web", "", "reeve-guest: disk 2 is in slot")?;
    lab.console("web", "disk info 2\n", "sectors=8192 access=rw")?;
    assert_eq!(lab.json(&["domain", "domblklist", "web"])?.as_array().map(Vec::len), Some(3));
    assert_eq!(lab.json(&["domain", "domblklist", "web", "--inactive"])?.as_array().map(Vec::len), Some(2));
    let said = lab.reeve(&["domain", "detach-disk", "web", "vdb"])?.ok();
    assert_eq!(said, "Domain 'web' no longer has the disk\n");
    lab.reeve(&["vol", "delete", "--pool", "lab", "more"])?.ok();

    let image = lab.place.path().join("data.img").display().to_string();
    std::fs::write(&image, [0; 4096])?;
    let words =
        ["domain", "attach-disk", "web", &image, "vdb", "--mode", "readonly", "--cache", "writethrough"];
    let printed = lab.reeve(&[&words[..], &["--print-xml"]].concat())?.ok();
    assert!(printed.contains("<readonly/>") && printed.contains("cache='writethrough'"), "{printed}");
    lab.reeve(&[&words[..], &["--config"]].concat())?.ok();
    let listed = lab.json(&["domain", "domblklist", "web", "--inactive"])?;
    assert_eq!((&listed[2]["target"], &listed[2]["readonly"]), (&"vdb".into(), &true.into()));
    lab.reeve(&["domain", "detach-disk", "web", "vdb"])?.fails(3);
    lab.reeve(&["domain", "detach-disk", "web", &image, "--config"])?.ok();
    assert_eq!(lab.json(&["domain", "domblklist", "web", "--inactive"])?.as_array().map(Vec::len), Some(2));
    Ok(())
}
