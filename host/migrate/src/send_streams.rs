//! Streams beside the first one, at the source: each has a thread that takes runs of pages off one list, and says on its stream when the
//! list is empty. The first stream ends the round when all of them have said so.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::frame::Kind;
use crate::link::Link;
use crate::memory_map::PAGE;
use crate::pages::{self, PAGES_A_FRAME};
use crate::send::RoundSent;
use crate::strategy::Packed;
use crate::{Controls, MAX_STREAMS, MigrateError};

/// How often whoever waits for the other streams looks whether the migration shall end.
const LOOK: Duration = Duration::from_millis(200);
/// Looks after which the first stream says something: the other side does not take silence for long.
const LOOKS_IN_SILENCE: u32 = 25;

/// Memory of a guest that leaves, for any thread.
pub trait SourcePages {
    /// Copies whole pages out of its memory.
    fn read(&self, address: u64, pages: &mut [u8]);
}

/// The streams beside the first one. More can come while the guest moves.
#[derive(Debug, Default)]
pub struct SendStreams {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The first one has number 1.
    lanes: Vec<Lane>,
    /// Those that the other side was told of: pages go over no others.
    told: usize,
    /// Rounds that were begun.
    round: u64,
    how: How,
    /// What nobody has taken in this round.
    left: VecDeque<Range<u64>>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Lane {
    /// The last round that it has sent all of.
    done: u64,
    pages: u64,
    zero_pages: u64,
    packed: Packed,
    bytes: u64,
    /// Pages, pages of zeros and bytes of the round that it is in.
    now: (u64, u64, u64),
    /// Why it can't go on.
    fault: Option<String>,
}

/// How pages are sent in a round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    /// The guest runs: the operator's limits hold.
    pub limited: bool,
    pub compress: bool,
}

/// What the streams beside the first one sent in a round.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub pages: u64,
    pub zero_pages: u64,
    pub packed: Packed,
    pub bytes: u64,
}

impl SendStreams {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The place of one stream more; none where there are as many as there can be, or nobody waits for one any more.
    pub fn add(self: &Arc<Self>) -> Option<SendTicket> {
        let mut state = self.lock();
        if state.ended || state.lanes.len() + 1 >= usize::from(MAX_STREAMS) {
            return None;
        }
        let done = state.round;
        state.lanes.push(Lane { done, ..Lane::default() });
        Some(SendTicket { streams: Arc::clone(self), index: state.lanes.len() - 1 })
    }

    /// How many there are, the first one included, once the other side was told of all.
    pub(crate) fn admit(&self, most: u16) -> Result<Option<u16>, MigrateError> {
        let mut state = self.lock();
        if state.lanes.len() >= usize::from(most) && !state.lanes.is_empty() {
            let reason = match most {
                1 => "the destination takes memory over one stream only: its version of reeve is older, or its operator wants it so"
                    .to_owned(),
                most => format!("the destination takes memory over at most {most} streams"),
            };
            return Err(MigrateError::Aborted(reason));
        }
        let more = state.lanes.len() > state.told;
        state.told = state.lanes.len();
        let round = state.round;
        // One that came before the last round was begun has no part in it.
        let told = state.told;
        state.lanes.iter_mut().take(told).filter(|lane| lane.done < round).for_each(|lane| lane.done = round);
        Ok(more.then_some(count_of(told)))
    }

    /// Streams that pages go over.
    pub(crate) fn count(&self) -> u16 {
        count_of(self.lock().told)
    }

    /// Begins a round: these pages are on the list.
    pub(crate) fn begin(&self, runs: &[Range<u64>], how: How) {
        let mut state = self.lock();
        state.round += 1;
        state.how = how;
        state.left = runs.iter().cloned().collect();
        self.changed.notify_all();
    }

    /// Up to a frame's worth of pages off the list. An error where a stream is lost: the round has no end.
    pub(crate) fn take(&self) -> Result<Option<Range<u64>>, MigrateError> {
        let mut state = self.lock();
        state.sound()?;
        Ok(state.take())
    }

    /// What is still on the list, which is empty then.
    pub(crate) fn rest(&self) -> Vec<Range<u64>> {
        self.lock().left.drain(..).collect()
    }

    /// Pages, pages of zeros and bytes that the streams beside the first one have sent in this round by now, and pages that nobody has taken.
    pub(crate) fn so_far(&self) -> ((u64, u64, u64), u64) {
        let state = self.lock();
        let sent = state.lanes.iter().fold((0, 0, 0), |sum, lane| {
            let (pages, zero_pages, bytes) = lane.now;
            (sum.0 + lane.pages + pages, sum.1 + lane.zero_pages + zero_pages, sum.2 + lane.bytes + bytes)
        });
        (sent, state.left.iter().map(|run| (run.end - run.start) / PAGE).sum())
    }

    /// Waits until every stream has said that it is done with the round. `meanwhile` is called now and then, and told whether it is time to say
    /// something over the first one.
    pub(crate) fn gather(
        &self,
        controls: &Controls,
        mut meanwhile: impl FnMut(bool) -> Result<(), MigrateError>,
    ) -> Result<Gathered, MigrateError> {
        let mut looks = 0;
        let mut state = self.lock();
        loop {
            state.sound()?;
            let (told, round) = (state.told, state.round);
            if state.lanes.iter().take(told).all(|lane| lane.done == round) {
                break;
            }
            if let Some(reason) = controls.aborted() {
                return Err(MigrateError::Aborted(reason));
            }
            let waited = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if !waited.1.timed_out() {
                continue;
            }
            looks += 1;
            drop(state);
            meanwhile(looks % LOOKS_IN_SILENCE == 0)?;
            state = self.lock();
        }
        let mut gathered = Gathered::default();
        for lane in &mut state.lanes {
            gathered.pages += std::mem::take(&mut lane.pages);
            gathered.zero_pages += std::mem::take(&mut lane.zero_pages);
            gathered.packed += std::mem::take(&mut lane.packed);
            gathered.bytes += std::mem::take(&mut lane.bytes);
        }
        Ok(gathered)
    }

    /// No round comes any more: the streams' threads end.
    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether all streams that pages go over stand.
    fn sound(&self) -> Result<(), MigrateError> {
        let broken = |(number, lane): (u16, &Lane)| {
            lane.fault.clone().map(|reason| MigrateError::Stream { number: number + 1, reason })
        };
        (1..).zip(self.lanes.iter().take(self.told)).find_map(broken).map_or(Ok(()), Err)
    }

    fn take(&mut self) -> Option<Range<u64>> {
        let first = self.left.front_mut()?;
        let end = first.end.min(first.start + PAGES_A_FRAME * PAGE);
        let run = first.start..end;
        first.start = end;
        if first.is_empty() {
            self.left.pop_front();
        }
        Some(run)
    }
}

fn count_of(told: usize) -> u16 {
    u16::try_from(told + 1).unwrap_or(u16::MAX)
}

/// The place of a stream among the others. Whoever gives it away without running it breaks the migration, which would wait for it.
#[derive(Debug)]
pub struct SendTicket {
    streams: Arc<SendStreams>,
    index: usize,
}

impl SendTicket {
    /// Sends pages over a stream until the migration is over or the stream broke.
    pub fn run<S: Read + Write>(
        self,
        stream: S,
        migration: Uuid,
        memory: &impl SourcePages,
        controls: &Controls,
    ) {
        let mut link = Link::new(stream);
        if let Err(error) = self.send(&mut link, migration, memory, controls) {
            self.fail(error.to_string());
        }
    }

    fn send<S: Read + Write>(
        &self,
        link: &mut Link<S>,
        migration: Uuid,
        memory: &impl SourcePages,
        controls: &Controls,
    ) -> Result<(), MigrateError> {
        let mut join = migration.as_bytes().to_vec();
        join.extend(count_of(self.index).to_le_bytes());
        link.send(Kind::Join, &join)?;
        link.flush()?;
        let mut counted = 0;
        let mut contents = Vec::new();
        while let Some((round, how)) = self.wait() {
            let mut sent = RoundSent::default();
            while let Some(run) = self.next(how, controls) {
                let before = link.sent;
                contents.resize((run.end - run.start) as usize, 0);
                memory.read(run.start, &mut contents);
                pages::send(link, &run, &contents, how.compress, &mut sent)?;
                self.streams.lock().lanes[self.index].now =
                    (sent.pages, sent.zero_pages, link.sent - counted);
                if how.limited {
                    controls.sent(link.sent - before);
                }
            }
            link.send(Kind::RoundMark, &sent.pages.to_le_bytes())?;
            link.flush()?;
            let mut state = self.streams.lock();
            let lane = &mut state.lanes[self.index];
            (lane.done, lane.now) = (round, (0, 0, 0));
            lane.pages += sent.pages;
            lane.zero_pages += sent.zero_pages;
            lane.packed += sent.packed;
            lane.bytes += link.sent - counted;
            counted = link.sent;
            self.streams.changed.notify_all();
        }
        Ok(())
    }

    /// Waits for a round that it has a part in.
    fn wait(&self) -> Option<(u64, How)> {
        let mut state = self.streams.lock();
        loop {
            if state.ended {
                return None;
            }
            if self.index < state.told && state.lanes[self.index].done < state.round {
                return Some((state.round, state.how));
            }
            state = self.streams.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What to send next. What is on the list when the migration shall end or the guest stop is left to the first stream.
    fn next(&self, how: How, controls: &Controls) -> Option<Range<u64>> {
        if how.limited && (controls.breaks_off() || controls.aborted().is_some()) {
            return None;
        }
        let mut state = self.streams.lock();
        if state.ended { None } else { state.take() }
    }

    fn fail(&self, reason: String) {
        self.streams.lock().lanes[self.index].fault.get_or_insert(reason);
        self.streams.changed.notify_all();
    }
}

impl Drop for SendTicket {
    fn drop(&mut self) {
        self.fail("it is not served any more".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_a_migration_does_not_wait_for_streams_while_the_guest_stands_still() {
        let (streams, controls) = (SendStreams::new(), Controls::default());
        let silent = streams.add();
        assert_eq!(streams.admit(2).unwrap(), Some(2));
        streams.begin(&[], How::default());
        controls.abort("an operator ended it");
        let gathered = streams.gather(&controls, |_| Ok(()));
        assert!(matches!(gathered, Err(MigrateError::Aborted(_))), "{gathered:?}");
        drop(silent);
    }

    #[test]
    fn streams_of_a_migration_that_never_begins_end_when_they_are_told() {
        struct Nothing;
        impl SourcePages for Nothing {
            fn read(&self, _address: u64, _pages: &mut [u8]) {}
        }
        let streams = SendStreams::new();
        let ticket = streams.add().unwrap();
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let serving = std::thread::spawn(move || {
            ticket.run(&ours, Uuid::nil(), &Nothing, &Controls::default());
        });
        streams.end();
        serving.join().unwrap();
        assert!(streams.add().is_none(), "nobody waits for another one");
    }
}
