//! Pools of a file system and of a disk, on loop devices, with a restart of the daemon in between.

use reeve_tests::program;

use crate::Outcome;
use crate::contract::{Kind, walk};
use crate::lab::Lab;

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

#[test]
fn a_directory_keeps_to_the_contract() -> Outcome {
    let mut lab = Lab::start()?;
    let path = lab.images().display().to_string();
    walk(&mut lab, &Kind { source: &["dir", "--target", &path], formats: false, grain: 1, alone: false })
}

#[test]
fn a_file_system_keeps_to_the_contract() -> Outcome {
    let (device, mut lab) = (Loop::new()?, Lab::start()?);
    let path = lab.images().display().to_string();
    let source = ["fs", "-", "-", &device.0, "-", &path, "--source-format", "ext4"];
    let walked = walk(&mut lab, &Kind { source: &source, formats: true, grain: 1, alone: true });
    // A test that failed leaves no mount behind.
    if walked.is_err() {
        let _ = program("umount", &[&path]);
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts")?;
    assert!(!mounts.contains(&path), "{mounts}");
    walked
}

#[test]
fn a_partitioned_disk_keeps_to_the_contract() -> Outcome {
    let (device, mut lab) = (Loop::new()?, Lab::start()?);
    let source = ["disk", "--source-dev", &device.0, "--source-format", "gpt", "--target", "/dev"];
    walk(&mut lab, &Kind { source: &source, formats: true, grain: 1, alone: true })
}
