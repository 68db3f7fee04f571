//! The source's side of post-copy: the guest stands still here, and its pages are given to who asks for them.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::frame::{Fields, Kind};
use crate::greeting::Hello;
use crate::late;
use crate::link::Link;
use crate::memory_map::PAGE;
use crate::send::{RoundSent, Sender};
use crate::send_streams::SendStreams;
use crate::{Capabilities, Controls, MemoryMap, MigrateError, Offer, Phase, Sent, SourceGuest, VERSION};

/// How often it is told how far it is.
const TELL: Duration = Duration::from_millis(100);
/// Runs in one frame that tells what is missing.
const RUNS_A_FRAME: usize = 4096;

/// How far post-copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateStats {
    /// Pages that the destination misses.
    pub missing: u64,
    /// Pages that were sent since the switch, or since the stream was mended.
    pub pages: u64,
    /// Bytes over the stream since then.
    pub bytes: u64,
    /// How long the guest stood still.
    pub downtime: Duration,
}

/// Gives the destination what it still misses of a guest that it runs, over another stream than the one that broke. The guest stays the
/// destination's whatever comes of it.
pub fn send_rest<S: Read + Write>(
    stream: S,
    offer: &Offer,
    guest: &mut impl SourceGuest,
    controls: &Controls,
) -> Sent {
    let mut link = Link::new(stream);
    let resumed = resume(&mut link, offer, &guest.memory());
    let streams = SendStreams::default();
    let mut sender = Sender::new(&mut link, &streams, guest, controls);
    let served = resumed.and_then(|missing| {
        controls.count_anew();
        sender.serve(Kind::Whole, &mut Served::new(missing, Duration::ZERO))
    });
    match served {
        Ok(()) => Sent::Whole,
        Err(error) => Sent::Interrupted(error),
    }
}

/// Pages that are missing.
fn resume<S: Read + Write>(
    link: &mut Link<S>,
    offer: &Offer,
    memory: &MemoryMap,
) -> Result<u64, MigrateError> {
    let hello = Hello {
        versions: VERSION..=VERSION,
        capabilities: Capabilities { zstd: false, ..offer.capabilities },
        migration: offer.migration,
        memory: memory.clone(),
    };
    link.send(Kind::Resume, &hello.encode())?;
    let (Kind::Resumed, payload) = link.next()? else {
        return Err(MigrateError::Peer("a frame out of turn"));
    };
    let mut fields = Fields(payload);
    let missing = fields.u64()?;
    fields.end()?;
    Ok(missing)
}

/// What was given so far.
pub(crate) struct Served {
    stats: LateStats,
    told: Option<Instant>,
}

impl Served {
    pub fn new(missing: u64, downtime: Duration) -> Self {
        Self { stats: LateStats { missing, pages: 0, bytes: 0, downtime }, told: None }
    }

    pub fn downtime(&mut self, downtime: Duration) {
        self.stats.downtime = downtime;
    }
}

impl<S: Read + Write, G: SourceGuest> Sender<'_, S, G> {
    /// Tells which pages come when they are wanted.
    pub fn tell_missing(&mut self, runs: &[std::ops::Range<u64>]) -> Result<u64, MigrateError> {
        let mut pages = 0;
        // One frame at least says that this is post-copy.
        let frames = runs.len().div_ceil(RUNS_A_FRAME).max(1);
        for number in 0..frames {
            let mut payload = Vec::new();
            for run in runs.iter().skip(number * RUNS_A_FRAME).take(RUNS_A_FRAME) {
                payload.extend(run.start.to_le_bytes());
                payload.extend(run.end.to_le_bytes());
                pages += (run.end - run.start) / PAGE;
            }
            self.link.send(Kind::Missing, &payload)?;
        }
        self.link.send(Kind::MissingEnd, &pages.to_le_bytes())?;
        Ok(pages)
    }

    /// Gives pages to who asks for them, until the destination says `until`.
    pub fn serve(&mut self, until: Kind, served: &mut Served) -> Result<(), MigrateError> {
        // Whoever waits for a page waits for its compression too.
        self.compress = false;
        let memory = self.guest.memory();
        loop {
            let before = self.link.sent;
            let (kind, payload) = self.link.next()?;
            if kind == until {
                Fields(payload).end()?;
                self.guest.report(&Phase::Late(served.stats));
                return Ok(());
            }
            if kind != Kind::Want {
                return Err(MigrateError::Peer("a frame out of turn"));
            }
            let (run, urgent) = late::decode_want(payload, &memory)?;
            let mut sent = RoundSent::default();
            self.frame_of(run, false, &mut sent)?;
            let bytes = self.link.sent - before;
            served.stats.pages += sent.pages;
            served.stats.bytes += bytes;
            served.stats.missing = served.stats.missing.saturating_sub(sent.pages);
            if !urgent {
                self.controls.sent_late(bytes);
            }
            if served.told.is_none_or(|told| told.elapsed() >= TELL) {
                served.told = Some(Instant::now());
                self.guest.report(&Phase::Late(served.stats));
            }
        }
    }
}
