//! Requests to disks that fail: the host runs full under a guest, and what becomes of that (guide 14.5.11, 20.16.1.5).

use std::path::PathBuf;

use reeve_tests::{Guest, Small, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const SERIAL: &str = "<serial type='pty'><target port='0'/></serial>";
const SIZE: usize = 32 << 20;

/// A guest with a disk of 32 MiB on a file system of 8 MiB.
fn lab(format: &str, policy: &str) -> anyhow::Result<(Lab, Small, PathBuf)> {
    let lab = Lab::start()?;
    let small = Small::mount(&lab.place.path().join("small"))?;
    let image = lab.place.path().join("small/disk");
    let path = image.display().to_string();
    lab.reeve(&["image", "create", &path, &SIZE.to_string(), "-f", format])?.ok();
    let disk = format!(
        "<disk type='file'><driver type='{format}' {policy}/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"
    );
    lab.define(&Guest::locate()?.document_with("web", 64, "", &format!("{SERIAL}{disk}")))?;
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("web", "", "reeve-guest: ready")?;
    Ok((lab, small, image))
}

fn paused(lab: &Lab) -> Outcome {
    wait::until("the domain is paused for an I/O error", PATIENCE, || {
        let state = lab.json(&["domain", "state", "web", "--reason"]);
        state.is_ok_and(|state| state["state"] == "paused" && state["reason"] == "io-error")
    })
}

/// What a guest leaves that wrote a pattern from the first sector on.
fn pattern(pattern: u64) -> Vec<u8> {
    let sector = |number: usize| (pattern ^ number as u64).to_le_bytes().repeat(64);
    (0..SIZE / 512).flat_map(sector).collect()
}

#[test]
fn a_guest_waits_for_space_and_goes_on_where_it_stood() -> Outcome {
    for (format, policy) in [
        ("raw", ""),
        ("qcow2", "error_policy='enospace'"),
        ("raw", "error_policy='stop' cache='writethrough'"),
        ("qcow2", "error_policy='stop'"),
    ] {
        let (mut lab, small, image) = lab(format, policy)?;
        assert_eq!(lab.reeve(&["domain", "domblkerror", "web"])?.ok(), "No errors found\n");
        lab.console("web", "disk write 0 0 65536 21\n", "")?;
        paused(&lab)?;
        let said = lab.reeve(&["domain", "domblkerror", "web"])?.ok();
        assert!(said.starts_with("vda: No space left on device"), "{said}");
        let file = lab.place.path().join("web.save").display().to_string();
        let said = lab.reeve(&["domain", "save", "web", &file])?;
        assert!(said.code != 0 && said.stderr.contains("stands on an error"), "{said:?}");
        // Without space it stands again, also under another daemon.
        lab.reeve(&["domain", "resume", "web"])?.ok();
        paused(&lab)?;
        lab.daemon.kill()?;
        lab.daemon.launch()?;
        paused(&lab)?;
        small.grow()?;
        lab.reeve(&["domain", "resume", "web"])?.ok();
        lab.console("web", "", "us=")?;
        assert_eq!(lab.reeve(&["domain", "domblkerror", "web"])?.ok(), "No errors found\n");
        let counters = lab.json(&["domain", "domblkstat", "web", "vda"])?;
        assert!(counters["errors"].as_u64() >= Some(2), "{counters}");
        // What was not flushed may go with the machine.
        lab.console("web", "disk flush 0\n", "ok")?;
        lab.reeve(&["domain", "destroy", "web"])?.ok();
        let raw = lab.place.path().join("raw").display().to_string();
        let image = image.display().to_string();
        lab.reeve(&["image", "convert", "-f", format, "-O", "raw", &image, &raw])?.ok();
        assert!(std::fs::read(&raw)? == pattern(21), "{format} {policy}");
        if format == "qcow2" {
            // A write that failed may have taken clusters that it never used.
            let said = lab.reeve(&["image", "check", &image, "-f", "qcow2"])?;
            assert!(said.code == 0 || said.stderr.contains("0 corruptions"), "{said:?}");
        }
    }
    Ok(())
}

#[test]
fn a_guest_is_told_or_not_as_its_policy_says() -> Outcome {
    for (policy, words) in [("report", "error"), ("ignore", "us=")] {
        let (lab, _small, _) = lab("raw", &format!("error_policy='{policy}'"))?;
        lab.console("web", "disk write 0 0 65536 21\n", words)?;
        let state = lab.json(&["domain", "state", "web"])?;
        assert_eq!(state["state"], "running", "{policy}");
        let counters = lab.json(&["domain", "domblkstat", "web", "vda"])?;
        assert_eq!(counters["errors"].as_u64() > Some(0), policy == "report", "{counters}");
    }
    let document = Guest::locate()?.document_with(
        "web",
        64,
        "",
        "<disk type='file'><driver rerror_policy='enospace'/><source file='/x'/><target dev='vda'/></disk>",
    );
    let lab = Lab::start()?;
    let said = lab.daemon.reeve_with_input(&["domain", "define", "-"], &document)?.fails(7);
    assert!(said.contains("rerror_policy"), "{said}");
    Ok(())
}
