//! CPU time of threads and of the process.

use std::mem::MaybeUninit;

/// CPU time of a thread that was not joined yet, in nanoseconds; 0 when it ended.
pub fn thread_time_ns(thread: libc::pthread_t) -> u64 {
    let mut clock = MaybeUninit::uninit();
    // SAFETY: the caller holds the join handle of the thread, so the id is valid; `clock` is written on success.
    let found = unsafe { libc::pthread_getcpuclockid(thread, clock.as_mut_ptr()) } == 0;
    // SAFETY: initialised by the call above when it succeeded.
    if found { read(unsafe { clock.assume_init() }) } else { 0 }
}

/// CPU time of this process in nanoseconds.
pub fn process_time_ns() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) } == 0;
    if read { time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64 } else { 0 }
}
