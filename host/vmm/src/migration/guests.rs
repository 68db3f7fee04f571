//! The guest of this worker as a migration sees it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use reeve_migrate::{
    Advice, Adviser, Begin, DiskShape, GuestError, Happened, LateMemory, MemoryMap, Missing, PAGE, Phase,
    Piece, SourceDisks, SourceGuest, SourcePages, StrategyQuestion, TargetDisks, TargetGuest, TargetPages,
};
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use super::late::LatePages;
use super::mailbox::{Ask, Mailbox, Outcome, Reply};
use crate::memory::Memory;
use crate::virtio::block::{ArrivingDisk, LeavingDisk};

/// How long disks may still be locked by the other side, whose last words travel as fast as its lock is gone.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_AGAIN: Duration = Duration::from_millis(5);
/// How long a daemon may take for a step. It has shorter limits for its policies and for opening the streams that they ask for, so that this is for
/// a daemon that is gone.
const ADVICE_PATIENCE: Duration = Duration::from_secs(8);

pub(super) fn map(memory: &Memory) -> MemoryMap {
    let range = |region: &vm_memory::GuestRegionMmap<_>| {
        let start = region.start_addr().raw_value();
        start..start + region.len()
    };
    MemoryMap::new(memory.iter().map(range).collect()).expect("memory of a machine is whole pages in order")
}

/// Memory of a guest that leaves, for the threads of all streams.
#[derive(Clone)]
pub(super) struct LeavingPages(pub Memory);

impl SourcePages for LeavingPages {
    fn read(&self, address: u64, pages: &mut [u8]) {
        let read = self.0.read_slice(pages, GuestAddress(address));
        read.expect("pages that are sent are memory of the guest");
    }
}

/// A guest that leaves.
pub(super) struct Leaving {
    mailbox: Arc<Mailbox>,
    memory: LeavingPages,
    disks: Vec<LeavingDisk>,
}

impl Leaving {
    pub fn new(mailbox: Arc<Mailbox>, memory: Memory, disks: Vec<LeavingDisk>) -> Self {
        Self { mailbox, memory: LeavingPages(memory), disks }
    }

    pub fn bytes(&self) -> u64 {
        map(&self.memory.0).bytes()
    }

    fn done(&self, ask: Ask) -> Result<(), GuestError> {
        self.mailbox.ask(ask).map(drop)
    }
}

impl SourcePages for Leaving {
    fn read(&self, address: u64, pages: &mut [u8]) {
        self.memory.read(address, pages);
    }
}

impl SourceGuest for Leaving {
    fn memory(&self) -> MemoryMap {
        map(&self.memory.0)
    }

    fn track(&mut self) -> Result<(), GuestError> {
        self.done(Ask::Track)
    }

    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, GuestError> {
        match self.mailbox.ask(Ask::TakeDirty)? {
            Reply::Dirty(runs) => Ok(runs),
            Reply::Done | Reply::State(_) | Reply::Advice(_) => Ok(Vec::new()),
        }
    }

    fn throttle(&mut self, percent: u8) {
        // A machine that has ended writes nothing.
        let _ = self.done(Ask::Throttle(percent));
    }

    fn stop(&mut self) -> Result<(), GuestError> {
        self.done(Ask::Stop)
    }

    fn state(&mut self) -> Result<Vec<u8>, GuestError> {
        match self.mailbox.ask(Ask::State)? {
            Reply::State(state) => Ok(state),
            Reply::Done | Reply::Dirty(_) | Reply::Advice(_) => {
                Err(GuestError("the machine has no state".to_owned()))
            }
        }
    }

    fn give_up(&mut self) -> Result<(), GuestError> {
        self.done(Ask::GiveUp)
    }

    fn keep(&mut self) {
        // A machine that has ended has no guest to keep.
        let _ = self.done(Ask::Keep);
    }

    fn report(&mut self, phase: &Phase) {
        self.mailbox.tell(Ask::Report(phase.clone()));
    }
}

impl SourceDisks for Leaving {
    fn disks(&self) -> Vec<DiskShape> {
        self.disks.iter().map(LeavingDisk::shape).collect()
    }

    fn track_disks(&mut self) -> Result<(), GuestError> {
        self.disks.iter_mut().for_each(LeavingDisk::track);
        Ok(())
    }

    fn take_written(&mut self) -> Result<Vec<Vec<Range<u64>>>, GuestError> {
        Ok(self.disks.iter().map(LeavingDisk::take_written).collect())
    }

    fn piece(&mut self, disk: usize, range: Range<u64>) -> Result<Piece, GuestError> {
        self.disks[disk].piece(range)
    }
}

/// The strategy of the daemon.
pub(super) struct Daemon {
    mailbox: Arc<Mailbox>,
    /// Where the answer to the last question comes, and until when.
    asked: Option<(Receiver<Outcome>, Instant)>,
}

impl Daemon {
    pub fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, asked: None }
    }
}

impl Adviser for Daemon {
    fn ask(&mut self, question: StrategyQuestion) {
        let answered = self.mailbox.ask_later(Ask::Advice(question));
        self.asked = Some((answered, Instant::now() + ADVICE_PATIENCE));
    }

    fn answer(&mut self, wait: bool) -> Advice {
        let Some((answered, until)) = &self.asked else { return Advice::Missing };
        let patience = until.saturating_duration_since(Instant::now());
        let outcome = if wait {
            answered.recv_timeout(patience).ok()
        } else {
            match answered.try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) if !patience.is_zero() => return Advice::Pending,
                Err(_) => None,
            }
        };
        self.asked = None;
        match outcome {
            Some(Ok(Reply::Advice(answer))) => Advice::Given(answer),
            _ => Advice::Missing,
        }
    }
}

/// Memory of a guest that arrives, for the threads of all streams.
#[derive(Clone)]
pub(super) struct ArrivingPages {
    memory: Memory,
    /// Which pages were written, counted over all ranges: all others are zero.
    written: Arc<[AtomicU64]>,
}

impl ArrivingPages {
    fn new(memory: Memory) -> Self {
        let words = (map(&memory).bytes() / PAGE).div_ceil(64);
        Self { memory, written: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The word and bit of a page.
    fn bit_of(&self, address: u64) -> (&AtomicU64, u64) {
        let mut before = 0;
        for region in self.memory.iter() {
            let start = region.start_addr().raw_value();
            if (start..start + region.len()).contains(&address) {
                before += address - start;
                break;
            }
            before += region.len();
        }
        let page = before / PAGE;
        (&self.written[(page / 64) as usize], 1 << (page % 64))
    }

    fn put(&self, address: u64, bytes: &[u8]) {
        let written = self.memory.write_slice(bytes, GuestAddress(address));
        written.expect("pages that arrive were checked to be memory of the guest");
    }
}

impl TargetPages for ArrivingPages {
    fn write(&self, address: u64, pages: &[u8]) {
        for page in (address..address + pages.len() as u64).step_by(PAGE as usize) {
            let (word, bit) = self.bit_of(page);
            // No two threads have the same page at one time, and they meet at the end of a round.
            word.fetch_or(bit, Ordering::Relaxed);
        }
        self.put(address, pages);
    }

    fn zero(&self, run: Range<u64>) {
        for page in run.step_by(PAGE as usize) {
            let (word, bit) = self.bit_of(page);
            // A page that nobody touched takes no memory, and stays so.
            if word.load(Ordering::Relaxed) & bit != 0 {
                self.put(page, &[0; PAGE as usize]);
                word.fetch_and(!bit, Ordering::Relaxed);
            }
        }
    }
}

/// A guest that arrives. Nobody else uses its memory until it is loaded.
pub(super) struct Arriving {
    mailbox: Arc<Mailbox>,
    pages: ArrivingPages,
    /// What it is where pages may come late.
    late: Late,
    /// When it was first asked to run late.
    asked: Option<Instant>,
    disks: Vec<ArrivingDisk>,
}

/// Whether pages may come late.
enum Late {
    Never(Missing),
    Maybe(Arc<LatePages>),
}

impl Arriving {
    pub fn new(
        mailbox: Arc<Mailbox>,
        memory: Memory,
        late: Option<Arc<LatePages>>,
        disks: Vec<ArrivingDisk>,
    ) -> Self {
        let late = late.map_or_else(|| Late::Never(Missing::new(map(&memory))), Late::Maybe);
        Self { mailbox, pages: ArrivingPages::new(memory), late, asked: None, disks }
    }

    /// Its memory for other threads.
    pub fn shared(&self) -> ArrivingPages {
        self.pages.clone()
    }

    fn late_pages(&self) -> Result<&Arc<LatePages>, GuestError> {
        match &self.late {
            Late::Maybe(pages) => Ok(pages),
            Late::Never(_) => Err(GuestError("no page can come late here".to_owned())),
        }
    }

    fn ask_late(&self, ask: Ask) {
        if let Late::Maybe(pages) = &self.late {
            let pages = Arc::clone(pages);
            self.mailbox.ask_then(ask, move |outcome| pages.tell(outcome.map(drop)));
        }
    }
}

impl TargetPages for Arriving {
    fn write(&self, address: u64, pages: &[u8]) {
        self.pages.write(address, pages);
    }

    fn zero(&self, run: Range<u64>) {
        self.pages.zero(run);
    }
}

impl TargetGuest for Arriving {
    fn memory(&self) -> MemoryMap {
        map(&self.pages.memory)
    }

    fn load(&mut self, state: &[u8]) -> Result<(), GuestError> {
        self.mailbox.ask(Ask::Load(state.to_vec())).map(drop)
    }

    fn run(&mut self) -> Result<(), GuestError> {
        let begun = Instant::now();
        loop {
            match self.mailbox.ask(Ask::Run) {
                Err(_) if begun.elapsed() < LOCK_PATIENCE => std::thread::park_timeout(LOCK_AGAIN),
                outcome => return outcome.map(drop),
            }
        }
    }
}

impl TargetDisks for Arriving {
    fn disks(&self) -> Vec<DiskShape> {
        self.disks.iter().map(ArrivingDisk::shape).collect()
    }

    fn write_disk(&mut self, disk: usize, offset: u64, bytes: &[u8]) -> Result<(), GuestError> {
        self.disks[disk].write(bytes, offset)
    }

    fn zero_disk(&mut self, disk: usize, range: Range<u64>) -> Result<(), GuestError> {
        self.disks[disk].zero(range)
    }

    fn sync_disks(&mut self) -> Result<(), GuestError> {
        self.disks.iter_mut().try_for_each(ArrivingDisk::sync)
    }

    fn settle_disks(&mut self) -> Result<(), GuestError> {
        self.disks.iter_mut().try_for_each(ArrivingDisk::settle)
    }
}

fn memory_error(error: std::io::Error) -> GuestError {
    GuestError(format!("pages of the guest can't be put in their place: {error}"))
}

impl LateMemory for Arriving {
    fn miss(&mut self, run: Range<u64>) -> Result<(), GuestError> {
        self.late_pages()?.miss(&run).map_err(memory_error)
    }

    fn missing(&self) -> &Missing {
        match &self.late {
            Late::Never(missing) => missing,
            Late::Maybe(pages) => pages.missing(),
        }
    }

    fn place(&mut self, address: u64, bytes: &[u8]) -> Result<(), GuestError> {
        self.late_pages()?.place(address, bytes).map_err(memory_error)
    }

    fn place_zeros(&mut self, run: Range<u64>) -> Result<(), GuestError> {
        self.late_pages()?.place_zeros(&run).map_err(memory_error)
    }

    fn begin(&mut self, what: Begin) {
        match what {
            Begin::Load(state) => self.ask_late(Ask::Load(state)),
            Begin::Run => {
                self.asked = Some(Instant::now());
                self.ask_late(Ask::Run);
            }
        }
    }

    fn happened(&mut self, wait: bool) -> Option<Happened> {
        match self.late_pages().ok()?.next(wait)? {
            Ok(page) => Some(Happened::Touched(page)),
            Err(Err(_)) if self.asked.is_some_and(|asked| asked.elapsed() < LOCK_PATIENCE) => {
                std::thread::park_timeout(LOCK_AGAIN);
                self.ask_late(Ask::Run);
                None
            }
            Err(outcome) => Some(Happened::Ended(outcome)),
        }
    }

    fn waited_for(&self) -> Vec<u64> {
        self.late_pages().map_or_else(|_| Vec::new(), |pages| pages.waited_for())
    }

    fn abandon(&mut self) {
        self.late_pages().into_iter().for_each(|pages| pages.end());
    }

    fn whole(&mut self) {
        // The event loop has it written down before the source may forget its copy.
        let _ = self.mailbox.ask(Ask::Whole);
        self.late_pages().into_iter().for_each(|pages| pages.end());
    }
}
