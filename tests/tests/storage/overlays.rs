//! Domains on qcow2 images with backing files, judged by qemu-img.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use reeve_tests::{Guest, program, wait};

use crate::domains::volume_disk;
use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const SERIAL: &str = "<serial type='pty'><target port='0'/></serial>";
const SIZE: usize = 64 << 20;
const SECTOR: usize = 512;

/// What the base has: sectors that tell their numbers.
fn base_bytes() -> Vec<u8> {
    (0..SIZE / SECTOR).flat_map(|number| [number as u8 | 1; SECTOR]).collect()
}

/// What a guest leaves that wrote a pattern.
fn write_pattern(bytes: &mut [u8], sector: usize, count: usize, pattern: u64) {
    for number in sector..sector + count {
        let word = (pattern ^ number as u64).to_le_bytes();
        let block = &mut bytes[number * SECTOR..][..SECTOR];
        block.chunks_exact_mut(8).for_each(|place| place.copy_from_slice(&word));
    }
}

/// None where qemu-img is not installed, which is said; else a pool with a raw volume `base`.
#[expect(clippy::print_stdout, reason = "what is skipped is said where the test runner looks for it")]
fn lab(test: &str) -> anyhow::Result<Option<Lab>> {
    if program("qemu-img", &["--version"]).is_err() {
        println!("SKIP C {test}: qemu-img is not installed");
        return Ok(None);
    }
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "base", &SIZE.to_string(), "--allocation", "0"])?.ok();
    File::options().write(true).open(lab.images().join("base"))?.write_all_at(&base_bytes(), 0)?;
    Ok(Some(lab))
}

/// Makes an overlay of the base, as a volume.
fn overlay(lab: &Lab, name: &str) -> Outcome {
    let size = SIZE.to_string();
    let words = ["vol", "create-as", "lab", name, &size, "--format", "qcow2"];
    lab.reeve(&[&words[..], &["--backing-vol", "base", "--backing-vol-format", "raw"]].concat())?.ok();
    Ok(())
}

fn file_disk(path: &Path, target: &str, driver: &str) -> String {
    let path = path.display();
    format!(
        "<disk type='file'><driver {driver}/><source file='{path}'/><target dev='{target}' bus='virtio'/></disk>"
    )
}

/// The disk as qemu-img reads it, once it has found nothing corrupt; leaks are what a killed worker may leave.
fn judged(lab: &Lab, name: &str, may_leak: bool) -> anyhow::Result<Vec<u8>> {
    let path = lab.images().join(name).display().to_string();
    #[expect(clippy::disallowed_methods, reason = "a test uses the machine as an operator does")]
    let check = std::process::Command::new("qemu-img").args(["check", "-f", "qcow2", &path]).output()?;
    let (code, said) = (check.status.code(), String::from_utf8_lossy(&check.stdout).into_owned());
    anyhow::ensure!(code == Some(0) || may_leak && code == Some(3), "{code:?}: {said}");
    let raw = lab.place.path().join("judged.raw");
    program("qemu-img", &["convert", "-f", "qcow2", "-O", "raw", &path, &raw.display().to_string()])?;
    Ok(std::fs::read(raw)?)
}

fn until_off(lab: &Lab, name: &str) -> Outcome {
    wait::until("the guest is off", PATIENCE, || {
        lab.reeve(&["domain", "state", name]).is_ok_and(|run| run.stdout.contains("shut off"))
    })
}

fn kill_worker(lab: &Lab, name: &str) -> Outcome {
    lab.daemon.kill_worker(name)?;
    wait::until("the end of the worker is seen", PATIENCE, || {
        lab.reeve(&["domain", "state", name]).is_ok_and(|run| run.stdout.contains("crashed"))
    })
}

#[test]
fn an_overlay_is_written_and_its_base_is_not() -> Outcome {
    let Some(mut lab) = lab("an_overlay_is_written_and_its_base_is_not")? else { return Ok(()) };
    overlay(&lab, "top")?;
    let devices = format!("{SERIAL}{}", volume_disk("top", "vda"));
    let document = Guest::locate()?.document_with("web", 64, "", &devices);
    assert_eq!(lab.define(&document)?.stderr, "", "nothing is to be warned about");
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("web", "", "reeve-guest: ready")?;
    let sizes = lab.json(&["domain", "domblkinfo", "web", "vda"])?;
    assert_eq!(sizes[0]["capacity"], SIZE);
    assert!(sizes[0]["physical"].as_u64() < Some(1 << 20), "{sizes}");

    let mut twin = base_bytes();
    lab.console("web", "disk write 0 100 3000 77\n", "us=")?;
    write_pattern(&mut twin, 100, 3000, 77);
    lab.console("web", "disk flush 0\n", "ok")?;
    let base = File::options().write(true).open(lab.images().join("base"))?;
    assert!(base.try_lock().is_err(), "the base is kept from writers");
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    lab.console("web", "disk write 0 90001 500 99\n", "us=")?;
    write_pattern(&mut twin, 90001, 500, 99);
    assert!(base.try_lock().is_err(), "the base is kept from writers after the daemon was killed");
    lab.console("web", "poweroff\n", "powering off")?;
    until_off(&lab, "web")?;
    assert!(judged(&lab, "top", false)? == twin, "the disk is what the guest wrote");
    assert!(std::fs::read(lab.images().join("base"))? == base_bytes(), "the base is as it was");
    Ok(())
}

#[test]
fn a_killed_worker_leaves_a_sound_overlay() -> Outcome {
    let Some(lab) = lab("a_killed_worker_leaves_a_sound_overlay")? else { return Ok(()) };
    let mut written = base_bytes();
    write_pattern(&mut written, 0, SIZE / SECTOR, 5);
    // What is not flushed may be lost with its worker, as with the power of a disk.
    let (flushed, all) = (2048, SIZE / SECTOR);
    for (round, least) in [2_u64 << 20, 9 << 20, 30 << 20].into_iter().enumerate() {
        let name = format!("top{round}");
        overlay(&lab, &name)?;
        let command = format!(
            "run=disk+write+0+0+{flushed}+5 run=disk+flush+0 run=disk+write+0+{flushed}+{}+5",
            all - flushed
        );
        let document = Guest::locate()?.document_with(&name, 64, &command, &volume_disk(&name, "vda"));
        lab.define(&document)?;
        lab.reeve(&["domain", "start", &name])?.ok();
        let image = lab.images().join(&name);
        wait::until("the guest writes", PATIENCE, || {
            std::fs::metadata(&image).is_ok_and(|file| file.len() > least)
        })?;
        kill_worker(&lab, &name)?;
        let disk = judged(&lab, &name, true)?;
        for (number, sector) in disk.chunks(SECTOR).enumerate() {
            let place = number * SECTOR..(number + 1) * SECTOR;
            let old = [number as u8 | 1; SECTOR];
            anyhow::ensure!(sector == &written[place] || sector == old, "sector {number} is torn");
        }
        let flushed = ..flushed * SECTOR;
        assert!(disk[flushed] == written[flushed], "what was flushed is there");
        // It goes on from there.
        lab.reeve(&["domain", "start", &name])?.ok();
        wait::until("the guest has written all of it", PATIENCE, || {
            let stats = lab.json(&["domain", "domblkstat", &name, "vda"]);
            stats.is_ok_and(|stats| stats["write_bytes"].as_u64() >= Some(SIZE as u64))
        })?;
        lab.reeve(&["domain", "destroy", &name])?.ok();
        assert!(judged(&lab, &name, true)? == written);
        lab.reeve(&["vol", "delete", "--pool", "lab", &name])?.ok();
    }
    assert!(std::fs::read(lab.images().join("base"))? == base_bytes(), "the base is as it was");
    Ok(())
}

#[test]
fn two_domains_share_a_base_that_nobody_writes() -> Outcome {
    let Some(lab) = lab("two_domains_share_a_base_that_nobody_writes")? else { return Ok(()) };
    for name in ["one", "two"] {
        overlay(&lab, name)?;
        let devices = format!("{SERIAL}{}", volume_disk(name, "vda"));
        lab.define(&Guest::locate()?.document_with(name, 64, "", &devices))?;
    }
    let writer = Guest::locate()?.document_with("writer", 64, "", &volume_disk("base", "vda"));
    lab.define(&writer)?;
    for (name, pattern) in [("one", 11), ("two", 22)] {
        lab.reeve(&["domain", "start", name])?.ok();
        lab.console(name, "", "reeve-guest: ready")?;
        lab.console(name, &format!("disk write 0 8 8 {pattern}\n"), "us=")?;
    }
    let said = lab.reeve(&["domain", "start", "writer"])?.fails(6);
    assert!(said.contains("in use by another domain"), "{said}");
    for (name, pattern) in [("one", 11), ("two", 22)] {
        lab.reeve(&["domain", "destroy", name])?.ok();
        let mut twin = base_bytes();
        write_pattern(&mut twin, 8, 8, pattern);
        assert!(judged(&lab, name, false)? == twin, "{name}");
    }
    // A clone is an overlay of the same base.
    lab.reeve(&["domain", "clone", "one", "--name", "copy", "--auto-clone"])?.ok();
    lab.reeve(&["domain", "start", "copy"])?.ok();
    lab.console("copy", "", "reeve-guest: ready")?;
    let said = lab.console("copy", "disk read 0 8\n", "text=")?;
    let sum = |text: &str| text.split("sum=").nth(1).map(|rest| rest[..16].to_owned());
    let copied = sum(&said);
    lab.reeve(&["domain", "destroy", "copy"])?.ok();
    lab.reeve(&["domain", "start", "one"])?.ok();
    lab.console("one", "", "reeve-guest: ready")?;
    assert_eq!(sum(&lab.console("one", "disk read 0 8\n", "text=")?), copied);
    lab.reeve(&["domain", "destroy", "one"])?.ok();
    lab.reeve(&["domain", "start", "writer"])?.ok();
    let said = lab.reeve(&["domain", "start", "one"])?.fails(6);
    assert!(said.contains("backing file of disk vda") && said.contains("in use by another domain"), "{said}");
    Ok(())
}

#[test]
fn images_that_lead_elsewhere_or_are_damaged_do_not_start() -> Outcome {
    let Some(lab) = lab("images_that_lead_elsewhere_or_are_damaged_do_not_start")? else { return Ok(()) };
    let top = lab.images().join("top");
    let path = top.display().to_string();
    let disk = file_disk(&top, "vda", "type='qcow2'");
    lab.define(&Guest::locate()?.document_with("web", 64, "", &disk))?;
    let refused = |why: &str| -> Outcome {
        let said = lab.reeve(&["domain", "start", "web"])?;
        anyhow::ensure!(said.code != 0 && said.stderr.contains(why), "{why}: {said:?}");
        Ok(())
    };
    let create = |words: &[&str]| program("qemu-img", &[&["create", "-q", "-f", "qcow2"], words].concat());
    let json = r#"json:{"driver":"file","filename":"/etc/passwd"}"#;
    for (backing, format, why) in [
        ("/etc/passwd", "raw", "is in no directory that is allowed for backing files"),
        (json, "raw", "only paths are taken"),
        ("top", "qcow2", "comes back to an image that is in it already"),
        ("gone", "raw", "No such file"),
    ] {
        create(&["-u", "-b", backing, "-F", format, &path, "8M"])?;
        refused(why)?;
    }
    // Header, L1 table and refcount table in turn; the last is for the worker to find.
    let damage = |at: u64, bytes: &[u8], why: &str| -> Outcome {
        create(&[&path, "8M"])?;
        File::options().write(true).open(&top)?.write_all_at(bytes, at)?;
        refused(why)
    };
    damage(20, &[0, 0, 0, 63], "is damaged")?;
    damage(40, &[0xff; 8], "is damaged")?;
    damage(79, &[2], "marked as corrupt")?;
    damage(0, &[0; 4], "does not begin like a qcow2 image")?;
    create(&[&path, "8M"])?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    Ok(())
}

#[test]
fn an_image_is_plugged_and_grows() -> Outcome {
    let Some(lab) = lab("an_image_is_plugged_and_grows")? else { return Ok(()) };
    let extra = lab.images().join("extra");
    let path = extra.display().to_string();
    program("qemu-img", &["create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", &path])?;
    let cached = file_disk(&lab.images().join("web"), "vda", "type='qcow2' cache='directsync'");
    program(
        "qemu-img",
        &["create", "-q", "-f", "qcow2", &lab.images().join("web").display().to_string(), "8M"],
    )?;
    let warned =
        lab.define(&Guest::locate()?.document_with("web", 64, "", &format!("{SERIAL}{cached}")))?.stderr;
    assert!(warned.contains("cache mode 'directsync'") && warned.contains("'writethrough'"), "{warned}");
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("web", "", "reeve-guest: ready")?;
    lab.console("web", "disk write 0 0 16384 3\n", "us=")?;
    lab.reeve(&["domain", "attach-disk", "web", &path, "vdb", "--format", "qcow2"])?.ok();
    lab.console("web", "", "reeve-guest: disk 1 is in slot")?;
    lab.console("web", "disk write 1 0 1000 8\n", "us=")?;
    // The L1 table has to move.
    let said = lab.reeve(&["domain", "blockresize", "web", "vdb", "4G"])?.ok();
    assert_eq!(said, "Block device 'vdb' has 4294967296 bytes now\n");
    lab.console("web", "", "reeve-guest: disk 1 has 8388608 sectors")?;
    lab.console("web", "disk write 1 8388000 608 8\n", "us=")?;
    let said = lab.reeve(&["domain", "blockresize", "web", "vdb", "64M"])?.fails(7);
    assert!(said.contains("give --shrink"), "{said}");
    lab.reeve(&["domain", "blockresize", "web", "vdb", "64M", "--shrink"])?.ok();
    lab.console("web", "", "reeve-guest: disk 1 has 131072 sectors")?;
    lab.reeve(&["domain", "detach-disk", "web", "vdb"])?.ok();
    let mut twin = base_bytes();
    write_pattern(&mut twin, 0, 1000, 8);
    assert!(judged(&lab, "extra", false)? == twin);
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    let mut whole = vec![0; 8 << 20];
    write_pattern(&mut whole, 0, 16384, 3);
    assert!(judged(&lab, "web", false)? == whole);
    Ok(())
}
