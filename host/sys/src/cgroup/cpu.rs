//! CPU weight of a group, and quotas of its parts.

use std::path::PathBuf;

use super::{CgroupError, Controller, Group, Version, make};
use crate::files::{FileError, Tree};

/// How long threads may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Length of a period in microseconds.
    pub period: u64,
    /// Microseconds in a period; none is no limit.
    pub quota: Option<u64>,
}

/// Some threads of a group with a quota of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    version: Version,
    path: PathBuf,
}

impl Group {
    /// Relative weight in libvirt's scale: 1024 is one share, 2 to 262144.
    pub fn set_shares(&self, shares: u64) -> Result<(), CgroupError> {
        let shares = shares.clamp(2, 262_144);
        let files = self.files(Controller::Cpu)?;
        match self.version {
            Version::V2 => files.write("cpu.weight", 1 + (shares - 2) * 9999 / 262_142)?,
            Version::V1 => files.write("cpu.shares", shares)?,
        }
        Ok(())
    }

    /// Relative weight as the kernel has it; version 2 keeps fewer steps.
    pub fn shares(&self) -> Result<u64, CgroupError> {
        let files = self.files(Controller::Cpu)?;
        Ok(match self.version {
            Version::V2 => 2 + ((files.number("cpu.weight")?.max(1) - 1) * 262_142).div_ceil(9999),
            Version::V1 => files.number("cpu.shares")?,
        })
    }

    /// The part with a name, made if it is not there.
    pub fn part(&self, name: &str) -> Result<Part, CgroupError> {
        let part = Part { version: self.version, path: self.path().join(name) };
        let new = !part.path.exists();
        make(&part.path)?;
        if new && self.version == Version::V2 {
            Tree::new(&part.path).write("cgroup.type", "threaded")?;
            Tree::new(self.path()).write("cgroup.subtree_control", "+cpu")?;
        }
        Ok(part)
    }

    /// The part with a name, if it is there.
    pub fn found_part(&self, name: &str) -> Option<Part> {
        let part = Part { version: self.version, path: self.path().join(name) };
        part.path.is_dir().then_some(part)
    }
}

impl Part {
    /// Puts one thread into it.
    pub fn add_thread(&self, thread: u32) -> Result<(), CgroupError> {
        let file = if self.version == Version::V2 { "cgroup.threads" } else { "tasks" };
        match self.files().write(file, thread) {
            // It has ended meanwhile.
            Err(FileError::Write { source, .. }) if source.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            written => Ok(written?),
        }
    }

    /// How long its threads may run together.
    pub fn set_quota(&self, quota: Quota) -> Result<(), CgroupError> {
        let Quota { period, quota } = quota;
        let files = self.files();
        match (self.version, quota) {
            (Version::V2, Some(quota)) => files.write("cpu.max", format!("{quota} {period}"))?,
            (Version::V2, None) => files.write("cpu.max", format!("max {period}"))?,
            (Version::V1, quota) => {
                // What is in force may not fit the new period.
                files.write("cpu.cfs_quota_us", "-1")?;
                files.write("cpu.cfs_period_us", period)?;
                if let Some(quota) = quota {
                    files.write("cpu.cfs_quota_us", quota)?;
                }
            }
        }
        Ok(())
    }

    /// How long its threads may run as the kernel has it.
    pub fn quota(&self) -> Result<Quota, CgroupError> {
        let files = self.files();
        if self.version == Version::V1 {
            let quota = files.text("cpu.cfs_quota_us")?.parse().ok();
            return Ok(Quota { period: files.number("cpu.cfs_period_us")?, quota });
        }
        let text = files.text("cpu.max")?;
        let (quota, period) = text.split_once(' ').unwrap_or((&text, "100000"));
        Ok(Quota { period: period.parse().unwrap_or(100_000), quota: quota.parse().ok() })
    }

    fn files(&self) -> Tree {
        Tree::new(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use crate::cgroup::Cgroups;

    use super::*;

    #[test]
    fn parts_of_version_2_are_threaded() {
        let dir = tempfile::tempdir().unwrap();
        let group = Cgroups::at(Version::V2, dir.path().to_owned()).group("web");
        let path = group.path().join("vcpu0");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("cpu.max"), "max 100000").unwrap();
        std::fs::write(path.join("cgroup.threads"), "").unwrap();
        let part = group.found_part("vcpu0").unwrap();
        assert_eq!(part.quota().unwrap(), Quota { period: 100_000, quota: None });
        let quota = Quota { period: 50_000, quota: Some(10_000) };
        part.set_quota(quota).unwrap();
        assert_eq!(part.quota().unwrap(), quota);
        part.add_thread(7).unwrap();
        assert_eq!(part.files().text("cgroup.threads").unwrap(), "7");
        assert_eq!(group.found_part("vcpu1"), None);
    }

    #[test]
    fn weights_of_version_2_come_back_as_shares() {
        let dir = tempfile::tempdir().unwrap();
        let group = Cgroups::at(Version::V2, dir.path().to_owned()).group("web");
        std::fs::create_dir(group.path()).unwrap();
        std::fs::write(group.path().join("cpu.weight"), "").unwrap();
        for shares in [2, 1024, 262_144] {
            group.set_shares(shares).unwrap();
            assert!(group.shares().unwrap().abs_diff(shares) < 27, "{shares}");
        }
    }
}
