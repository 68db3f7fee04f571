//! Where vCPU threads wait while the machine stands still, and how they are brought there.
//!
//! ```text
//!             open()                     close() + kick signal
//!   standing ────────> in KVM_RUN ─────────────────────────────> standing
//!      │ reset(), save(), restore(): every thread does it with its vCPU
//!      └ end(): every thread ends
//! ```
//!
//! vCPUs that are not there have threads too, which stand whether the gate is open or not. One that comes is put back to
//! power-on first.
//!
//! A kick is a real-time signal whose handler sets `immediate_exit` of the vCPU, so one that arrives just before KVM_RUN
//! is not lost. A vCPU thread may close the gate itself (power-off, crash); only the machine opens it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler};

use crate::hypervisor::{BootState, HypervisorError, VcpuState, kick_current};
use crate::legacy::cpus::{self, CpuMask};

/// How often threads that do not come are kicked again.
const KICK_AGAIN: Duration = Duration::from_millis(20);

/// How long a vCPU that is held back runs before it has to rest.
const RUN: Duration = Duration::from_millis(10);
/// Most hundredths of its time that a vCPU can lose.
const MAX_THROTTLE: u8 = 99;

/// A thread is gone.
const LOST: HypervisorError = HypervisorError::Missing("thread for a vCPU any more");

/// What a thread does after standing.
pub enum Order {
    /// Run the guest.
    Run,
    /// Do something with the vCPU that stands. Then [`Gate::done`].
    Do(Task),
    /// Put the vCPU back to power-on: it comes. Then [`Gate::arrived`].
    Arrive,
    /// End the thread.
    End,
}

/// What is done with every vCPU while all of them stand.
#[derive(Clone)]
pub enum Task {
    /// Put it back to power-on; the first one enters the kernel like this.
    Reset(BootState),
    /// Read its state, if it is there.
    Save,
    /// Give it its state, one of these, in the order of vCPUs that are there.
    Restore(Arc<Vec<VcpuState>>),
}

/// The gate of one machine.
#[derive(Default)]
pub struct Gate {
    /// Copy of `State::open` that is looked at without the lock.
    open: AtomicBool,
    /// vCPUs that are there, a bit each; changed with the lock.
    present: [AtomicU32; cpus::WORDS],
    /// Hundredths of their time that vCPUs rest.
    throttle: AtomicU8,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    ended: bool,
    /// A thread reminds vCPUs to rest.
    reminded: bool,
    threads: Vec<libc::pthread_t>,
    /// Threads that are gone for good: they stand, and do nothing any more.
    lost: usize,
    /// A vCPU that is to come, and how that went.
    arriving: Option<(u32, Option<Result<(), HypervisorError>>)>,
    /// Threads that stand at the gate or are gone for good.
    standing: usize,
    /// Number of the last task, and what it is.
    tasks: u64,
    task: Option<Task>,
    /// Threads that did it.
    done_by: usize,
    /// What threads read, with the number of their vCPU.
    saved: Vec<(u32, VcpuState)>,
    error: Option<HypervisorError>,
}

impl Gate {
    /// A closed gate without threads.
    pub fn new() -> Self {
        static KICK: Once = Once::new();
        KICK.call_once(|| {
            register_signal_handler(SIGRTMIN(), on_kick).expect("the first real-time signal can be handled");
        });
        Self::default()
    }

    /// Adds a thread, which must stand at the gate before anything else.
    pub fn add_thread(&self, thread: libc::pthread_t) {
        self.lock().threads.push(thread);
    }

    /// Whether vCPU `index` may run.
    pub fn is_open(&self, index: u32) -> bool {
        self.open.load(Ordering::SeqCst) && self.is_present(index)
    }

    fn is_present(&self, index: u32) -> bool {
        let word = self.present.get(index as usize / 32);
        word.is_some_and(|word| word.load(Ordering::SeqCst) >> (index % 32) & 1 == 1)
    }

    /// Says which vCPUs are there. All threads must stand, or not have come yet.
    pub fn set_present(&self, present: &CpuMask) {
        let _lock = self.lock();
        self.present.iter().zip(present.words()).for_each(|(word, bits)| word.store(bits, Ordering::SeqCst));
    }

    /// Number of a vCPU among those that are there; none when it is not.
    pub fn rank(&self, index: u32) -> Option<usize> {
        self.is_present(index).then(|| (0..index).filter(|before| self.is_present(*before)).count())
    }

    /// Lets a vCPU come, as it is at power-on; when the gate is open it runs at once. None comes to a machine that has lost one: nobody
    /// knows whose thread would bring it.
    pub fn bring(&self, index: u32) -> Result<(), HypervisorError> {
        let mut state = self.lock();
        if state.lost > 0 {
            return Err(LOST);
        }
        state.arriving = Some((index, None));
        self.changed.notify_all();
        loop {
            if let Some((_, Some(_))) = &state.arriving
                && let Some((_, Some(result))) = state.arriving.take()
            {
                return result;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The thread of vCPU `index`, which was to come, has put it back to power-on.
    pub fn arrived(&self, index: u32, result: Result<(), HypervisorError>) {
        let mut state = self.lock();
        if let Some(word) = self.present.get(index as usize / 32).filter(|_| result.is_ok()) {
            word.fetch_or(1 << (index % 32), Ordering::SeqCst);
        }
        state.arriving = Some((index, Some(result)));
        self.changed.notify_all();
    }

    /// Takes a vCPU away. Returns at once; a vCPU thread may call it, that of the vCPU itself too.
    pub fn take(&self, index: u32) {
        let state = self.lock();
        if let Some(word) = self.present.get(index as usize / 32) {
            word.fetch_and(!(1 << (index % 32)), Ordering::SeqCst);
        }
        state.kick();
    }

    /// Lets the guest run.
    pub fn open(&self) {
        let mut state = self.lock();
        state.open = true;
        self.open.store(true, Ordering::SeqCst);
        self.changed.notify_all();
    }

    /// Tells all threads to come and stand. Returns at once; a vCPU thread may call it.
    pub fn close(&self) {
        let mut state = self.lock();
        state.open = false;
        self.open.store(false, Ordering::SeqCst);
        state.kick();
    }

    /// Closes the gate and waits until every thread stands. Not for vCPU threads.
    pub fn close_and_wait(&self) {
        self.close();
        let mut state = self.lock();
        while state.standing < state.threads.len() {
            let (next, timeout) =
                self.changed.wait_timeout(state, KICK_AGAIN).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if timeout.timed_out() {
                state.kick();
            }
        }
    }

    /// Puts every vCPU back to power-on. All threads must stand.
    pub fn reset(&self, boot: BootState) -> Result<(), HypervisorError> {
        self.do_task(Task::Reset(boot)).map(drop)
    }

    /// The state of every vCPU, in their order. All threads must stand.
    pub fn save(&self) -> Result<Vec<VcpuState>, HypervisorError> {
        let mut saved = self.do_task(Task::Save)?;
        saved.sort_by_key(|(index, _)| *index);
        Ok(saved.into_iter().map(|(_, state)| state).collect())
    }

    /// Gives every vCPU its state. All threads must stand.
    pub fn restore(&self, states: Arc<Vec<VcpuState>>) -> Result<(), HypervisorError> {
        self.do_task(Task::Restore(states)).map(drop)
    }

    fn do_task(&self, task: Task) -> Result<Vec<(u32, VcpuState)>, HypervisorError> {
        let mut state = self.lock();
        if state.lost > 0 {
            return Err(LOST);
        }
        state.tasks += 1;
        state.task = Some(task);
        state.done_by = 0;
        state.saved.clear();
        self.changed.notify_all();
        while state.done_by < state.threads.len() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.task = None;
        let saved = std::mem::take(&mut state.saved);
        state.error.take().map_or(Ok(saved), Err)
    }

    /// Ends every thread. They are joined afterwards.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.open = false;
        self.open.store(false, Ordering::SeqCst);
        state.kick();
        state.threads.clear();
        self.changed.notify_all();
    }

    /// The thread of vCPU `index` stands at the gate until there is something to do. `tasks` counts the tasks it has seen.
    pub fn stand(&self, index: u32, tasks: &mut u64) -> Order {
        let mut state = self.lock();
        state.standing += 1;
        self.changed.notify_all();
        loop {
            if state.ended {
                return Order::End;
            }
            if state.tasks > *tasks
                && let Some(task) = &state.task
            {
                let task = task.clone();
                *tasks = state.tasks;
                state.standing -= 1;
                return Order::Do(task);
            }
            if let Some((arriving, None)) = state.arriving
                && arriving == index
            {
                state.standing -= 1;
                return Order::Arrive;
            }
            if state.open && self.is_present(index) {
                state.standing -= 1;
                return Order::Run;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The thread of vCPU `index` did what it was told, and read its state where that was the task.
    pub fn done(&self, index: u32, result: Result<Option<VcpuState>, HypervisorError>) {
        let mut state = self.lock();
        state.done_by += 1;
        match result {
            Ok(saved) => state.saved.extend(saved.map(|saved| (index, saved))),
            Err(error) => {
                state.error.get_or_insert(error);
            }
        }
        self.changed.notify_all();
    }

    /// Takes hundredths of their time from the vCPUs. True when [`Gate::remind`] must be called by a thread that has nothing
    /// else to do.
    pub fn throttle(&self, percent: u8) -> bool {
        let mut state = self.lock();
        self.throttle.store(percent.min(MAX_THROTTLE), Ordering::SeqCst);
        self.changed.notify_all();
        percent > 0 && !std::mem::replace(&mut state.reminded, true)
    }

    /// Reminds vCPUs to rest until they need not any more.
    pub fn remind(&self) {
        let mut state = self.lock();
        loop {
            let percent = self.throttle.load(Ordering::SeqCst);
            if percent == 0 || state.ended {
                state.reminded = false;
                return;
            }
            if state.open {
                state.kick();
            }
            let wait = self.changed.wait_timeout(state, RUN + rest(percent));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A vCPU that was interrupted rests if it has to, as long as the gate is open.
    pub fn rest(&self) {
        let percent = self.throttle.load(Ordering::SeqCst);
        if percent == 0 {
            return;
        }
        let end = Instant::now() + rest(percent);
        let mut state = self.lock();
        while state.open && self.throttle.load(Ordering::SeqCst) > 0 {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A vCPU thread is gone without being told to: it counts as standing from now on, and does no tasks.
    pub fn thread_lost(&self) {
        let mut state = self.lock();
        state.lost += 1;
        state.standing += 1;
        state.done_by += 1;
        if let Some((_, result @ None)) = &mut state.arriving {
            *result = Some(Err(LOST));
        }
        state.error.get_or_insert(LOST);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a vCPU rests after each run.
fn rest(percent: u8) -> Duration {
    RUN * u32::from(percent) / u32::from(100 - percent.min(MAX_THROTTLE))
}

impl State {
    fn kick(&self) {
        for thread in &self.threads {
            // SAFETY: threads are joined only after `end` took them off the list, so each id is of a thread that was
            // not joined yet.
            unsafe { libc::pthread_kill(*thread, SIGRTMIN()) };
        }
    }
}

extern "C" fn on_kick(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    kick_current();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn nobody_waits_for_a_thread_that_is_gone() {
        let gate = Arc::new(Gate::new());
        // SAFETY: it takes nothing and says who asks.
        gate.add_thread(unsafe { libc::pthread_self() });
        gate.thread_lost();
        gate.close_and_wait();
        let (tell, told) = mpsc::channel();
        let theirs = Arc::clone(&gate);
        // Not joined: without an end of its waiting this test would have none.
        thread::spawn(move || {
            tell.send(theirs.bring(1)).unwrap();
            tell.send(theirs.save().map(drop)).unwrap();
        });
        for _ in ["bring", "save"] {
            let refused =
                told.recv_timeout(Duration::from_secs(10)).expect("it is not waited for").unwrap_err();
            assert!(refused.to_string().contains("thread for a vCPU"), "{refused}");
        }
    }
}
