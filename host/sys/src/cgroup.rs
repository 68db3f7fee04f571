//! Control groups of domains: weight, quota and time of CPUs, limits of memory and block I/O, NUMA nodes. Version 2 where it has the cpu
//! controller, else the hierarchies of version 1 that are there, else none.
//!
//! ```text
//!   version 1                                       version 2
//!   cpu/NAME/UUID           shares                  NAME/UUID            weight, memory.*, io.*, cpuset.*
//!   cpu/NAME/UUID/vcpu0     quota of a vCPU         NAME/UUID/vcpu0      quota of a vCPU (threaded)
//!   cpu/NAME/UUID/emulator  quota of the rest       NAME/UUID/emulator   quota of the rest (threaded)
//!   cpuacct|memory|blkio|cpuset/NAME/UUID
//! ```
//!
//! A partition that an operator has made stands in the place of NAME, and stays when the last group in it goes.
//!
//! Hierarchies are found in the mount table and believed only after their file-system magic was checked: /sys/fs/cgroup may be a
//! tmpfs in which mkdir makes an ordinary directory.

mod account;
mod block;
mod cpu;
mod memory;
mod nodes;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statfs};

use crate::files::{FileError, Tree};

pub use account::{CpuTime, CpuUse};
pub use block::{BlockValues, DeviceNumber};
pub use cpu::{Part, Quota};
pub use memory::MemoryValues;

const V2_MAGIC: i64 = 0x6367_7270;
const V1_MAGIC: i64 = 0x0027_e0eb;
/// How often a group is made anew whose parent another daemon takes away as empty.
const TRIES: usize = 16;

/// The version of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The unified hierarchy.
    V2,
    /// A hierarchy a controller.
    V1,
}

/// What a group can control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Weight and quota of CPU time.
    Cpu,
    /// CPU time that was used.
    Accounting,
    /// Memory limits.
    Memory,
    /// Weight and limits of block I/O.
    BlockIo,
    /// NUMA nodes.
    Nodes,
}

impl Controller {
    /// All of them with their names in version 1 and 2; in version 2 CPU time is accounted by the cpu controller.
    const ALL: [(Self, &str, &str); 5] = [
        (Self::Cpu, "cpu", "cpu"),
        (Self::Accounting, "cpuacct", "cpu"),
        (Self::Memory, "memory", "memory"),
        (Self::BlockIo, "blkio", "io"),
        (Self::Nodes, "cpuset", "cpuset"),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(each, ..)| *each == self).map_or("", |(_, name, _)| name)
    }
}

/// Where groups of this host are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroups {
    version: Version,
    /// Roots of the hierarchies.
    mounts: BTreeMap<Controller, PathBuf>,
    bases: BTreeMap<Controller, PathBuf>,
    /// The bases are an operator's: they are neither made nor removed.
    partition: bool,
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
    /// The host can't do it.
    #[error("{0}")]
    Missing(String),
    /// One of its files was not taken.
    #[error(transparent)]
    File(#[from] FileError),
}

impl CgroupError {
    fn no_controller(controller: Controller) -> Self {
        Self::Missing(format!(
            "this host has no cgroup controller '{}'; mount it, or enable it in the kernel",
            controller.name()
        ))
    }
}

impl Cgroups {
    /// The best writable hierarchies of this host, with `name` as the directory for all groups; none without the cpu controller.
    pub fn probe(name: &str) -> Option<Self> {
        let mounts = Tree::new("/proc/self").text("mounts").ok()?;
        let version2 = mounted(&mounts, "cgroup2", None).filter(|path| usable(path, V2_MAGIC));
        if let Some(mount) = version2 {
            let enabled = Tree::new(&mount).text("cgroup.controllers").unwrap_or_default();
            let enabled: Vec<&str> = enabled.split_whitespace().collect();
            if enabled.contains(&"cpu") {
                let there = Controller::ALL.into_iter().filter(|(.., name)| enabled.contains(name));
                let mounts = there.map(|(controller, ..)| (controller, mount.clone())).collect();
                return Some(Self::below(Version::V2, mounts, name, false));
            }
        }
        let mounts = Controller::ALL.into_iter().filter_map(|(controller, word, _)| {
            let mount = mounted(&mounts, "cgroup", Some(word)).filter(|path| usable(path, V1_MAGIC))?;
            Some((controller, mount))
        });
        let mounts: BTreeMap<_, _> = mounts.collect();
        mounts.contains_key(&Controller::Cpu).then(|| Self::below(Version::V1, mounts, name, false))
    }

    fn below(
        version: Version,
        mounts: BTreeMap<Controller, PathBuf>,
        path: impl AsRef<Path>,
        partition: bool,
    ) -> Self {
        let bases = mounts.iter().map(|(controller, mount)| (*controller, mount.join(&path))).collect();
        Self { version, mounts, bases, partition }
    }

    /// Groups below a given directory, believed without a check; in version 1 below a directory a controller.
    pub fn at(version: Version, base: PathBuf) -> Self {
        let bases = Controller::ALL.into_iter().map(|(controller, name, _)| match version {
            Version::V2 => (controller, base.clone()),
            Version::V1 => (controller, base.join(name)),
        });
        let bases: BTreeMap<_, _> = bases.collect();
        Self { version, mounts: bases.clone(), bases, partition: false }
    }

    /// The same hierarchies with groups below a partition, which is a path from their roots. It is there in all of them, or the
    /// error says where it is missing.
    pub fn in_partition(&self, partition: &str) -> Result<Self, CgroupError> {
        let below = self.to_partition(partition);
        match below.bases.values().find(|base| !base.is_dir()) {
            None => Ok(below),
            Some(missing) => Err(CgroupError::Missing(format!(
                "there is no partition '{partition}' on this host; make the control group '{}'",
                missing.display()
            ))),
        }
    }

    /// As [`in_partition`](Self::in_partition), there or not.
    pub fn to_partition(&self, partition: &str) -> Self {
        let path = partition.trim_start_matches('/');
        Self::below(self.version, self.mounts.clone(), path, true)
    }

    /// Which version the hierarchies have.
    pub fn version(&self) -> Version {
        self.version
    }

    /// True when groups have this controller.
    pub fn has(&self, controller: Controller) -> bool {
        self.bases.contains_key(&controller)
    }

    /// Makes a group, or takes the one that is there. NUMA nodes of version 1 have theirs when they are set.
    pub fn create(&self, name: &str) -> Result<Group, CgroupError> {
        let group = self.group(name);
        if self.version == Version::V2 {
            let base = self.base();
            // What is above a partition is the operator's.
            let above = base.parent().filter(|_| !self.partition);
            if !self.partition {
                make(base)?;
            }
            for directory in above.into_iter().chain([base]) {
                for (controller, _, word) in Controller::ALL {
                    if self.has(controller) {
                        Tree::new(directory).write("cgroup.subtree_control", format!("+{word}"))?;
                    }
                }
            }
        }
        for (controller, path) in &group.paths {
            if *controller != Controller::Nodes || self.version == Version::V2 {
                make_below(path)?;
            }
        }
        Ok(group)
    }

    /// The group with this name, there or not; removing it is always right.
    pub fn group(&self, name: &str) -> Group {
        let paths = self.bases.iter().map(|(controller, base)| (*controller, base.join(name)));
        Group { version: self.version, paths: paths.collect(), partition: self.partition }
    }

    /// Names of all groups.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.bases.values().flat_map(|base| directories(base)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn base(&self) -> &Path {
        self.bases.get(&Controller::Cpu).expect("there are no groups without the cpu controller")
    }
}

/// The group of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    version: Version,
    paths: BTreeMap<Controller, PathBuf>,
    partition: bool,
}

impl Group {
    /// Where it is, in version 1 that of the cpu controller.
    pub fn path(&self) -> &Path {
        self.paths.get(&Controller::Cpu).expect("there are no groups without the cpu controller")
    }

    /// Puts a process with all its threads into it.
    pub fn add(&self, pid: u32) -> Result<(), CgroupError> {
        match self.version {
            Version::V2 => Tree::new(self.path()).write("cgroup.procs", pid)?,
            Version::V1 => {
                for (controller, path) in &self.paths {
                    if *controller != Controller::Nodes {
                        Tree::new(path).write("cgroup.procs", pid)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes it, and the directory for all groups with the last one. Only when no process is in it; no error when it is gone.
    pub fn remove(&self) -> io::Result<()> {
        for path in self.paths.values() {
            for part in directories(path) {
                remove(&path.join(part))?;
            }
            remove(path)?;
            if let Some(base) = path.parent().filter(|_| !self.partition) {
                // It is still needed when it is not empty.
                let _ = std::fs::remove_dir(base);
            }
        }
        Ok(())
    }

    /// Files of a controller.
    fn files(&self, controller: Controller) -> Result<Tree, CgroupError> {
        let path = self.paths.get(&controller).ok_or_else(|| CgroupError::no_controller(controller))?;
        Ok(Tree::new(path))
    }
}

/// Names of the directories in one.
fn directories(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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

/// Makes a group and the directory for all groups, which another daemon may remove in between.
fn make_below(path: &Path) -> Result<(), CgroupError> {
    let mut made = Ok(());
    for _ in 0..TRIES {
        path.parent().map_or(Ok(()), make)?;
        made = make(path);
        match &made {
            Err(CgroupError::Create { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            _ => break,
        }
    }
    made
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
        std::fs::write(group.path().join("cpu.weight"), "").unwrap();
        let files = Tree::new(group.path());
        for (shares, weight) in [(0, 1), (1024, 39), (262_144, 10_000)] {
            group.set_shares(shares).unwrap();
            assert_eq!(files.number("cpu.weight").unwrap(), weight, "{shares} shares");
        }
    }

    #[test]
    fn a_partition_is_the_operators() {
        let dir = tempfile::tempdir().unwrap();
        for version in [Version::V1, Version::V2] {
            let base = dir.path().join(format!("{version:?}"));
            let cgroups = Cgroups::at(version, base.clone());
            let missing = cgroups.in_partition("/vms/production").unwrap_err().to_string();
            assert!(missing.contains("'/vms/production'") && missing.contains("make the control group"));
            for place in cgroups.bases.values() {
                std::fs::create_dir_all(place.join("vms/production")).unwrap();
                std::fs::write(place.join("vms/production/cgroup.subtree_control"), "").unwrap();
            }
            let group = cgroups.in_partition("/vms/production").unwrap().create("web").unwrap();
            assert!(group.path().ends_with("vms/production/web") && group.path().is_dir(), "{group:?}");
            let nodes = &group.paths[&Controller::Nodes];
            assert_eq!(nodes.exists(), version == Version::V2, "{}", nodes.display());
            group.remove().unwrap();
            let left = group.path().parent().unwrap();
            assert!(left.is_dir() && !group.path().exists(), "{}", left.display());
        }
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
        assert_eq!(group.shares().unwrap(), 512);
        let part = group.part("vcpu0").unwrap();
        let quota = Quota { period: 50_000, quota: Some(20_000) };
        part.set_quota(quota).unwrap();
        assert_eq!(part.quota().unwrap(), quota);
        part.set_quota(Quota { quota: None, ..quota }).unwrap();
        assert_eq!(part.quota().unwrap().quota, None);
        assert_eq!(cgroups.names(), ["web"]);
        if cgroups.has(Controller::Memory) {
            let limits =
                MemoryValues { hard: Some(64 << 20), soft: Some(32 << 20), ..MemoryValues::default() };
            group.set_memory(limits).unwrap();
            assert_eq!(group.memory().unwrap(), limits);
            group.set_memory(MemoryValues::default()).unwrap();
            assert_eq!(group.memory().unwrap(), MemoryValues::default());
        }
        if cgroups.has(Controller::Nodes) {
            group.set_nodes("0", &[]).unwrap();
            assert_eq!(group.nodes().unwrap().as_deref(), Some("0"));
        }
        if cgroups.has(Controller::Accounting) {
            assert_eq!(group.cpu_use().unwrap().total, CpuTime::default());
        }
        group.remove().unwrap();
        group.remove().unwrap();
        assert!(!group.path().parent().unwrap().exists());
    }
}
