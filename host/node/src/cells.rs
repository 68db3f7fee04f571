//! NUMA cells: /sys/devices/system/node, or the whole machine where there is no NUMA.

use reeve_model::Bytes;
use reeve_model::node::NodeCell;
use reeve_sys::files::{FileError, Tree};
use reeve_sys::procfs::field;

pub(crate) fn read(proc: &Tree, sys: &Tree) -> Result<Vec<NodeCell>, FileError> {
    let nodes = sys.below("devices/system/node");
    let numbers = nodes.numbered("node");
    if numbers.is_empty() {
        let memory = crate::memory::read(proc)?;
        let cpus = Some(crate::cpus::read(sys).online);
        return Ok(vec![NodeCell { cell: 0, cpus, memory: memory.total, free: memory.free }]);
    }
    let cell = |number: u32| {
        // Each line begins with the name of the node: "Node 0 MemFree: 1024 kB".
        let text = nodes.text(format!("node{number}/meminfo"))?;
        let start = format!("Node {number} ");
        let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix(&start).unwrap_or(line)).collect();
        let text = lines.join("\n");
        let kib = |key| Bytes::kib(field(&text, key).unwrap_or(0));
        let cpus = nodes.text(format!("node{number}/cpulist"))?.parse().ok();
        Ok(NodeCell { cell: number, cpus, memory: kib("MemTotal"), free: kib("MemFree") })
    };
    numbers.into_iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree, Tree) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let [proc, sys] = ["proc", "sys"].map(|name| Tree::new(dir.path().join(name)));
        (dir, proc, sys)
    }

    #[test]
    fn each_cell_has_its_memory_and_its_cpus() {
        let (_dir, proc, sys) = host(&[
            ("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:  2048 kB\nNode 0 MemFree:  512 kB\n"),
            ("sys/devices/system/node/node0/cpulist", "0-1,4\n"),
            ("sys/devices/system/node/node2/meminfo", "Node 2 MemTotal:  1024 kB\nNode 2 MemFree:  256 kB\n"),
            ("sys/devices/system/node/node2/cpulist", "\n"),
        ]);
        let cells = read(&proc, &sys).unwrap();
        let (near, far) = (&cells[0], &cells[1]);
        assert_eq!((near.cell, near.memory, near.free), (0, Bytes::kib(2048), Bytes::kib(512)));
        assert_eq!(near.cpus.as_ref().map(ToString::to_string).as_deref(), Some("0-1,4"));
        assert_eq!((far.cell, &far.cpus, far.free), (2, &None, Bytes::kib(256)));
    }

    #[test]
    fn a_machine_without_numa_is_one_cell() {
        let (_dir, proc, sys) = host(&[
            ("proc/meminfo", "MemTotal:  4096 kB\nMemFree:  100 kB\n"),
            ("sys/devices/system/cpu/online", "0-3\n"),
        ]);
        let cells = read(&proc, &sys).unwrap();
        assert_eq!((cells.len(), cells[0].cell, cells[0].memory), (1, 0, Bytes::kib(4096)));
        assert_eq!(cells[0].cpus.as_ref().map(|cpus| cpus.count()), Some(4));
    }
}
