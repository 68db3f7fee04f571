//! Streams beside the first one, at the destination: each has a thread that puts pages in their place. None goes on to the next round before
//! the first one has heard that all have come to the end of this one.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::frame::{Fields, Kind};
use crate::link::Link;
use crate::memory_map::Arrived;
use crate::pages::{self, Contents};
use crate::{Capabilities, MAX_STREAMS, MemoryMap, MigrateError};

const OUT_OF_TURN: MigrateError = MigrateError::Peer("a frame out of turn");

/// Memory of a guest that comes, for any thread. No two threads put the same page in its place at one time.
pub trait TargetPages {
    /// Copies whole pages into its memory, in which they surely are.
    fn write(&self, address: u64, pages: &[u8]);

    /// Makes whole pages zero, in which memory they surely are.
    fn zero(&self, run: Range<u64>);
}

/// The streams beside the first one, and what came over all of them.
pub struct ReceiveStreams {
    migration: Uuid,
    /// Most streams, the first one included.
    most: u16,
    /// How long a stream or the end of a round may let wait.
    patience: Duration,
    pub(crate) arrived: Arrived,
    /// Pages may come over streams beside the first one. Who puts one in its place holds it.
    open: RwLock<bool>,
    /// Frames that came over them.
    frames: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Places that were given.
    given: u16,
    /// Streams that have said their number.
    lanes: BTreeMap<u16, Lane>,
    /// Why a stream that said none can't go on.
    stranger: Option<String>,
    /// Those up to this number have a part in rounds.
    admitted: u16,
    /// Pages may come compressed.
    zstd: bool,
    /// Rounds that are over.
    rounds: u64,
    ended: bool,
}

#[derive(Default)]
struct Lane {
    /// Rounds that it has come to the end of.
    reached: u64,
    fault: Option<String>,
}

impl ReceiveStreams {
    /// For a guest with this memory, which comes over at most so many streams. Who waits for one of them gives up after `patience`.
    pub fn new(migration: Uuid, memory: MemoryMap, most: u16, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            migration,
            most: most.clamp(1, MAX_STREAMS),
            patience,
            arrived: Arrived::new(memory),
            open: RwLock::new(true),
            frames: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// The place of one stream more; none where there are as many as there may be, or nobody waits for one any more.
    pub fn add(self: &Arc<Self>) -> Option<ReceiveTicket> {
        let mut state = self.lock();
        if state.ended || state.given + 1 >= self.most {
            return None;
        }
        state.given += 1;
        Some(ReceiveTicket { streams: Arc::clone(self) })
    }

    /// The source says that there are so many streams: waits for those that have not come.
    pub(crate) fn admit(&self, total: u16, agreed: Capabilities) -> Result<(), MigrateError> {
        if total < 2 || total > agreed.streams.min(self.most) {
            return Err(MigrateError::Peer("a number of streams that can't be"));
        }
        let wanted = total - 1;
        let begun = Instant::now();
        let mut state = self.lock();
        if wanted < state.admitted {
            return Err(MigrateError::Peer("fewer streams than there were"));
        }
        while let Some(number) = (1..=wanted).find(|number| !state.lanes.contains_key(number)) {
            let waited = begun.elapsed();
            let reason = match &state.stranger {
                Some(reason) => reason.clone(),
                None if waited >= self.patience => "it did not come".to_owned(),
                None => {
                    let left = self.patience - waited;
                    let woken = self.changed.wait_timeout(state, left);
                    state = woken.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
            };
            return Err(MigrateError::Stream { number: number + 1, reason });
        }
        let (rounds, before) = (state.rounds, state.admitted);
        state.lanes.range_mut(before + 1..).for_each(|(_, lane)| lane.reached = rounds);
        (state.admitted, state.zstd) = (wanted, agreed.zstd);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until all streams have come to the end of the round.
    pub(crate) fn gather(&self) -> Result<(), MigrateError> {
        let mut seen = (self.frames.load(Ordering::Relaxed), Instant::now());
        let mut state = self.lock();
        loop {
            let behind =
                state.lanes.range(..=state.admitted).find(|(_, lane)| lane.reached != state.rounds + 1);
            let Some((number, lane)) = behind else { return Ok(()) };
            if let Some(reason) = lane.fault.clone() {
                return Err(MigrateError::Stream { number: number + 1, reason });
            }
            let frames = self.frames.load(Ordering::Relaxed);
            if frames != seen.0 {
                seen = (frames, Instant::now());
            }
            let left = self.patience.saturating_sub(seen.1.elapsed());
            if left.is_zero() {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The round is over: another one may begin.
    pub(crate) fn go_on(&self) {
        self.lock().rounds += 1;
        self.changed.notify_all();
    }

    /// No page comes over these streams any more.
    pub(crate) fn close(&self) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// The migration is over for them.
    pub(crate) fn end(&self) {
        self.close();
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the migration is over, which is false, or something holds, which is true.
    fn until(&self, holds: impl Fn(&State) -> bool) -> bool {
        let mut state = self.lock();
        while !state.ended && !holds(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.ended
    }
}

/// Puts the pages of a payload in their place, whoever they come by; how many.
pub(crate) fn put(
    arrived: &Arrived,
    payload: &[u8],
    zstd: bool,
    memory: &impl TargetPages,
) -> Result<u64, MigrateError> {
    let (run, contents) = pages::decode(payload, zstd)?;
    let count = arrived.take(&run)?;
    match contents {
        Contents::Zero => memory.zero(run),
        Contents::Plain(bytes) => memory.write(run.start, bytes),
        Contents::Unpacked(bytes) => memory.write(run.start, &bytes),
    }
    Ok(count)
}

/// The place of a stream among the others.
pub struct ReceiveTicket {
    streams: Arc<ReceiveStreams>,
}

impl ReceiveTicket {
    /// Takes pages in until the migration is over or the stream broke. It may be silent for as long as there is nothing to send: who waits for it
    /// is the first one.
    pub fn run<S: Read + Write>(self, stream: S, memory: &impl TargetPages) {
        let mut link = Link::new(stream);
        let number = match self.greet(&mut link) {
            Ok(number) => number,
            Err(error) => {
                link.abort(&error);
                self.streams.lock().stranger.get_or_insert(error.to_string());
                self.streams.changed.notify_all();
                return;
            }
        };
        if let Err(error) = self.take_in(&mut link, number, memory) {
            link.abort(&error);
            if let Some(lane) = self.streams.lock().lanes.get_mut(&number) {
                lane.fault = Some(error.to_string());
            }
            self.streams.changed.notify_all();
        }
    }

    /// Its number, from 1.
    fn greet<S: Read + Write>(&self, link: &mut Link<S>) -> Result<u16, MigrateError> {
        let (Kind::Join, payload) = link.next()? else { return Err(OUT_OF_TURN) };
        let mut fields = Fields(payload);
        let migration = fields.bytes(16)?;
        if migration != self.streams.migration.as_bytes() {
            return Err(MigrateError::Peer("another migration than the one that was announced"));
        }
        let number = fields.u16()?;
        fields.end()?;
        let mut state = self.streams.lock();
        if number == 0 || number >= self.streams.most || state.lanes.contains_key(&number) {
            return Err(MigrateError::Peer("a stream with a number that can't be"));
        }
        state.lanes.insert(number, Lane::default());
        self.streams.changed.notify_all();
        Ok(number)
    }

    fn take_in<S: Read + Write>(
        &self,
        link: &mut Link<S>,
        number: u16,
        memory: &impl TargetPages,
    ) -> Result<(), MigrateError> {
        let streams = &*self.streams;
        if !streams.until(|state| state.admitted >= number) {
            return Ok(());
        }
        let zstd = streams.lock().zstd;
        let mut count = 0;
        loop {
            let (kind, payload) = link.next()?;
            streams.frames.fetch_add(1, Ordering::Relaxed);
            match kind {
                Kind::Pages => {
                    // Held so that nobody loads the guest meanwhile.
                    let open = streams.open.read().unwrap_or_else(PoisonError::into_inner);
                    if !*open {
                        return Err(OUT_OF_TURN);
                    }
                    count += put(&streams.arrived, payload, zstd, memory)?;
                }
                Kind::RoundMark => {
                    let mut fields = Fields(payload);
                    let told = fields.u64()?;
                    fields.end()?;
                    if told != std::mem::take(&mut count) {
                        return Err(MigrateError::Peer("a round with another number of pages than it had"));
                    }
                    let reached = {
                        let mut state = streams.lock();
                        let lane = state.lanes.entry(number).or_default();
                        lane.reached += 1;
                        lane.reached
                    };
                    streams.changed.notify_all();
                    if !streams.until(|state| state.rounds >= reached) {
                        return Ok(());
                    }
                }
                _ => return Err(OUT_OF_TURN),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_came_in_the_middle_of_a_round_has_no_part_in_it() {
        let memory = MemoryMap::new(vec![0..crate::PAGE, crate::PAGE..2 * crate::PAGE]).unwrap();
        let streams = ReceiveStreams::new(Uuid::nil(), memory, 2, Duration::from_secs(30));
        let ticket = streams.add().unwrap();
        let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut link = Link::new(&theirs);
        link.send(Kind::Join, &[&Uuid::nil().as_bytes()[..], &1_u16.to_le_bytes()].concat()).unwrap();
        link.flush().unwrap();
        assert_eq!(ticket.greet(&mut Link::new(&ours)).unwrap(), 1);
        streams.gather().unwrap();
    }
}
