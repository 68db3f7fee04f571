//! CPU weight and quota of domains: cgroup v2 where it has the controller, else the v1 cpu hierarchy, else none.
//!
//! Hierarchies are found in the mount table and believed only after their file-system magic was checked: /sys/fs/cgroup may be a
//! tmpfs in which mkdir makes an ordinary directory.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statfs};

use crate::files::{FileError, Tree};

const V2_MAGIC: i64 = 0x6367_7270;
const V1_MAGIC: i64 = 0x0027_e0eb;

/// The version of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The unified hierarchy.
    V2,
    /// The cpu hierarchy of version 1.
    V1,
}

/// Where groups of this host are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroups {
    version: Version,
    base: PathBuf,
}

/// A group could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The directory can't be made.
    #[error("cgroup '{path}' can't be made")]
    Create {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// One of its files was not taken.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Cgroups {
    /// The best writable hierarchy of this host, with `name` as the directory for all groups; none when there is none.
    pub fn probe(name: &str) -> Option<Self> {
        let mounts = Tree::new("/proc/self").text("mounts").ok()?;
        let version2 = mounted(&mounts, "cgroup2", None).filter(|path| {
            let controllers = Tree::new(path).text("cgroup.controllers").unwrap_or_default();
            controllers.split_whitespace().any(|controller| controller == "cpu") && usable(path, V2_MAGIC)
        });
        let version1 = || mounted(&mounts, "cgroup", Some("cpu")).filter(|path| usable(path, V1_MAGIC));
        let (version, mount) = match version2 {
            Some(path) => (Version::V2, path),
            None => (Version::V1, version1()?),
        };
        Some(Self::at(version, mount.join(name)))
    }

    /// Groups below a given directory, believed without a check.
    pub fn at(version: Version, base: PathBuf) -> Self {
        Self { version, base }
    }

    /// Which version the hierarchy has.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Makes a group, or takes the one that is there.
    pub fn create(&self, name: &str) -> Result<Group, CgroupError> {
        if self.version == Version::V2 {
            make(&self.base)?;
            for directory in self.base.parent().into_iter().chain([self.base.as_path()]) {
                Tree::new(directory).write("cgroup.subtree_control", "+cpu")?;
            }
        } else {
            make(&self.base)?;
        }
        let path = self.base.join(name);
        make(&path)?;
        Ok(Group { version: self.version, path })
    }

    /// The group with this name, there or not; removing it is always right.
    pub fn group(&self, name: &str) -> Group {
        Group { version: self.version, path: self.base.join(name) }
    }

    /// Names of all groups.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.base).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        directories.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

/// The group of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    version: Version,
    path: PathBuf,
}

impl Group {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a process with all its threads into it.
    pub fn add(&self, pid: u32) -> Result<(), CgroupError> {
        Ok(self.files().write("cgroup.procs", pid)?)
    }

    /// Relative weight in libvirt's scale: 1024 is one share, 2 to 262144.
    pub fn set_shares(&self, shares: u64) -> Result<(), CgroupError> {
        let shares = shares.clamp(2, 262_144);
        match self.version {
            Version::V2 => self.files().write("cpu.weight", 1 + (shares - 2) * 9999 / 262_142)?,
            Version::V1 => self.files().write("cpu.shares", shares)?,
        }
        Ok(())
    }

    /// Microseconds it may run per period of microseconds; none is no limit.
    pub fn set_quota(&self, period: u64, quota: Option<u64>) -> Result<(), CgroupError> {
        match (self.version, quota) {
            (Version::V2, Some(quota)) => self.files().write("cpu.max", format!("{quota} {period}"))?,
            (Version::V2, None) => self.files().write("cpu.max", format!("max {period}"))?,
            (Version::V1, quota) => {
                self.files().write("cpu.cfs_period_us", period)?;
                let quota = quota.map_or_else(|| "-1".to_owned(), |quota| quota.to_string());
                self.files().write("cpu.cfs_quota_us", quota)?;
            }
        }
        Ok(())
    }

    /// Removes it, and the directory for all groups with the last one. Only when no process is in it; no error when it is gone.
    pub fn remove(&self) -> io::Result<()> {
        match std::fs::remove_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(base) = self.path.parent() {
            // It is still needed when it is not empty.
            let _ = std::fs::remove_dir(base);
        }
        Ok(())
    }

    fn files(&self) -> Tree {
        Tree::new(&self.path)
    }
}

fn make(path: &Path) -> Result<(), CgroupError> {
    match std::fs::create_dir(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(CgroupError::Create { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// The mount point of a file system in the mount table, with an option if asked for.
fn mounted(mounts: &str, kind: &str, option: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (path, found, options) = (fields.next()?, fields.next()?, fields.next()?);
        let matches =
            found == kind && option.is_none_or(|option| options.split(',').any(|each| each == option));
        matches.then(|| PathBuf::from(path))
    })
}

fn usable(path: &Path, magic: i64) -> bool {
    let right = statfs(path).is_ok_and(|stat| stat.f_type == magic);
    right && access(path, Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_table_is_understood() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(mounted(mounts, "cgroup", Some("cpu")).unwrap(), Path::new("/sys/fs/cgroup/cpu"));
        assert_eq!(mounted(mounts, "cgroup2", None).unwrap(), Path::new("/sys/fs/cgroup/unified"));
        assert_eq!(mounted(mounts, "cgroup", Some("memory")), None);
    }

    #[test]
    fn a_tmpfs_is_not_taken_for_a_hierarchy() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!usable(dir.path(), V1_MAGIC) && !usable(dir.path(), V2_MAGIC));
    }

    #[test]
    fn shares_become_weights_in_version_2() {
        let dir = tempfile::tempdir().unwrap();
        let group = Cgroups::at(Version::V2, dir.path().to_owned()).group("web");
        std::fs::create_dir(group.path()).unwrap();
        for file in ["cpu.weight", "cpu.max"] {
            std::fs::write(group.path().join(file), "").unwrap();
        }
        let files = Tree::new(group.path());
        for (shares, weight) in [(0, 1), (1024, 39), (262_144, 10_000)] {
            group.set_shares(shares).unwrap();
            assert_eq!(files.number("cpu.weight").unwrap(), weight, "{shares} shares");
        }
        group.set_quota(100_000, Some(50_000)).unwrap();
        assert_eq!(files.text("cpu.max").unwrap(), "50000 100000");
        group.set_quota(100_000, None).unwrap();
        assert_eq!(files.text("cpu.max").unwrap(), "max 100000");
    }

    #[test]
    fn a_real_group_takes_its_settings_and_goes_away() {
        let name = format!("reeve-test-{}", std::process::id());
        let Some(cgroups) = Cgroups::probe(&name) else {
            eprintln!("SKIP: this host has no writable cgroup hierarchy with the cpu controller");
            return;
        };
        let group = cgroups.create("web").unwrap();
        group.set_shares(512).unwrap();
        group.set_quota(100_000, Some(50_000)).unwrap();
        group.set_quota(100_000, None).unwrap();
        if cgroups.version() == Version::V1 {
            assert_eq!(Tree::new(group.path()).number("cpu.shares").unwrap(), 512);
        }
        assert_eq!(cgroups.names(), ["web"]);
        group.remove().unwrap();
        group.remove().unwrap();
        assert!(!group.path().parent().unwrap().exists());
    }
}
