//! The inventory: /proc/cpuinfo and the topology in /sys/devices/system.

use std::collections::BTreeSet;

use reeve_model::Bytes;
use reeve_model::node::NodeInfo;
use reeve_sys::files::Tree;

pub(crate) fn read(proc: &Tree, sys: &Tree, dev: &Tree) -> NodeInfo {
    let cpuinfo = proc.text("cpuinfo").unwrap_or_default();
    let cpus = cpu_count(&cpuinfo);
    let shape = Shape::read(sys, cpus);
    let numa_cells = numa_cpus(sys).len().max(1) as u32;
    NodeInfo {
        hostname: proc.text("sys/kernel/hostname").unwrap_or_default(),
        arch: std::env::consts::ARCH.to_owned(),
        cpu_model: value(&cpuinfo, "model name").unwrap_or_default().to_owned(),
        cpus,
        mhz: value(&cpuinfo, "cpu MHz").and_then(|text| text.parse::<f64>().ok()).map_or(0, |mhz| mhz as u32),
        sockets: (shape.sockets / numa_cells).max(1),
        cores_per_socket: shape.cores_per_socket,
        threads_per_core: shape.threads_per_core,
        numa_cells,
        memory: crate::memory::read(proc).map_or(Bytes(0), |memory| memory.total),
        kvm: kvm_usable(dev),
    }
}

/// The CPUs of each NUMA node, in libvirt's notation.
pub(crate) fn numa_cpus(sys: &Tree) -> Vec<(u32, String)> {
    let nodes = sys.below("devices/system/node");
    let cpus = |number: u32| nodes.text(format!("node{number}/cpulist")).unwrap_or_default();
    nodes.numbered("node").into_iter().map(|number| (number, cpus(number))).collect()
}

/// Sockets, cores and threads as the online CPUs name them.
struct Shape {
    sockets: u32,
    cores_per_socket: u32,
    threads_per_core: u32,
}

impl Shape {
    fn read(sys: &Tree, cpus: u32) -> Self {
        let system = sys.below("devices/system/cpu");
        let mut sockets = BTreeSet::new();
        let mut cores = BTreeSet::new();
        for number in system.numbered("cpu") {
            let topology = system.below(format!("cpu{number}/topology"));
            if let (Ok(socket), Ok(core)) = (topology.text("physical_package_id"), topology.text("core_id")) {
                cores.insert((socket.clone(), core));
                sockets.insert(socket);
            }
        }
        let (sockets, cores) = (sockets.len().max(1) as u32, cores.len().max(1) as u32);
        Self { sockets, cores_per_socket: (cores / sockets).max(1), threads_per_core: (cpus / cores).max(1) }
    }
}

fn cpu_count(cpuinfo: &str) -> u32 {
    cpuinfo.lines().filter(|line| line.starts_with("processor")).count().max(1) as u32
}

fn value<'a>(cpuinfo: &'a str, key: &str) -> Option<&'a str> {
    cpuinfo.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_start().strip_prefix(':')?.trim()))
}

fn kvm_usable(dev: &Tree) -> bool {
    reeve_sys::open::character_device(&dev.path("kvm"), true).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host with two NUMA nodes of one socket of two cores of two threads.
    fn host() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: String, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let mut cpuinfo = String::new();
        for cpu in 0..8 {
            cpuinfo.push_str(&format!(
                "processor\t: {cpu}\nmodel name\t: Test CPU @ 2GHz\ncpu MHz\t\t: 1999.5\n\n"
            ));
            let topology = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            put(format!("{topology}/physical_package_id"), &format!("{}\n", cpu / 4));
            put(format!("{topology}/core_id"), &format!("{}\n", cpu / 2 % 2));
        }
        put("proc/cpuinfo".to_owned(), &cpuinfo);
        put("proc/meminfo".to_owned(), "MemTotal:  1048576 kB\nMemFree: 1 kB\n");
        put("proc/sys/kernel/hostname".to_owned(), "node1\n");
        put("sys/devices/system/node/node0/cpulist".to_owned(), "0-3\n");
        put("sys/devices/system/node/node1/cpulist".to_owned(), "4-7\n");
        dir
    }

    #[test]
    fn the_topology_multiplies_to_the_cpus() {
        let dir = host();
        let [proc, sys, dev] = ["proc", "sys", "dev"].map(|name| Tree::new(dir.path().join(name)));
        let info = read(&proc, &sys, &dev);
        assert_eq!(info.hostname, "node1");
        assert_eq!(info.cpu_model, "Test CPU @ 2GHz");
        assert_eq!((info.cpus, info.mhz, info.memory), (8, 1999, Bytes::gib(1)));
        assert_eq!(
            (info.numa_cells, info.sockets, info.cores_per_socket, info.threads_per_core),
            (2, 1, 2, 2)
        );
        assert!(!info.kvm);
        assert_eq!(numa_cpus(&sys), [(0, "0-3".to_owned()), (1, "4-7".to_owned())]);
    }

    #[test]
    fn this_host_can_be_read() {
        let [proc, sys, dev] = ["/proc", "/sys", "/dev"].map(Tree::new);
        let info = read(&proc, &sys, &dev);
        assert!(info.cpus >= 1 && info.memory.0 > 0 && !info.hostname.is_empty(), "{info:?}");
    }
}
