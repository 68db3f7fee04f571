//! CPUs of the machine: which there are, and what they did (/proc/stat).

use reeve_model::CpuSet;
use reeve_model::node::{NodeCpuTime, NodeCpus};
use reeve_sys::files::{FileError, Tree};
use reeve_sys::procfs;

pub(crate) fn read(sys: &Tree) -> NodeCpus {
    let listed = |name: &str| -> Option<CpuSet> {
        sys.text(format!("devices/system/cpu/{name}")).ok()?.trim().parse().ok()
    };
    let first = || CpuSet::new([0]).expect("0 is a number of a CPU");
    let online = listed("online").unwrap_or_else(first);
    NodeCpus { present: listed("present").unwrap_or_else(|| online.clone()), online }
}

/// The counters of one CPU, or of all together; none when there is no line of it.
pub(crate) fn time(proc: &Tree, cpu: Option<u32>) -> Result<Option<NodeCpuTime>, FileError> {
    let text = proc.text("stat")?;
    let name = cpu.map_or_else(|| "cpu".to_owned(), |cpu| format!("cpu{cpu}"));
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name.as_str()));
    Ok(line.map(|line| {
        let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|tick| tick.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq (proc_stat(5)); what guests used is in user and nice already.
        let ns = |fields: &[usize]| {
            let ticks = fields.iter().filter_map(|field| ticks.get(*field)).sum::<u64>();
            ticks.saturating_mul(procfs::tick_ns())
        };
        NodeCpuTime {
            user_ns: ns(&[0, 1]),
            system_ns: ns(&[2, 5, 6]),
            idle_ns: ns(&[3]),
            iowait_ns: ns(&[4]),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_that_are_there_need_not_run() {
        let dir = tempfile::tempdir().unwrap();
        let cpu = dir.path().join("devices/system/cpu");
        std::fs::create_dir_all(&cpu).unwrap();
        let sys = Tree::new(dir.path());
        assert_eq!((read(&sys).present.count(), read(&sys).online.count()), (1, 1));
        std::fs::write(cpu.join("present"), "0-3\n").unwrap();
        std::fs::write(cpu.join("online"), "0,2-3\n").unwrap();
        let cpus = read(&sys);
        assert_eq!((cpus.present.count(), cpus.online.to_string().as_str()), (4, "0,2-3"));
    }

    #[test]
    fn times_are_of_one_cpu_or_of_all() {
        let dir = tempfile::tempdir().unwrap();
        let text = "cpu  30 4 20 100 6 3 1 0 9 0\ncpu0 10 0 8 40 2 1 0 0 0 0\ncpu10 20 4 12 60 4 2 1 0 9 0\nintr 1\n";
        std::fs::write(dir.path().join("stat"), text).unwrap();
        let (proc, tick) = (Tree::new(dir.path()), procfs::tick_ns());
        let all = time(&proc, None).unwrap().unwrap();
        let ticks = [all.user_ns, all.system_ns, all.idle_ns, all.iowait_ns].map(|ns| ns / tick);
        assert_eq!(ticks, [34, 24, 100, 6]);
        assert_eq!(time(&proc, Some(10)).unwrap().unwrap().user_ns, 24 * tick);
        assert_eq!(time(&proc, Some(1)).unwrap(), None);
    }
}
