//! NUMA nodes whose memory the processes of a group may have.

use std::path::{Path, PathBuf};

use super::{CgroupError, Controller, Group, Version, make_below};
use crate::files::Tree;

/// What a group of version 1 must have before it has processes.
const SETS: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

impl Group {
    /// Restricts memory to nodes in the kernel's notation, and moves what is elsewhere. `pids` enter a group of version 1 that is not there
    /// yet: it must have CPUs and nodes before anything may.
    pub fn set_nodes(&self, nodes: &str, pids: &[u32]) -> Result<(), CgroupError> {
        let files = self.files(Controller::Nodes)?;
        if self.version == Version::V2 {
            return Ok(files.write("cpuset.mems", nodes)?);
        }
        let path = self.paths.get(&Controller::Nodes).map_or(Path::new(""), PathBuf::as_path);
        make_below(path)?;
        let is_unset = |directory: &&Path| {
            let files = Tree::new(*directory);
            SETS.iter().any(|file| files.text(file).is_ok_and(|set| set.is_empty()))
        };
        // Above a partition there may be others that nobody has set either.
        let mut unset: Vec<&Path> = path.ancestors().take_while(is_unset).collect();
        unset.reverse();
        for directory in unset {
            let above = Tree::new(directory.parent().unwrap_or(directory));
            let files = Tree::new(directory);
            for file in SETS {
                if files.text(file)?.is_empty() {
                    files.write(file, above.text(file)?)?;
                }
            }
        }
        files.write("cpuset.memory_migrate", 1)?;
        files.write("cpuset.mems", nodes)?;
        for pid in pids {
            files.write("cgroup.procs", pid)?;
        }
        Ok(())
    }

    /// The nodes it was restricted to.
    pub fn nodes(&self) -> Result<Option<String>, CgroupError> {
        let files = self.files(Controller::Nodes)?;
        match files.has("cpuset.mems") {
            true => Ok(Some(files.text("cpuset.mems")?).filter(|nodes| !nodes.is_empty())),
            false => Ok(None),
        }
    }
}
