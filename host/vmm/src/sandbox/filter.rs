//! System calls each kind of thread may use.

use std::io;
use std::sync::Arc;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::SandboxError;
use crate::config::SeccompMode;

/// Kinds of threads in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadRole {
    /// The event loop: control socket, consoles, reset.
    EventLoop,
    /// Runs a vCPU and carries out its device accesses.
    Vcpu,
    /// Makes device threads.
    ThreadMaker,
    /// Works on the queues of a device.
    Device,
    /// Works on the queues of a device that takes connections: the server of a tunnel, sockets.
    Listener,
    /// Works on the queue of a device that plugs memory.
    Memory,
    /// Talks to another process that works on the queues of a device.
    Backend,
    /// Moves the guest to or from another worker, whose pages may come when it runs.
    Migration,
}

/// A compiled filter, or none.
#[derive(Clone)]
pub struct ThreadFilter(Option<Arc<BpfProgram>>);

/// What the Rust runtime and libc do in any thread: memory, locks, time, signals, the end.
const EVERYWHERE: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fcntl,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_read,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_write,
];

/// Consoles: sockets that are already connected.
const CONSOLE: &[libc::c_long] = &[libc::SYS_recvfrom, libc::SYS_sendto, libc::SYS_writev];

/// The control socket, making a device that is plugged into a running machine, starting devices again after a save, giving a disk another size,
/// whose image may be qcow2, and handing disks over to another worker.
const EVENT_LOOP: &[libc::c_long] = &[
    libc::SYS_accept4,
    libc::SYS_dup,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd2,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
    libc::SYS_statx,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
];

/// A vCPU thread registers and starts devices when their drivers do, and stops them, whoever keeps them waiting.
const VCPU: &[libc::c_long] = &[
    libc::SYS_dup,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_eventfd2,
    libc::SYS_shutdown,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
];

const DEVICE: &[libc::c_long] = &[
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_wait,
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fstat,
    libc::SYS_fsync,
    libc::SYS_io_uring_enter,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_readv,
    libc::SYS_sync_file_range,
    libc::SYS_timerfd_settime,
];

/// Taking a connection, and ending a direction of it.
const LISTENER: &[libc::c_long] = &[libc::SYS_accept4, libc::SYS_shutdown];

/// Waiting for another process and for what it signals, and talking to it.
const BACKEND: &[libc::c_long] = &[
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_wait,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
];

/// Waiting for who touches a page that is missing, and ending a stream that went wrong.
const MIGRATION: &[libc::c_long] = &[libc::SYS_poll, libc::SYS_ppoll, libc::SYS_shutdown];

/// Making a thread, and giving it its own filter.
const MAKE_THREADS: &[libc::c_long] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_prctl,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_seccomp,
    libc::SYS_set_robust_list,
];

/// Type byte of KVM's ioctls.
const KVM_IOCTLS: u64 = 0xae00;
/// Type byte of userfaultfd's.
const FAULT_IOCTLS: u64 = 0xaa00;
const IOCTL_TYPE_MASK: u64 = 0xff00;
const FIONBIO: u64 = 0x5421;
const TUNSETOFFLOAD: u64 = 0x4004_54d0;
const TUNGETIFF: u64 = 0x8004_54d2;
const TUNSETVNETHDRSZ: u64 = 0x4004_54d8;
const TUNSETQUEUE: u64 = 0x4004_54d9;
const KVM_SET_USER_MEMORY_REGION: u64 = 0x4020_ae46;
const BLKDISCARD: u64 = 0x1277;
const BLKZEROOUT: u64 = 0x127f;

impl ThreadRole {
    fn lists(self) -> &'static [&'static [libc::c_long]] {
        match self {
            Self::EventLoop => &[EVERYWHERE, CONSOLE, EVENT_LOOP],
            Self::Vcpu => &[EVERYWHERE, CONSOLE, VCPU],
            Self::ThreadMaker => &[EVERYWHERE, CONSOLE, DEVICE, LISTENER, BACKEND, MIGRATION, MAKE_THREADS],
            Self::Device | Self::Memory => &[EVERYWHERE, CONSOLE, DEVICE],
            Self::Listener => &[EVERYWHERE, CONSOLE, DEVICE, LISTENER],
            Self::Backend => &[EVERYWHERE, BACKEND],
            Self::Migration => &[EVERYWHERE, CONSOLE, DEVICE, MIGRATION],
        }
    }

    /// Conditions on the second argument of ioctl, any of which must hold.
    fn ioctls(self) -> Vec<(SeccompCmpOp, u64)> {
        match self {
            Self::EventLoop => {
                let single = [FIONBIO, TUNGETIFF, TUNSETVNETHDRSZ, TUNSETOFFLOAD, TUNSETQUEUE];
                let mut all = vec![(SeccompCmpOp::MaskedEq(IOCTL_TYPE_MASK), KVM_IOCTLS)];
                all.extend(single.map(|ioctl| (SeccompCmpOp::Eq, ioctl)));
                all
            }
            Self::Vcpu => {
                let tap = [TUNSETOFFLOAD, TUNSETQUEUE].map(|ioctl| (SeccompCmpOp::Eq, ioctl));
                [&[(SeccompCmpOp::MaskedEq(IOCTL_TYPE_MASK), KVM_IOCTLS)], &tap[..]].concat()
            }
            Self::Device | Self::Listener => {
                let single = [TUNSETOFFLOAD, TUNSETQUEUE, BLKDISCARD, BLKZEROOUT];
                single.map(|ioctl| (SeccompCmpOp::Eq, ioctl)).into()
            }
            Self::Memory => vec![(SeccompCmpOp::Eq, KVM_SET_USER_MEMORY_REGION)],
            Self::Backend => Vec::new(),
            Self::Migration => vec![(SeccompCmpOp::MaskedEq(IOCTL_TYPE_MASK), FAULT_IOCTLS)],
            // All that the threads it makes may do.
            Self::ThreadMaker => {
                [Self::Device, Self::Memory, Self::Migration].into_iter().flat_map(Self::ioctls).collect()
            }
        }
    }
}

impl ThreadFilter {
    /// Allows everything.
    pub fn none() -> Self {
        Self(None)
    }

    /// The filter of a kind of thread.
    pub fn new(mode: SeccompMode, role: ThreadRole) -> Result<Self, SandboxError> {
        let forbidden = match mode {
            SeccompMode::Off => return Ok(Self(None)),
            SeccompMode::Log => SeccompAction::Log,
            SeccompMode::Trap => SeccompAction::Trap,
            SeccompMode::Kill => SeccompAction::KillProcess,
        };
        let mut rules: std::collections::BTreeMap<_, Vec<SeccompRule>> =
            role.lists().iter().copied().flatten().map(|call| (*call, Vec::new())).collect();
        let ioctls = role.ioctls().into_iter().map(|(operator, value)| {
            let request = SeccompCondition::new(1, SeccompCmpArgLen::Dword, operator, value)?;
            SeccompRule::new(vec![request])
        });
        rules.insert(libc::SYS_ioctl, ioctls.collect::<Result<_, _>>()?);
        let filter = SeccompFilter::new(rules, forbidden, SeccompAction::Allow, TargetArch::x86_64)?;
        Ok(Self(Some(Arc::new(filter.try_into()?))))
    }

    /// Restricts the calling thread for good.
    pub fn apply(&self) -> io::Result<()> {
        match &self.0 {
            Some(program) => seccompiler::apply_filter(program).map_err(io::Error::other),
            None => Ok(()),
        }
    }
}
