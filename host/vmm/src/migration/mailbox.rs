//! What the thread of a migration asks the event loop.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use reeve_migrate::{GuestError, MigrateError, Phase, Received, Sent, StrategyAnswer, StrategyQuestion};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

/// What it asks for, or tells.
pub(crate) enum Ask {
    /// Note which pages are written.
    Track,
    /// Which were written since.
    TakeDirty,
    /// Take that many hundredths of its time from the guest.
    Throttle(u8),
    /// Let the guest and its devices stand still.
    Stop,
    /// Everything but memory.
    State,
    /// Have it written down that the guest is given up, and let go of its disks.
    GiveUp,
    /// The guest stays: as it was before.
    Keep,
    /// What the daemon's strategy says.
    Advice(StrategyQuestion),
    /// How far it is.
    Report(Phase),
    /// How it ended.
    Sent(Result<Sent, MigrateError>),
    /// Put everything but memory back.
    Load(Vec<u8>),
    /// Take the disks and run the guest.
    Run,
    /// No page of a guest that runs here is missing any more.
    Whole,
    /// How it ended.
    Received(Result<Received, MigrateError>),
}

/// What it gets.
pub(crate) enum Reply {
    /// It was done.
    Done,
    /// Pages.
    Dirty(Vec<Range<u64>>),
    /// Everything but memory.
    State(Vec<u8>),
    /// What the daemon's strategy says.
    Advice(StrategyAnswer),
}

/// What becomes of a question.
pub(crate) type Outcome = Result<Reply, GuestError>;

/// Where an answer goes.
enum Back {
    Nowhere,
    /// Somebody waits for it.
    Waiting(SyncSender<Outcome>),
    Told(Box<dyn FnOnce(Outcome) + Send>),
}

/// A question, and where its answer goes.
pub(crate) struct Letter {
    /// The question.
    pub ask: Ask,
    back: Back,
}

impl Letter {
    /// Answers it.
    pub fn answer(self, outcome: Outcome) {
        match self.back {
            Back::Nowhere => {}
            // The thread waits for exactly this message, or does not wait any more.
            Back::Waiting(answer) => drop(answer.send(outcome)),
            Back::Told(told) => told(outcome),
        }
    }
}

/// Questions that wait; a thread asks one at a time.
pub(crate) struct Mailbox {
    letters: Mutex<VecDeque<Letter>>,
    wake: EventFd,
}

impl Mailbox {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        Ok(Self { letters: Mutex::default(), wake: EventFd::new(EFD_NONBLOCK)? })
    }

    /// Asks and waits for the answer.
    pub fn ask(&self, ask: Ask) -> Outcome {
        let answered = self.ask_later(ask);
        answered.recv().unwrap_or_else(|_| Err(GuestError("the machine has ended".to_owned())))
    }

    /// Asks without waiting; where the answer comes.
    pub fn ask_later(&self, ask: Ask) -> Receiver<Outcome> {
        let (answer, answered) = sync_channel(1);
        self.post(Letter { ask, back: Back::Waiting(answer) });
        answered
    }

    /// Asks without waiting; the answer goes to `told`, in the thread of who gives it.
    pub fn ask_then(&self, ask: Ask, told: impl FnOnce(Outcome) + Send + 'static) {
        self.post(Letter { ask, back: Back::Told(Box::new(told)) });
    }

    /// Tells without waiting.
    pub fn tell(&self, ask: Ask) {
        self.post(Letter { ask, back: Back::Nowhere });
    }

    /// The next question.
    pub fn take(&self) -> Option<Letter> {
        // Empty when another call came first.
        let _ = self.wake.read();
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn post(&self, letter: Letter) {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner).push_back(letter);
        // Refused only when the counter is full, and then the descriptor is readable anyway.
        let _ = self.wake.write(1);
    }
}

impl AsRawFd for Mailbox {
    /// Readable when there is something to take.
    fn as_raw_fd(&self) -> RawFd {
        self.wake.as_raw_fd()
    }
}
