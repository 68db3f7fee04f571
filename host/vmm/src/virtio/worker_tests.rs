use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;
use crate::pci::msix::Msix;
use crate::pci::msix::tests::RecordedLines;
use crate::virtio::testing::{Driver, NEEDS_RESET, wait_until};
use crate::virtio::vsock::Vsock;

const BELL: u64 = 7;

/// Counts rings of its bell, does what it is told at each, and counts how often it was quiesced.
struct Counter {
    bell: EventFd,
    rung: Arc<AtomicU32>,
    quiesced: u32,
    at_each: Box<dyn FnMut() -> Result<(), QueueError> + Send>,
}

impl Handler for Counter {
    fn register(&mut self, poll: &Poll) -> io::Result<()> {
        poll.add(self.bell.as_raw_fd(), EventSet::IN, BELL)
    }

    fn handle(&mut self, token: u64, ready: EventSet, _poll: &Poll) -> Result<(), QueueError> {
        assert_eq!((token, ready), (BELL, EventSet::IN));
        drain(&self.bell);
        self.rung.fetch_add(1, Ordering::SeqCst);
        (self.at_each)()
    }

    fn quiesce(&mut self) {
        self.quiesced += 1;
    }
}

/// A handler on a thread, as who has lent it sees it.
struct Seated {
    worker: Worker<Counter>,
    bell: EventFd,
    rung: Arc<AtomicU32>,
    interrupt: Arc<Interrupt>,
}

impl Seated {
    fn on(
        thread: &Arc<WorkerThread>,
        at_each: impl FnMut() -> Result<(), QueueError> + Send + 'static,
    ) -> Self {
        let bell = EventFd::new(EFD_NONBLOCK).unwrap();
        let (rung, at_each) = (Arc::new(AtomicU32::new(0)), Box::new(at_each));
        let counter =
            Counter { bell: bell.try_clone().unwrap(), rung: Arc::clone(&rung), quiesced: 0, at_each };
        let msix = Arc::new(Msix::new(2, &RecordedLines::default()).unwrap());
        let interrupt = Arc::new(Interrupt::new(msix, 1));
        let (worker, started) = Worker::start_on(Arc::clone(thread), counter, Arc::clone(&interrupt));
        started.unwrap();
        Self { worker, bell, rung, interrupt }
    }

    /// Rings, and waits until the handler has heard it.
    fn ring(&self) {
        let before = self.rung.load(Ordering::SeqCst);
        self.bell.write(1).unwrap();
        wait_until("the handler hears its bell", || self.rung.load(Ordering::SeqCst) > before);
    }
}

fn thread() -> Arc<WorkerThread> {
    WorkerThread::start("io1", ThreadRole::Device, || Ok(())).unwrap()
}

#[test]
fn handlers_come_and_go_while_their_companions_run() {
    let thread = thread();
    let stays = Seated::on(&thread, || Ok(()));
    // More than there are seats, one after the other: seats are used again.
    for _ in 0..2 * SEATS {
        let goes = Seated::on(&thread, || Ok(()));
        goes.ring();
        stays.ring();
        let handler = goes.worker.stop().unwrap();
        assert_eq!(handler.quiesced, 1);
        // Nobody hears it any more, and the thread is not kept busy by it.
        goes.bell.write(1).unwrap();
        stays.ring();
        assert_eq!(goes.rung.load(Ordering::SeqCst), 1);
    }
    let all: Vec<Seated> = (1..SEATS).map(|_| Seated::on(&thread, || Ok(()))).collect();
    all.iter().for_each(Seated::ring);
    let bell = EventFd::new(EFD_NONBLOCK).unwrap();
    let counter = Counter { bell, rung: Arc::default(), quiesced: 0, at_each: Box::new(|| Ok(())) };
    let (refused, full) = Worker::start_on(Arc::clone(&thread), counter, Arc::clone(&stays.interrupt));
    assert!(full.is_err_and(|error| error.to_string().contains("as many devices as it can have")));
    assert!(refused.caller().is_none(), "nobody is to be waited for");
    assert_eq!(refused.stop().unwrap().quiesced, 0, "a handler that was not taken is still there");
    for seated in all {
        assert_eq!(seated.worker.stop().unwrap().quiesced, 1);
    }
    stays.ring();
    assert_eq!(stays.worker.stop().unwrap().quiesced, 1);
}

#[test]
fn a_handler_that_fails_stands_still_and_its_companions_go_on() {
    let thread = thread();
    let good = Seated::on(&thread, || Ok(()));
    let bad = Seated::on(&thread, || Err(QueueError::Incomplete { index: 0, part: "status" }));
    bad.ring();
    wait_until("the driver is told", || bad.interrupt.needs_reset());
    bad.bell.write(1).unwrap();
    good.ring();
    good.ring();
    assert!(!good.interrupt.needs_reset());
    assert_eq!(bad.rung.load(Ordering::SeqCst), 1, "it got an event after it had failed");
    // What was in flight is completed once, when it fails.
    assert_eq!(bad.worker.stop().unwrap().quiesced, 1);
    good.ring();
    assert_eq!(good.worker.stop().unwrap().quiesced, 1);
}

#[test]
fn who_leaves_waits_only_for_what_a_companion_is_at() {
    let thread = thread();
    let (go, gate) = sync_channel::<()>(1);
    let slow = Seated::on(&thread, move || {
        // The other side ends when the test has failed.
        let _ = gate.recv();
        Ok(())
    });
    let quick = Seated::on(&thread, || Ok(()));
    let other = Seated::on(&self::thread(), || Ok(()));
    slow.ring();
    // The thread is in the slow handler: one on another thread does not notice.
    other.ring();
    quick.bell.write(1).unwrap();
    let leaving = std::thread::spawn(move || quick.worker.stop().unwrap());
    go.send(()).unwrap();
    let left = leaving.join().unwrap();
    assert_eq!(left.quiesced, 1);
    drop(go);
    assert_eq!(slow.worker.stop().unwrap().quiesced, 1);
    assert_eq!(other.worker.stop().unwrap().quiesced, 1);
}

#[test]
fn a_thread_that_can_not_be_prepared_is_none() {
    let refused = || Err(io::Error::other("no such CPU"));
    let started = WorkerThread::start("io1", ThreadRole::Device, refused);
    assert!(started.is_err_and(|error| error.to_string() == "no such CPU"));
}

#[test]
fn the_last_who_knows_a_thread_ends_it() {
    let thread = thread();
    let seated = Seated::on(&thread, || Ok(()));
    drop(thread);
    // Its device knows it still.
    seated.ring();
    assert_eq!(seated.worker.stop().unwrap().quiesced, 1);
}

/// Set for the process that has no room for a thread.
const ALONE: &str = "REEVE_TEST_NO_THREADS";

#[test]
fn a_device_whose_thread_could_not_be_started_starts_after_a_reset() {
    if std::env::var_os(ALONE).is_none() {
        // The limit is of the whole process, and other tests are in this one.
        let name = "virtio::worker::tests::a_device_whose_thread_could_not_be_started_starts_after_a_reset";
        #[expect(clippy::disallowed_methods, reason = "the test runs itself in a process of its own")]
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let run = again.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(
            run.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&run.stderr)
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let listener = OwnedFd::from(UnixListener::bind(folder.path().join("vsock")).unwrap());
    let mut driver = Driver::new(Box::new(Vsock::new(3, listener, Box::new(|| {})).unwrap()));
    let limit = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(1 << 20), ..limit }).unwrap();
    driver.start(0, 64);
    let refused = driver.status();
    setrlimit(Resource::As, limit).unwrap();
    assert_eq!(refused & NEEDS_RESET, NEEDS_RESET, "there was no room for a thread");
    driver.start(0, 64);
    assert_eq!(driver.status(), 15, "it has all that it needs");
}

/// Finds work when it looks, and is told of none: each time it is about to rest there is some more, until there is no more.
struct Looker {
    left: u32,
    found: Arc<AtomicU32>,
    is_there: bool,
}

impl Handler for Looker {
    fn register(&mut self, _poll: &Poll) -> io::Result<()> {
        Ok(())
    }

    fn handle(&mut self, _token: u64, _ready: EventSet, _poll: &Poll) -> Result<(), QueueError> {
        unreachable!("it waits for nothing")
    }

    fn can_look(&self) -> bool {
        true
    }

    fn look(&mut self) -> Result<bool, QueueError> {
        let found = std::mem::take(&mut self.is_there);
        self.found.fetch_add(u32::from(found), Ordering::SeqCst);
        Ok(found)
    }

    fn rest(&mut self) -> Result<bool, QueueError> {
        if self.left == 0 {
            return Err(QueueError::Gone);
        }
        self.left -= 1;
        self.is_there = true;
        Ok(true)
    }

    fn quiesce(&mut self) {}
}

#[test]
fn what_comes_before_a_thread_sleeps_is_found_and_an_error_then_is_one_of_the_device() {
    let found = Arc::new(AtomicU32::new(0));
    let msix = Arc::new(Msix::new(2, &RecordedLines::default()).unwrap());
    let interrupt = Arc::new(Interrupt::new(msix, 1));
    let looker = Looker { left: 5, found: Arc::clone(&found), is_there: false };
    let (worker, started) = Worker::start_on(thread(), looker, Arc::clone(&interrupt));
    started.unwrap();
    wait_until("the device wants a reset", || interrupt.needs_reset());
    assert_eq!(found.load(Ordering::SeqCst), 5);
    assert!(worker.stop().is_some());
}
