//! Threads of another process: which there are, what they have used, which host CPUs they may run on; and which CPUs there are.

use std::io;

use reeve_model::CpuSet as HostCpus;
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

use crate::files::Tree;

/// How the kernel schedules a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// By its share.
    Normal,
    /// By its share, as one that computes for long.
    Batch,
    /// When nobody else wants the CPU.
    Idle,
    /// Before all others, until it waits; by priority.
    Fifo(u8),
    /// Before all others, in turn with those of its priority.
    RoundRobin(u8),
}

/// One thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    process: u32,
    /// Its number.
    pub id: u32,
    /// The name that its process gave it.
    pub name: String,
}

/// The threads of a process by number; none when it has ended.
pub fn of(process: u32) -> Vec<Thread> {
    let tasks = Tree::new(format!("/proc/{process}/task"));
    let named = |id: u32| Some(Thread { process, id, name: tasks.text(format!("{id}/comm")).ok()? });
    tasks.numbered("").into_iter().filter_map(named).collect()
}

/// CPUs of this host that run; CPU 0 where the kernel does not say.
pub fn online_cpus() -> HostCpus {
    online("cpu")
}

/// NUMA nodes of this host; node 0 where the kernel knows none.
pub fn online_nodes() -> HostCpus {
    online("node")
}

fn online(kind: &str) -> HostCpus {
    let text = Tree::new("/sys/devices/system").text(format!("{kind}/online"));
    let listed = text.ok().and_then(|text| text.parse().ok());
    listed.unwrap_or_else(|| HostCpus::new([0]).expect("0 is a number of a CPU"))
}

impl Thread {
    /// Host CPU it ran on last; none when it has ended.
    pub fn last_cpu(&self) -> Option<u32> {
        self.stat(36)?.parse().ok()
    }

    /// Whether it uses a CPU or waits for one, not for anything else; none when it has ended.
    pub fn is_running(&self) -> Option<bool> {
        Some(self.stat(0)? == "R")
    }

    /// A field of its statistics, from the third one of proc_pid_stat(5) on: the name in the second may hold blanks and parentheses.
    fn stat(&self, field: usize) -> Option<String> {
        let text = self.files().text("stat").ok()?;
        text.get(text.rfind(')')? + 1..)?.split_whitespace().nth(field).map(str::to_owned)
    }

    /// CPU time in nanoseconds; none when it has ended.
    pub fn time_ns(&self) -> Option<u64> {
        self.files().text("schedstat").ok()?.split(' ').next()?.parse().ok()
    }

    /// Host CPUs it may run on.
    pub fn affinity(&self) -> io::Result<Vec<u32>> {
        let set = sched_getaffinity(self.pid()?)?;
        Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(|cpu| cpu as u32).collect())
    }

    /// Restricts it to host CPUs, of which one at least must be there; the kernel leaves the others out.
    pub fn set_affinity(&self, cpus: impl IntoIterator<Item = u32>) -> io::Result<()> {
        let (mut set, mut left_out) = (CpuSet::new(), None);
        for cpu in cpus {
            match cpu as usize {
                index if index < CpuSet::MAX_CPU => set.set(index),
                _ => left_out = Some(cpu),
            }
        }
        match left_out.filter(|_| set.count() == 0) {
            Some(cpu) => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, format!("host CPU {cpu} does not exist")))
            }
            None => Ok(sched_setaffinity(self.pid()?, &set)?),
        }
    }

    /// How the kernel schedules it.
    pub fn scheduler(&self) -> io::Result<Scheduler> {
        let id = self.raw()?;
        let mut parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the kernel writes one `sched_param`, which lives through the call.
        let policy = unsafe {
            match libc::sched_getparam(id, &raw mut parameters) {
                0 => libc::sched_getscheduler(id),
                failed => failed,
            }
        };
        let priority = parameters.sched_priority as u8;
        // The flag says what children get.
        match policy & !libc::SCHED_RESET_ON_FORK {
            _ if policy < 0 => Err(io::Error::last_os_error()),
            libc::SCHED_BATCH => Ok(Scheduler::Batch),
            libc::SCHED_IDLE => Ok(Scheduler::Idle),
            libc::SCHED_FIFO => Ok(Scheduler::Fifo(priority)),
            libc::SCHED_RR => Ok(Scheduler::RoundRobin(priority)),
            _ => Ok(Scheduler::Normal),
        }
    }

    /// Has the kernel schedule it in another way. The last two take the right to, and a control group that has time for them.
    pub fn set_scheduler(&self, scheduler: Scheduler) -> io::Result<()> {
        let (policy, priority) = match scheduler {
            Scheduler::Normal => (libc::SCHED_OTHER, 0),
            Scheduler::Batch => (libc::SCHED_BATCH, 0),
            Scheduler::Idle => (libc::SCHED_IDLE, 0),
            Scheduler::Fifo(priority) => (libc::SCHED_FIFO, priority),
            Scheduler::RoundRobin(priority) => (libc::SCHED_RR, priority),
        };
        let parameters = libc::sched_param { sched_priority: priority.into() };
        // SAFETY: the kernel reads one `sched_param`, which lives through the call.
        match unsafe { libc::sched_setscheduler(self.raw()?, policy, &raw const parameters) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn raw(&self) -> io::Result<libc::pid_t> {
        // 0 would be who calls.
        let id = libc::pid_t::try_from(self.id).ok().filter(|id| *id > 0);
        id.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn pid(&self) -> io::Result<Option<Pid>> {
        let pid = i32::try_from(self.id).ok().and_then(Pid::from_raw);
        pid.map(Some).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn files(&self) -> Tree {
        Tree::new(format!("/proc/{}/task/{}", self.process, self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_found_by_its_name_and_pinned() {
        let (told, go_on) = std::sync::mpsc::sync_channel::<()>(0);
        let (here, there) = std::sync::mpsc::sync_channel::<()>(0);
        let thread = std::thread::Builder::new().name("pinned".into());
        // It has its name when it says that it is there.
        let thread = thread.spawn(move || here.send(()).is_ok() && go_on.recv().is_ok()).unwrap();
        there.recv().unwrap();
        let all = of(std::process::id());
        let found = all.iter().find(|thread| thread.name == "pinned").unwrap();
        let before = found.affinity().unwrap();
        found.set_affinity([before[0]]).unwrap();
        assert_eq!(found.affinity().unwrap(), [before[0]]);
        assert_eq!(found.scheduler().unwrap(), Scheduler::Normal);
        for scheduler in [Scheduler::Batch, Scheduler::Idle] {
            found.set_scheduler(scheduler).unwrap();
            assert_eq!(found.scheduler().unwrap(), scheduler);
        }
        assert!(found.set_scheduler(Scheduler::Fifo(100)).is_err());
        assert!(found.last_cpu().is_some() && found.time_ns().is_some());
        let us = Thread {
            process: std::process::id(),
            id: rustix::thread::gettid().as_raw_nonzero().get() as u32,
            name: String::new(),
        };
        assert_eq!(us.is_running(), Some(true));
        assert!(found.set_affinity([5000]).unwrap_err().to_string().contains("host CPU 5000"));
        found.set_affinity([before[0], 1000, 5000]).unwrap();
        assert_eq!(found.affinity().unwrap(), [before[0]]);
        told.send(()).unwrap();
        assert!(thread.join().unwrap());
        assert_eq!(of(u32::MAX), []);
    }
}
