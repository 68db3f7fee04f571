//! Pools of a file system and of a disk, on loop devices, with a restart of the daemon in between.

use crate::Outcome;
use crate::lab::{Lab, program};

/// A loop device; gone when dropped.
pub struct Loop(pub String, #[expect(dead_code, reason = "keeps the file")] tempfile::NamedTempFile);

impl Loop {
    pub fn new() -> anyhow::Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        file.as_file().set_len(64 << 20)?;
        let path = file.path().display().to_string();
        let device = program("losetup", &["--find", "--show", "--partscan", &path])?;
        Ok(Self(device.trim().to_owned(), file))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = program("losetup", &["--detach", &self.0]);
    }
}

/// One life of a pool, with a restart and a kill of the daemon in the middle.
fn walk(lab: &mut Lab, define: &[&str], volume: &str) -> Outcome {
    lab.reeve(define)?.ok();
    lab.reeve(&["pool", "build", "lab", "--no-overwrite"])?.ok();
    let said = lab.reeve(&["pool", "build", "lab", "--no-overwrite"])?.fails(6);
    assert!(said.contains("already"), "{said}");
    lab.reeve(&["pool", "start", "lab"])?.ok();
    lab.reeve(&["vol", "create-as", "lab", volume, "4M"])?.ok();
    let file = lab.daemon.file("content", "kept through all of it")?;
    lab.reeve(&["vol", "upload", "--pool", "lab", volume, &file])?.ok();
    let path = lab.reeve(&["vol", "path", "--pool", "lab", volume])?.ok();
    for kill in [false, true] {
        match kill {
            true => lab.daemon.kill()?,
            false => lab.daemon.stop()?,
        };
        lab.daemon.launch()?;
        let info = lab.json(&["pool", "info", "lab"])?;
        assert_eq!((&info["active"], &info["volumes"]), (&true.into(), &1.into()), "{info}");
        let back = lab.place.path().join("back").display().to_string();
        lab.reeve(&["vol", "download", path.trim(), &back, "--length", "22"])?.ok();
        assert_eq!(std::fs::read_to_string(&back)?, "kept through all of it");
    }
    lab.reeve(&["vol", "delete", "--pool", "lab", volume])?.ok();
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    lab.reeve(&["pool", "delete", "lab"])?.ok();
    lab.reeve(&["pool", "undefine", "lab"])?.ok();
    Ok(())
}

#[test]
fn a_file_system_outlives_its_daemon() -> Outcome {
    let (device, mut lab) = (Loop::new()?, Lab::start()?);
    let path = lab.images().display().to_string();
    let define =
        ["pool", "define-as", "lab", "fs", "-", "-", &device.0, "-", &path, "--source-format", "ext4"];
    let walked = walk(&mut lab, &define, "volume1");
    // A test that failed leaves no mount behind.
    if walked.is_err() {
        let _ = program("umount", &[&path]);
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    assert!(!mounts.contains(&path), "{mounts}");
    walked
}

#[test]
fn a_partitioned_disk_outlives_its_daemon() -> Outcome {
    let (device, mut lab) = (Loop::new()?, Lab::start()?);
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
    walk(&mut lab, &define, "volume1")
}
