//! The source's side.

use std::io::{Read, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::controls::NO_POST_COPY;
use crate::frame::{Fields, Kind};
use crate::greeting::{Hello, Welcome};
use crate::link::Link;
use crate::memory_map::PAGE;
use crate::pages;
use crate::send_disks::{DiskStats, Ranges};
use crate::send_streams::{How, SendStreams, SourcePages};
use crate::serve::{LateStats, Served};
use crate::steer::Steer;
use crate::strategy::Packed;
use crate::{
    Capabilities, Controls, GuestError, MemoryMap, MigrateError, Plan, RoundStats, SourceDisks, Strategy,
    Subject, VERSION, disks,
};

/// Payload of one frame with a part of the state.
const STATE_PART: usize = 256 << 10;
/// How often it is told how far a round is.
const TELL: Duration = Duration::from_millis(200);
/// A round with fewer bytes than this says only how fast the stream is at least.
const MEASURABLE: u64 = 256 << 10;

/// The guest on the source. Only the migration steers it meanwhile, but it may end by itself; calls then fail.
pub trait SourceGuest: SourcePages {
    /// Where its memory is.
    fn memory(&self) -> MemoryMap;

    /// Starts noting which pages are written.
    fn track(&mut self) -> Result<(), GuestError>;

    /// Runs of pages that were written since the last call, in order.
    fn take_dirty(&mut self) -> Result<Vec<Range<u64>>, GuestError>;

    /// Keeps it from running for that many hundredths of its time.
    fn throttle(&mut self, percent: u8);

    /// Makes it stand still: no vCPU runs, no device writes, its disks are written out.
    fn stop(&mut self) -> Result<(), GuestError>;

    /// Everything about it that is not memory. It stands still.
    fn state(&mut self) -> Result<Vec<u8>, GuestError>;

    /// Makes it durable that this side has given the guest up, then lets go of its disks. An error means that this side surely has
    /// not given it up; while that is open, this waits.
    fn give_up(&mut self) -> Result<(), GuestError>;

    /// The migration is over and the guest stays: it is let run again if it was stopped, and not held back or tracked any more.
    fn keep(&mut self);

    /// Tells how far the migration is.
    fn report(&mut self, phase: &Phase);
}

/// How far a migration is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Disks are being sent.
    Disks(DiskStats),
    /// A round goes on.
    Within(WithinRound),
    /// A round is over.
    Round(RoundStats),
    /// The guest stands still; what is left is being sent.
    Stopped,
    /// The destination has the whole guest, or in post-copy all that it needs to run it.
    Ready {
        /// How long it stands still by now.
        stopped_for: Duration,
        /// How long the strategy was waited for in all, while the guest ran and nothing went over.
        asked_for: Duration,
        /// Pages come when it runs.
        post_copy: bool,
    },
    /// Pages are given to a guest that runs at the destination.
    Late(LateStats),
}

/// How far a round is that goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WithinRound {
    /// Time since the migration began.
    pub elapsed: Duration,
    /// Pages that it has sent, zeros included.
    pub pages: u64,
    /// Pages of zeros.
    pub zero_pages: u64,
    /// Bytes over all streams.
    pub bytes: u64,
    /// Pages that it has still to send.
    pub left: u64,
    /// Streams that pages go over.
    pub streams: u16,
}

/// What the source offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Names this migration on both sides.
    pub migration: Uuid,
    /// What may be used.
    pub capabilities: Capabilities,
    /// What is moved.
    pub subject: Subject,
}

/// How it went after the point of no return.
#[derive(Debug)]
pub enum Sent {
    /// The destination runs the guest.
    Running {
        /// How long it stood still: from the stop to when this side heard that it runs.
        downtime: Duration,
    },
    /// The destination runs the guest and has all of it, after a stream was mended.
    Whole,
    /// The guest is the destination's, which may not have heard it yet. The paused copy stays until it has said that it runs.
    Unconfirmed(MigrateError),
    /// The guest is the destination's, which misses pages that only this side has. It goes on with [`crate::send_rest`].
    Interrupted(MigrateError),
}

/// Moves a guest away. After an error it is the source's as before, and runs if it did. Its memory goes over `streams` too; over no others
/// does anything else.
pub fn send<S: Read + Write>(
    stream: S,
    streams: &SendStreams,
    offer: &Offer,
    guest: &mut (impl SourceGuest + SourceDisks),
    strategy: &mut dyn Strategy,
    controls: &Controls,
) -> Result<Sent, MigrateError> {
    let mut link = Link::new(stream);
    let mut sender = Sender::new(&mut link, streams, guest, controls);
    let moved = sender.move_state(offer, strategy);
    // All that is left goes over the first one.
    streams.end();
    match moved {
        Ok((stopped, Some(served))) => Ok(match sender.hand_over_late(stopped, served) {
            Ok(downtime) => Sent::Running { downtime },
            Err(error) => Sent::Interrupted(error),
        }),
        Ok((stopped, None)) => Ok(match sender.hand_over() {
            Ok(()) => Sent::Running { downtime: stopped.elapsed() },
            Err(error) => Sent::Unconfirmed(error),
        }),
        Err(error) => {
            // Who ended it is said, not what came of that.
            let error = controls.aborted().map_or(error, MigrateError::Aborted);
            sender.guest.keep();
            link.abort(&error);
            Err(error)
        }
    }
}

pub(crate) struct Sender<'a, S, G> {
    pub link: &'a mut Link<S>,
    /// Streams that pages go over beside it.
    streams: &'a SendStreams,
    pub guest: &'a mut G,
    pub controls: &'a Controls,
    pub compress: bool,
    /// Disks go along.
    pub with_disks: bool,
    /// How far they are.
    pub disks: DiskStats,
    /// What the strategy says.
    pub steer: Steer,
    /// When the migration began.
    pub begun: Instant,
    /// When it was told last how far a round is.
    told: Instant,
    scratch: Vec<u8>,
}

/// What a round sent.
#[derive(Default)]
pub(crate) struct RoundSent {
    pub pages: u64,
    pub zero_pages: u64,
    pub packed: Packed,
    /// Bytes over all streams but the first one.
    beside: u64,
    /// What it did not send, because the guest stops here now.
    left: Vec<Range<u64>>,
    /// The same of each disk.
    left_of_disks: Ranges,
}

/// What is left when the guest is to stop.
struct Rest {
    runs: Vec<Range<u64>>,
    written: Ranges,
    /// It comes when the guest runs at the destination.
    late: bool,
}

impl<'a, S: Read + Write, G: SourceGuest> Sender<'a, S, G> {
    pub fn new(
        link: &'a mut Link<S>,
        streams: &'a SendStreams,
        guest: &'a mut G,
        controls: &'a Controls,
    ) -> Self {
        Self {
            link,
            streams,
            guest,
            controls,
            compress: false,
            with_disks: false,
            disks: DiskStats::default(),
            steer: Steer::default(),
            begun: Instant::now(),
            told: Instant::now(),
            scratch: Vec::new(),
        }
    }
}

impl<S: Read + Write, G: SourceGuest + SourceDisks> Sender<'_, S, G> {
    /// Everything up to the point of no return; when the guest was stopped, and what was given of it in post-copy.
    fn move_state(
        &mut self,
        offer: &Offer,
        strategy: &mut dyn Strategy,
    ) -> Result<(Instant, Option<Served>), MigrateError> {
        strategy.precheck(&offer.subject).map_err(MigrateError::Aborted)?;
        let memory = self.guest.memory();
        let agreed = self.greet(offer, &memory)?;
        self.controls.agree(agreed.post_copy);
        strategy.ask_plan(&offer.subject, agreed);
        // While it thinks. Where disks go first, memory would be written again and again until they are there.
        if !self.with_disks {
            self.guest.track()?;
        }
        let asked = Instant::now();
        let plan = strategy.plan(&offer.subject, agreed);
        self.steer.waited = asked.elapsed();
        let rest = self.rounds(&memory, strategy, plan, agreed)?;
        let stopped = Instant::now();
        self.guest.stop()?;
        self.guest.report(&Phase::Stopped);
        let (late, written) = (rest.late, self.take_written(rest.written)?);
        let rest = join(rest.runs, self.guest.take_dirty()?);
        let mut served = None;
        if late {
            if self.with_disks {
                let (bytes, _) = self.blocks(&written, false)?;
                self.end_round_of_disks(bytes)?;
            }
            let missing = self.tell_missing(&rest)?;
            self.controls.count_anew();
            served = Some(Served::new(missing, Duration::ZERO));
        } else {
            self.round(&rest, &written, None)?;
        }
        let state = self.guest.state()?;
        for part in state.chunks(STATE_PART) {
            self.link.send(Kind::State, part)?;
        }
        self.link.send(Kind::StateEnd, &(state.len() as u64).to_le_bytes())?;
        match &mut served {
            Some(served) => self.serve(Kind::Ready, served)?,
            None => self.link.expect(Kind::Ready)?,
        }
        let (stopped_for, asked_for) = (stopped.elapsed(), self.steer.waited);
        self.guest.report(&Phase::Ready { stopped_for, asked_for, post_copy: late });
        if let Some(reason) = self.controls.aborted() {
            return Err(MigrateError::Aborted(reason));
        }
        self.guest.give_up()?;
        Ok((stopped, served))
    }

    /// The guest goes on at the destination; how long it stood still, once nothing is missing there.
    fn hand_over_late(&mut self, stopped: Instant, mut served: Served) -> Result<Duration, MigrateError> {
        self.link.send(Kind::Go, &[])?;
        self.serve(Kind::Running, &mut served)?;
        let downtime = stopped.elapsed();
        served.downtime(downtime);
        self.serve(Kind::Whole, &mut served)?;
        Ok(downtime)
    }

    fn hand_over(&mut self) -> Result<(), MigrateError> {
        self.link.send(Kind::Go, &[])?;
        self.link.expect(Kind::Running)
    }

    fn greet(&mut self, offer: &Offer, memory: &MemoryMap) -> Result<Capabilities, MigrateError> {
        let with_disks = offer.capabilities.disks && !self.guest.disks().is_empty();
        let offered = Capabilities { disks: with_disks, ..offer.capabilities };
        let hello = Hello {
            versions: VERSION..=VERSION,
            capabilities: offered,
            migration: offer.migration,
            memory: memory.clone(),
        };
        self.link.send(Kind::Hello, &hello.encode())?;
        let agreed = match self.link.next()? {
            (Kind::Welcome, payload) => Welcome::decode(payload, offered)?.capabilities,
            _ => return Err(MigrateError::Peer("a frame out of turn")),
        };
        self.name_disks(agreed)?;
        Ok(agreed)
    }

    /// Rounds while the guest runs; what is left for the last one.
    fn rounds(
        &mut self,
        memory: &MemoryMap,
        strategy: &mut dyn Strategy,
        plan: Plan,
        agreed: Capabilities,
    ) -> Result<Rest, MigrateError> {
        if self.controls.limits().post_copy && !agreed.post_copy {
            return Err(MigrateError::Aborted(NO_POST_COPY.to_owned()));
        }
        self.compress = plan.compress && agreed.zstd;
        self.take_streams(agreed)?;
        self.steer.max_downtime = plan.max_downtime;
        let mut bandwidth = 0;
        let mut written = self.copy_disks()?;
        if self.with_disks {
            self.guest.track()?;
        }
        let mut dirty = memory.ranges().to_vec();
        for number in 1.. {
            let before = self.link.sent;
            let (mut sent, mut duration) = (RoundSent::default(), Duration::ZERO);
            loop {
                let at = Instant::now();
                let part = self.round(&dirty, &written, Some(&mut *strategy))?;
                duration += at.elapsed();
                self.await_answer(strategy);
                dirty = self.guest.take_dirty()?;
                written = self.take_written(part.left_of_disks)?;
                if !part.left.is_empty() {
                    dirty = join(part.left, dirty);
                }
                sent.pages += part.pages;
                sent.zero_pages += part.zero_pages;
                sent.packed += part.packed;
                sent.beside += part.beside;
                if !self.goes_another_way(agreed)? {
                    break;
                }
            }
            let bytes = self.link.sent - before + sent.beside;
            let measured = (bytes as f64 / duration.as_secs_f64().max(1e-6)) as u64;
            // What little goes over is slowed down by waiting for its end: it says at least how fast the link is.
            if bytes >= MEASURABLE || measured > bandwidth {
                bandwidth = measured;
            }
            let limits = self.controls.limits();
            let dirty_pages = count(&dirty);
            let left = dirty_pages * PAGE + disks::count(&written);
            let stats = RoundStats {
                round: number,
                elapsed: self.begun.elapsed(),
                duration,
                pages: sent.pages,
                zero_pages: sent.zero_pages,
                bytes,
                dirty_pages,
                bandwidth,
                expected_downtime: Duration::from_secs_f64(left as f64 / bandwidth.max(1) as f64),
                max_downtime: self.steer.max_downtime.min(limits.max_downtime),
                throttle: self.steer.throttle,
                compressed: self.compress,
                streams: self.streams.count(),
                packed: sent.packed,
            };
            self.guest.report(&Phase::Round(stats));
            if self.controls.stops_now() {
                return Ok(Rest { runs: dirty, written, late: false });
            }
            if self.goes_late(number, agreed) {
                return Ok(Rest { runs: dirty, written, late: true });
            }
            // What was said about the round before, with what is left by now.
            if let Some(late) = self.ends_rounds(&stats, agreed)? {
                return Ok(Rest { runs: dirty, written, late });
            }
            let last = number >= limits.max_rounds;
            self.consult(strategy, &stats, last);
            // What was said meanwhile counts too.
            if self.controls.stops_now() {
                return Ok(Rest { runs: dirty, written, late: false });
            }
            if self.goes_late(number, agreed) {
                return Ok(Rest { runs: dirty, written, late: true });
            }
            if let Some(late) = self.ends_rounds(&stats, agreed)? {
                return Ok(Rest { runs: dirty, written, late });
            }
            if last {
                let reason = format!("the guest still writes faster than it is sent after {number} rounds");
                return Err(MigrateError::Aborted(reason));
            }
        }
        unreachable!("rounds are counted without end")
    }

    /// Whether the operator has the guest go on at the destination now.
    fn goes_late(&self, number: u32, agreed: Capabilities) -> bool {
        let limits = self.controls.limits();
        let now = self.controls.switches_now() || limits.post_copy_after.is_some_and(|after| number >= after);
        now && limits.post_copy && agreed.post_copy
    }

    /// Sends what was written to disks, and pages, and waits until the other side has them all. While the guest runs somebody steers it.
    fn round(
        &mut self,
        runs: &[Range<u64>],
        written: &[Vec<Range<u64>>],
        mut strategy: Option<&mut dyn Strategy>,
    ) -> Result<RoundSent, MigrateError> {
        let limited = strategy.is_some();
        let (mut sent, before) = (RoundSent::default(), self.link.sent);
        let (blocks, left_of_disks) = self.blocks(written, limited)?;
        sent.left_of_disks = left_of_disks;
        self.streams.begin(runs, How { limited, compress: self.compress });
        loop {
            if let Some(strategy) = &mut strategy
                && (self.controls.breaks_off() || self.turns(&mut **strategy))
            {
                sent.left = self.streams.rest();
            }
            let Some(run) = self.streams.take()? else { break };
            self.frame_of(run, limited, &mut sent)?;
            self.tell(&sent, before);
        }
        self.gather(&mut sent, before)?;
        self.end_round(sent.pages, blocks)?;
        Ok(sent)
    }

    /// Tells now and then how far a round is, the first stream of which has sent so much since its link had sent `before` bytes.
    fn tell(&mut self, sent: &RoundSent, before: u64) {
        if self.told.elapsed() < TELL {
            return;
        }
        self.told = Instant::now();
        let (beside, left) = self.streams.so_far();
        self.guest.report(&Phase::Within(WithinRound {
            elapsed: self.begun.elapsed(),
            pages: sent.pages + beside.0,
            zero_pages: sent.zero_pages + beside.1,
            bytes: self.link.sent - before + beside.2,
            left: left + count(&sent.left),
            streams: self.streams.count(),
        }));
    }

    /// Takes the streams in that came beside the first one.
    pub fn take_streams(&mut self, agreed: Capabilities) -> Result<(), MigrateError> {
        match self.streams.admit(agreed.streams)? {
            Some(streams) => self.link.send(Kind::Streams, &streams.to_le_bytes()),
            None => Ok(()),
        }
    }

    /// Waits until every stream has sent its part of the round.
    fn gather(&mut self, sent: &mut RoundSent, before: u64) -> Result<(), MigrateError> {
        if self.streams.count() == 1 {
            return Ok(());
        }
        self.link.flush()?;
        let streams = self.streams;
        let gathered = streams.gather(self.controls, |in_silence| {
            self.tell(sent, before);
            if !in_silence {
                return Ok(());
            }
            // That there are as many as before is a sign of life.
            self.link.send(Kind::Streams, &streams.count().to_le_bytes())?;
            self.link.flush()
        })?;
        sent.pages += gathered.pages;
        sent.zero_pages += gathered.zero_pages;
        sent.packed += gathered.packed;
        sent.beside += gathered.bytes;
        Ok(())
    }

    /// The end of a round without a page: every stream says that it has come to it.
    pub fn end_round_of_disks(&mut self, blocks: u64) -> Result<(), MigrateError> {
        self.streams.begin(&[], How::default());
        let before = self.link.sent;
        self.gather(&mut RoundSent::default(), before)?;
        self.end_round(0, blocks)
    }

    /// Waits until the other side has so many pages and bytes of disks.
    fn end_round(&mut self, pages: u64, blocks: u64) -> Result<(), MigrateError> {
        let mut payload = pages.to_le_bytes().to_vec();
        if self.with_disks {
            payload.extend(blocks.to_le_bytes());
        }
        self.link.send(Kind::RoundEnd, &payload)?;
        match self.link.next()? {
            (Kind::RoundAck, payload) => Fields(payload).end(),
            _ => Err(MigrateError::Peer("a frame out of turn")),
        }
    }
}

impl<S: Read + Write, G: SourceGuest> Sender<'_, S, G> {
    /// Sends up to a frame's worth of pages, zeros apart.
    pub fn frame_of(
        &mut self,
        run: Range<u64>,
        limited: bool,
        sent: &mut RoundSent,
    ) -> Result<(), MigrateError> {
        if let Some(reason) = self.controls.aborted() {
            return Err(MigrateError::Aborted(reason));
        }
        let before = self.link.sent;
        let mut contents = std::mem::take(&mut self.scratch);
        contents.resize((run.end - run.start) as usize, 0);
        self.guest.read(run.start, &mut contents);
        pages::send(self.link, &run, &contents, self.compress, sent)?;
        self.scratch = contents;
        if limited {
            self.controls.sent(self.link.sent - before);
        }
        Ok(())
    }
}

fn count(runs: &[Range<u64>]) -> u64 {
    runs.iter().map(|run| (run.end - run.start) / PAGE).sum()
}

/// Both lists as one, in order and without a page twice.
pub(crate) fn join(one: Vec<Range<u64>>, other: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut all = [one, other].concat();
    all.sort_unstable_by_key(|run| run.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(all.len());
    for run in all {
        match joined.last_mut() {
            Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
            _ => joined.push(run),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_joined_without_a_page_twice() {
        assert_eq!(join(vec![0..4, 8..12], vec![2..6, 12..16, 20..24]), [0..6, 8..16, 20..24]);
        assert_eq!(join(vec![0..4, 8..12], Vec::new()), [0..4, 8..12]);
    }
}
