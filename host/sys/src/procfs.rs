//! What /proc says of a process.

use std::fmt::Display;
use std::time::Duration;

use reeve_model::Bytes;

use crate::files::{FileError, Tree};

/// Part of /proc/PID/stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessStat {
    /// State letter, `Z` for a process that has ended and was not waited for.
    pub state: char,
    /// CPU time in user mode, clock ticks.
    pub user_ticks: u64,
    /// CPU time in kernel mode, clock ticks.
    pub system_ticks: u64,
    /// Start time in clock ticks since boot: with the pid, names the process for good.
    pub start_time: u64,
}

impl ProcessStat {
    /// CPU time in nanoseconds.
    pub fn cpu_time_ns(&self) -> u64 {
        (self.user_ticks + self.system_ticks) * tick_ns()
    }
}

/// Nanoseconds of a clock tick, in which the kernel counts CPU time.
pub fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

/// How much memory a process uses, from /proc/PID/smaps_rollup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Resident memory.
    pub resident: Bytes,
    /// Resident memory, shared pages divided by their users.
    pub proportional: Bytes,
    /// Resident memory nobody else has.
    pub private: Bytes,
}

/// The statistics of a process; none when there is no such process.
pub fn stat(pid: u32) -> Option<ProcessStat> {
    parse_stat(&of(pid).text("stat").ok()?)
}

/// Children of the first thread of a process; none when there is no such process.
pub fn children(pid: u32) -> Vec<u32> {
    let text = of(pid).text(format!("task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// The memory of a process. Walks its page tables: milliseconds for a large one.
pub fn memory(pid: u32) -> Result<ProcessMemory, FileError> {
    let text = of(pid).text("smaps_rollup")?;
    let kib = |key: &str| Bytes::kib(field(&text, key).unwrap_or(0));
    Ok(ProcessMemory {
        resident: kib("Rss"),
        proportional: kib("Pss"),
        private: Bytes(kib("Private_Clean").0 + kib("Private_Dirty").0),
    })
}

/// Resident memory of a process as the kernel counts it (VmRSS of /proc/PID/status): cheap, may lag by some pages a thread.
pub fn resident(pid: u32) -> Option<Bytes> {
    field(&of(pid).text("status").ok()?, "VmRSS").map(Bytes::kib)
}

/// The kernel's name for this boot.
pub fn boot_id() -> Result<String, FileError> {
    Tree::new("/proc/sys/kernel/random").text("boot_id")
}

/// Time since the machine was booted; it goes on while the machine is suspended, and nobody sets it.
pub fn uptime() -> Result<Duration, FileError> {
    let proc = Tree::new("/proc");
    let text = proc.text("uptime")?;
    let seconds = text.split_whitespace().next().and_then(|word| word.parse().ok());
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| FileError::Number { path: proc.path("uptime"), text })
}

/// The number after `KEY:` in a file of such lines, e.g. /proc/meminfo.
pub fn field(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn of(pid: impl Display) -> Tree {
    Tree::new(format!("/proc/{pid}"))
}

/// The name in field 2 may hold blanks and parentheses, so counting starts after the last one.
fn parse_stat(text: &str) -> Option<ProcessStat> {
    let rest = text.get(text.rfind(')')? + 1..)?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let number = |field: Option<&str>| field?.parse().ok();
    Some(ProcessStat {
        state,
        user_ticks: number(fields.nth(10))?,
        system_ticks: number(fields.next())?,
        start_time: number(fields.nth(6))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_can_not_confuse_the_fields() {
        let text = "17 (a b) c) S 1 17 17 0 -1 4194304 9 9 9 9 7 5 1 1 20 0 1 0 4711 8 9";
        let expected = ProcessStat { state: 'S', user_ticks: 7, system_ticks: 5, start_time: 4711 };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(parse_stat("17 (short) S 1"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let pid = std::process::id();
        let stat = stat(pid).unwrap();
        assert!(stat.start_time > 0 && stat.state != 'Z');
        let memory = memory(pid).unwrap();
        assert!(memory.resident >= memory.private && memory.private.0 > 0, "{memory:?}");
        assert!(resident(pid).unwrap().0 > 0);
        assert_eq!(boot_id().unwrap().len(), 36);
        assert!(uptime().unwrap() <= uptime().unwrap() && uptime().unwrap() > Duration::ZERO);
    }
}
