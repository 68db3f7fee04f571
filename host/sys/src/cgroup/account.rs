//! CPU time that the processes of a group have used.

use super::{CgroupError, Controller, Group, Version};

/// CPU time in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode, where guests are too.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
}

/// CPU time of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuUse {
    /// By host CPU, from CPU 0; version 2 does not keep them apart.
    pub cpus: Vec<CpuTime>,
    /// On all CPUs.
    pub total: CpuTime,
}

impl Group {
    /// CPU time so far.
    pub fn cpu_use(&self) -> Result<CpuUse, CgroupError> {
        let files = self.files(Controller::Accounting)?;
        if self.version == Version::V2 {
            let text = files.text("cpu.stat")?;
            let ns = |key: &str| {
                let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
                value.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0) * 1000
            };
            let total = CpuTime { user_ns: ns("user_usec"), system_ns: ns("system_usec") };
            return Ok(CpuUse { cpus: Vec::new(), total });
        }
        let cpus = table(&files.text("cpuacct.usage_all")?);
        let sum = |pick: fn(&CpuTime) -> u64| cpus.iter().map(pick).sum();
        let total = CpuTime { user_ns: sum(|cpu| cpu.user_ns), system_ns: sum(|cpu| cpu.system_ns) };
        Ok(CpuUse { cpus, total })
    }
}

/// Lines of number, user time and system time below a header.
fn table(text: &str) -> Vec<CpuTime> {
    let rows = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split(' ').skip(1).map(|word| word.parse().ok());
        Some(CpuTime { user_ns: words.next()??, system_ns: words.next()?? })
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_version_1_is_understood() {
        let rows = table("cpu user system\n0 7 3\n1 0 5\n");
        let row = |user_ns, system_ns| CpuTime { user_ns, system_ns };
        assert_eq!(rows, [row(7, 3), row(0, 5)]);
    }
}
