//! Post-copy: the guest runs at the destination, which asks for the pages that it misses.
//!
//! The destination asks and the source answers, in order, so that neither needs more than one thread for the stream. What somebody waits
//! for is asked for at once; else some runs are always on their way, from behind the page that was touched last.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::ops::Range;

use crate::frame::{Fields, Kind};
use crate::link::Link;
use crate::memory_map::PAGE;
use crate::pages::{self, Contents, PAGES_A_FRAME};
use crate::{GuestError, MemoryMap, MigrateError, Missing};

/// Runs that are on their way while nobody waits.
const WINDOW: usize = 4;
/// Bytes of one of them.
const BACKGROUND: u64 = 32 * PAGE;
/// Bytes that are asked for when somebody waits: the page, and what follows it.
const URGENT: u64 = 8 * PAGE;

/// What is done with a guest while pages of it may be missing, so that it is not waited for.
#[derive(Debug)]
pub enum Begin {
    /// Put everything that is not memory back.
    Load(Vec<u8>),
    /// Take the disks and run it.
    Run,
}

/// What happened at a guest with missing pages.
#[derive(Debug)]
pub enum Happened {
    /// Somebody waits for this page.
    Touched(u64),
    /// What was begun has ended.
    Ended(Result<(), GuestError>),
}

/// Memory of a destination's guest of which pages may be missing. Who touches a missing page waits until it is placed.
pub trait LateMemory {
    /// These whole pages are missing from now on, whatever they were.
    fn miss(&mut self, run: Range<u64>) -> Result<(), GuestError>;

    /// Which are missing.
    fn missing(&self) -> &Missing;

    /// Puts whole missing pages in their place.
    fn place(&mut self, address: u64, pages: &[u8]) -> Result<(), GuestError>;

    /// Puts zeros in the place of whole missing pages.
    fn place_zeros(&mut self, run: Range<u64>) -> Result<(), GuestError>;

    /// Begins something that may itself wait for pages.
    fn begin(&mut self, what: Begin);

    /// What has happened, if something has; with `wait` it waits for that.
    fn happened(&mut self, wait: bool) -> Option<Happened>;

    /// Pages that somebody waits for.
    fn waited_for(&self) -> Vec<u64>;

    /// The guest will not run here: nobody waits for a page any more.
    fn abandon(&mut self);

    /// Nothing is missing any more. The source forgets its copy afterwards.
    fn whole(&mut self);
}

/// A run that is asked for, and whether somebody waits for it.
pub(crate) fn encode_want(run: &Range<u64>, urgent: bool) -> [u8; 16] {
    let mut payload = [0; 16];
    payload[..8].copy_from_slice(&run.start.to_le_bytes());
    payload[8..12].copy_from_slice(&(((run.end - run.start) / PAGE) as u32).to_le_bytes());
    payload[12..].copy_from_slice(&u32::from(urgent).to_le_bytes());
    payload
}

pub(crate) fn decode_want(payload: &[u8], memory: &MemoryMap) -> Result<(Range<u64>, bool), MigrateError> {
    const WRONG: MigrateError = MigrateError::Peer("a wish for pages that can't be");
    let mut fields = Fields(payload);
    let (start, pages, urgent) = (fields.u64()?, u64::from(fields.u32()?), fields.u32()?);
    fields.end()?;
    if pages == 0 || pages > PAGES_A_FRAME || !start.is_multiple_of(PAGE) || urgent > 1 {
        return Err(WRONG);
    }
    let run = start..start.checked_add(pages * PAGE).ok_or(WRONG)?;
    memory.position(&run).map(|_| (run, urgent == 1)).ok_or(WRONG)
}

/// The destination's side of it.
pub(crate) struct Puller<'a, S, G> {
    link: &'a mut Link<S>,
    guest: &'a mut G,
    /// What was asked for and did not come yet, in order.
    asked: VecDeque<Range<u64>>,
    /// Where to go on when nobody waits.
    next: u64,
}

impl<'a, S: Read + Write, G: LateMemory> Puller<'a, S, G> {
    pub fn new(link: &'a mut Link<S>, guest: &'a mut G) -> Self {
        Self { link, guest, asked: VecDeque::new(), next: 0 }
    }

    /// Does something with the guest and fetches what is touched meanwhile, and nothing else. Nothing is on its way afterwards.
    pub fn during(&mut self, what: Begin) -> Result<Result<(), GuestError>, MigrateError> {
        self.guest.begin(what);
        loop {
            match self.guest.happened(self.asked.is_empty()) {
                Some(Happened::Touched(page)) => self.fetch(page)?,
                Some(Happened::Ended(outcome)) => {
                    while !self.asked.is_empty() {
                        self.take()?;
                    }
                    return Ok(outcome);
                }
                None if self.asked.is_empty() => {}
                None => self.take()?,
            }
        }
    }

    /// Fetches everything, what is touched first.
    pub fn pull(&mut self) -> Result<(), MigrateError> {
        for page in self.guest.waited_for() {
            self.fetch(page)?;
        }
        loop {
            while let Some(Happened::Touched(page)) = self.guest.happened(false) {
                self.fetch(page)?;
            }
            while self.asked.len() < WINDOW
                && let Some(run) = self.next_run()
            {
                self.next = run.end;
                self.ask(run, false)?;
            }
            if self.asked.is_empty() {
                break;
            }
            self.take()?;
        }
        self.guest.whole();
        self.link.send(Kind::Whole, &[])?;
        self.link.flush()
    }

    fn ask(&mut self, run: Range<u64>, urgent: bool) -> Result<(), MigrateError> {
        self.link.send(Kind::Want, &encode_want(&run, urgent))?;
        self.asked.push_back(run);
        Ok(())
    }

    /// Asks for a page that somebody waits for, unless it is here or on its way.
    fn fetch(&mut self, page: u64) -> Result<(), MigrateError> {
        if self.asked.iter().any(|asked| asked.contains(&page)) || !self.guest.missing().contains(page) {
            return Ok(());
        }
        let Some(run) = self.guest.missing().after(page, URGENT) else { return Ok(()) };
        let run = self.without_asked(run);
        self.next = run.end;
        self.ask(run, true)
    }

    /// The part of a run, whose first page was not asked for, up to where something was.
    fn without_asked(&self, run: Range<u64>) -> Range<u64> {
        let later = self.asked.iter().map(|asked| asked.start).filter(|start| run.contains(start)).min();
        run.start..later.unwrap_or(run.end)
    }

    /// The next run that is missing and not on its way, from [`Self::next`] on and around.
    fn next_run(&mut self) -> Option<Range<u64>> {
        let mut around = false;
        loop {
            let Some(run) = self.guest.missing().after(self.next, BACKGROUND) else {
                if std::mem::replace(&mut around, true) {
                    return None;
                }
                self.next = 0;
                continue;
            };
            match self.asked.iter().find(|asked| asked.contains(&run.start)) {
                Some(asked) => self.next = asked.end,
                None => return Some(self.without_asked(run)),
            }
        }
    }

    /// Takes what comes next: the rest of what was asked for first, or the beginning of it.
    fn take(&mut self) -> Result<(), MigrateError> {
        const NOT_ASKED: MigrateError = MigrateError::Peer("pages that nobody asked for");
        let (Kind::Pages, payload) = self.link.next()? else {
            return Err(MigrateError::Peer("a frame out of turn"));
        };
        let (run, contents) = pages::decode(payload, false)?;
        let front = self.asked.front_mut().ok_or(NOT_ASKED)?;
        if run.start != front.start || run.end > front.end {
            return Err(NOT_ASKED);
        }
        front.start = run.end;
        if front.is_empty() {
            self.asked.pop_front();
        }
        match contents {
            Contents::Zero => self.guest.place_zeros(run)?,
            Contents::Plain(bytes) => self.guest.place(run.start, bytes)?,
            Contents::Unpacked(bytes) => self.guest.place(run.start, &bytes)?,
        }
        Ok(())
    }
}
