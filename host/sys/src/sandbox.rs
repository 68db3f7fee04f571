//! How a small process with descriptors of its own locks itself in: no files, no new sockets, no privileges, few system calls.

use std::collections::BTreeMap;
use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr};
use rustix::fs::{Gid, Uid};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// What a process keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// User and group it becomes; none stays who it is.
    pub user: Option<(u32, u32)>,
    /// Descriptors it may have open.
    pub descriptors: u64,
    /// System calls besides those that every program makes for memory, time and its end. Any other kills it.
    pub calls: Vec<libc::c_long>,
}

/// A process could not lock itself in. It must not go on.
#[derive(Debug, thiserror::Error)]
#[error("this process can't {step}")]
pub struct SandboxError {
    /// The step, e.g. "give up privileges".
    pub step: &'static str,
    /// Reason.
    pub source: io::Error,
}

/// What the Rust runtime and libc do anywhere: memory, locks, time, signals, the end.
const EVERYWHERE: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_write,
];

impl Sandbox {
    /// Locks the process in for good. It must have one thread only.
    pub fn enter(&self) -> Result<(), SandboxError> {
        set_no_new_privs(true).map_err(step("renounce new privileges"))?;
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(Resource::Core, none).map_err(step("renounce core dumps"))?;
        let descriptors = Rlimit { current: Some(self.descriptors), maximum: Some(self.descriptors) };
        match setrlimit(Resource::Nofile, descriptors) {
            // The limit is lower already and the process may not raise it.
            Ok(()) | Err(rustix::io::Errno::PERM) => {}
            Err(errno) => return Err(step("limit its descriptors")(errno)),
        }
        let abi = ABI::V6;
        Ruleset::default()
            .handle_access(AccessFs::from_all(abi))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
            .and_then(Ruleset::create)
            .and_then(|rules| rules.restrict_self())
            .map_err(|error| step("give up access to files")(io::Error::other(error)))?;
        if let Some((uid, gid)) = self.user {
            // Groups first: a process that is no longer root can't change them.
            let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
            set_thread_groups(&[]).map_err(step("give up supplementary groups"))?;
            set_thread_res_gid(gid, gid, gid).map_err(step("change its group"))?;
            set_thread_res_uid(uid, uid, uid).map_err(step("change its user"))?;
        }
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(step("hide itself from debuggers"))?;
        self.filter().map_err(step("give up system calls"))
    }

    fn filter(&self) -> io::Result<()> {
        let rules: BTreeMap<_, _> =
            EVERYWHERE.iter().chain(&self.calls).map(|call| (*call, Vec::new())).collect();
        let (forbidden, allowed) = (SeccompAction::KillProcess, SeccompAction::Allow);
        let filter = SeccompFilter::new(rules, forbidden, allowed, TargetArch::x86_64);
        let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(io::Error::other)?;
        seccompiler::apply_filter(&program).map_err(io::Error::other)
    }
}

fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |error| SandboxError { step, source: error.into() }
}
