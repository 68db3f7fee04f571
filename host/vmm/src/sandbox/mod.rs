//! How a worker locks itself in before guest code runs.
//!
//! ```text
//!   enter()          limits, no new privileges, Landlock (no file by path, no TCP), unprivileged user
//!   machine is built (KVM, memory, io_uring…), still without a system call filter
//!   vCPU threads     ─ filter: run the guest, memory, wake-ups
//!   I/O threads      ─ filter: what devices need
//!   thread maker     ─ filter: what devices need, and making threads; device threads inherit it and drop the latter
//!   event loop       ─ filter: control socket, KVM for reset, consoles
//! ```
//!
//! A forbidden system call kills the process ([`SeccompMode::Kill`]). [`SeccompMode::Log`] writes it to the kernel log
//! (audit) instead, which is how a list is found to be too short; [`SeccompMode::Trap`] raises SIGSYS for a debugger.
//! Threads that a sandboxed process makes inherit the filter of the thread that makes them.

mod filter;
mod threads;

use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError};
use rustix::fs::{Gid, Uid};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::config::{SandboxConfig, SeccompMode};
pub use filter::{ThreadFilter, ThreadRole};
pub(crate) use threads::{ThreadMaker, spawn};

/// Most descriptors of a worker: 31 devices with some vectors each, with room to spare.
const MAX_DESCRIPTORS: u64 = 8192;

/// Most pools of the allocator that threads share.
const ARENAS: libc::c_int = 4;

/// Why a worker can't lock itself in. It must not run a guest then.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel refused a step.
    #[error("the worker can't {step}: {source}")]
    Step {
        /// The step, e.g. "give up privileges".
        step: &'static str,
        /// Reason.
        source: io::Error,
    },
    /// Landlock refused the rules.
    #[error("the worker can't give up access to files: {0}")]
    Landlock(#[from] RulesetError),
    /// A system call filter is not valid.
    #[error("the worker's system call filter is not valid: {0}")]
    Filter(#[from] seccompiler::BackendError),
}

fn step(step: &'static str) -> impl Fn(rustix::io::Errno) -> SandboxError {
    move |errno| SandboxError::Step { step, source: errno.into() }
}

/// Gives up everything the worker does not need, except system calls. The process must have one thread only.
pub fn enter(config: &SandboxConfig) -> Result<(), SandboxError> {
    set_no_new_privs(true).map_err(step("renounce new privileges"))?;
    // SAFETY: it sets a parameter of the allocator and touches nothing else. Without it the allocator looks the host's CPUs
    // up in /sys when threads are many, and by then that is forbidden.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS) };
    // SAFETY: as above. Without it the allocator looks in /proc whether the host overcommits memory, before it shrinks the pool of a
    // thread. What is large is mapped by itself and goes back to the host all the same.
    unsafe { libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX) };
    if config.seccomp != SeccompMode::Trap {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(Resource::Core, none).map_err(step("renounce core dumps"))?;
    }
    let limit = Rlimit { current: Some(MAX_DESCRIPTORS), maximum: Some(MAX_DESCRIPTORS) };
    match setrlimit(Resource::Nofile, limit) {
        // The limit is lower already and the worker may not raise it.
        Ok(()) | Err(rustix::io::Errno::PERM) => {}
        Err(errno) => return Err(step("limit its descriptors")(errno)),
    }
    if config.landlock {
        let abi = ABI::V6;
        Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .create()?
            .restrict_self()?;
    }
    become_user(config)?;
    let behavior = if config.seccomp == SeccompMode::Trap {
        DumpableBehavior::Dumpable
    } else {
        DumpableBehavior::NotDumpable
    };
    set_dumpable_behavior(behavior).map_err(step("hide itself from debuggers"))
}

/// Groups first: a process that is no longer root can't change them.
fn become_user(config: &SandboxConfig) -> Result<(), SandboxError> {
    if config.uid.is_some() || config.gid.is_some() {
        set_thread_groups(&[]).map_err(step("give up supplementary groups"))?;
    }
    if let Some(gid) = config.gid {
        let gid = Gid::from_raw(gid);
        set_thread_res_gid(gid, gid, gid).map_err(step("change its group"))?;
    }
    if let Some(uid) = config.uid {
        let uid = Uid::from_raw(uid);
        set_thread_res_uid(uid, uid, uid).map_err(step("change its user"))?;
    }
    Ok(())
}
