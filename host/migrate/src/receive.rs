//! The destination's side.

use std::io::{Read, Write};

use uuid::Uuid;

use crate::disks::{self, ArrivedBlocks, BlockContents};
use crate::frame::{Fields, Kind};
use crate::greeting::{Hello, Welcome};
use crate::late::Puller;
use crate::link::Link;
use crate::pages;
use crate::receive_streams::{ReceiveStreams, TargetPages, put};
use crate::{Begin, Capabilities, GuestError, LateMemory, MemoryMap, MigrateError, TargetDisks, VERSION};

/// Most bytes of a guest's state.
const MAX_STATE: usize = 64 << 20;
/// Bytes of disks after which they are brought to the medium: what is left of that at the end of a round keeps nobody waiting.
const SYNC_EVERY: u64 = 8 << 20;

/// The guest on the destination: a machine that never ran. What it is given is from another host and may be anything.
pub trait TargetGuest: TargetPages {
    /// Where its memory is.
    fn memory(&self) -> MemoryMap;

    /// Puts everything that is not memory back; the guest stands still.
    fn load(&mut self, state: &[u8]) -> Result<(), GuestError>;

    /// Takes the guest's disks and lets it run. It is this side's now, also when this fails.
    fn run(&mut self) -> Result<(), GuestError>;
}

/// How it went once the destination was ready.
#[derive(Debug)]
pub enum Received {
    /// The guest runs here.
    Running,
    /// The whole guest is here and stands still, and the source did not say whose it is, or it is this side's and can't run. The
    /// caller asks, and runs it only when it hears that the source has given it up.
    Undecided(MigrateError),
    /// The guest runs here and misses pages that only the source has. It goes on with [`receive_rest`].
    Interrupted(MigrateError),
}

/// Takes a guest in. After an error it is not this side's: discard it. Its memory comes over `streams` too.
pub fn receive<S: Read + Write>(
    stream: S,
    streams: &ReceiveStreams,
    migration: Uuid,
    capabilities: Capabilities,
    guest: &mut (impl TargetGuest + LateMemory + TargetDisks),
) -> Result<Received, MigrateError> {
    let mut link = Link::new(stream);
    let taken = take_in((&mut link, streams), migration, capabilities, guest);
    streams.end();
    let late = match taken {
        Ok(late) => late,
        Err(error) => {
            guest.abandon();
            link.abort(&error);
            return Err(error);
        }
    };
    // From here on the source may have heard that everything is here.
    let told = link.send(Kind::Ready, &[]).and_then(|()| link.expect(Kind::Go));
    match told {
        Ok(()) => {}
        // The source has not given it up, and says so.
        Err(MigrateError::Refused(reason)) => return Err(MigrateError::Refused(reason)),
        Err(error) => return Ok(Received::Undecided(error)),
    }
    if late {
        return Ok(run_late(&mut link, guest));
    }
    if let Err(error) = guest.run() {
        return Ok(Received::Undecided(error.into()));
    }
    // It runs whether the source hears it now or asks later.
    let _ = link.send(Kind::Running, &[]).and_then(|()| link.flush());
    Ok(Received::Running)
}

/// The guest is this side's, and goes on before all of its memory is here.
fn run_late<S: Read + Write>(link: &mut Link<S>, guest: &mut impl LateMemory) -> Received {
    let mut puller = Puller::new(link, guest);
    match puller.during(Begin::Run) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Received::Undecided(error.into()),
        // It may run by now, or does when it is asked for again.
        Err(error) => return Received::Interrupted(error),
    }
    let told = link.send(Kind::Running, &[]);
    match told.and_then(|()| Puller::new(link, guest).pull()) {
        Ok(()) => Received::Running,
        // What is left is only that the source does not know it yet, and it can ask.
        Err(_) if guest.missing().count() == 0 => Received::Running,
        Err(error) => Received::Interrupted(error),
    }
}

/// Takes what is missing of a guest that runs here, over another stream than the one that broke.
pub fn receive_rest<S: Read + Write>(
    stream: S,
    migration: Uuid,
    guest: &mut (impl TargetGuest + LateMemory),
) -> Received {
    let mut link = Link::new(stream);
    let memory = guest.memory();
    let resumed = greeted(&mut link, Kind::Resume, migration, &memory)
        .and_then(|_| link.send(Kind::Resumed, &guest.missing().count().to_le_bytes()))
        .and_then(|()| Puller::new(&mut link, guest).pull());
    match resumed {
        Ok(()) => Received::Running,
        Err(_) if guest.missing().count() == 0 => Received::Running,
        Err(error) => Received::Interrupted(error),
    }
}

const OUT_OF_TURN: MigrateError = MigrateError::Peer("a frame out of turn");

/// What the source can do; it must speak of this migration and a guest of this shape.
fn greeted<S: Read + Write>(
    link: &mut Link<S>,
    kind: Kind,
    migration: Uuid,
    memory: &MemoryMap,
) -> Result<Capabilities, MigrateError> {
    let (first, payload) = link.next()?;
    if first != kind {
        return Err(OUT_OF_TURN);
    }
    let hello = Hello::decode(payload)?;
    if hello.migration != migration {
        return Err(MigrateError::Peer("another migration than the one that was announced"));
    }
    if hello.memory != *memory {
        return Err(MigrateError::Peer("a guest with other memory than the one that was announced"));
    }
    Ok(hello.capabilities)
}

/// Everything up to when the guest could run; whether pages of it are missing.
fn take_in<S: Read + Write>(
    (link, streams): (&mut Link<S>, &ReceiveStreams),
    migration: Uuid,
    capabilities: Capabilities,
    guest: &mut (impl TargetGuest + LateMemory + TargetDisks),
) -> Result<bool, MigrateError> {
    let memory = guest.memory();
    let agreed = greeted(link, Kind::Hello, migration, &memory)?.and(capabilities);
    link.send(Kind::Welcome, &Welcome { version: VERSION, capabilities: agreed }.encode())?;
    let mut disks = Disks::greet(link, agreed, &guest.disks())?;
    let arrived = &streams.arrived;
    let mut state = Vec::new();
    // The rest of its memory is told, and then told to be complete.
    let (mut late, mut told) = (false, false);
    loop {
        let (kind, payload) = link.next()?;
        match kind {
            Kind::Pages if state.is_empty() && !late => {
                put(arrived, payload, agreed.zstd, guest)?;
            }
            Kind::Streams if agreed.streams > 1 && state.is_empty() && !late => {
                let mut fields = Fields(payload);
                let total = fields.u16()?;
                fields.end()?;
                streams.admit(total, agreed)?;
            }
            Kind::Blocks if agreed.disks && state.is_empty() && !late => {
                disks.take(payload, agreed.zstd, guest)?;
            }
            Kind::Missing if agreed.post_copy && state.is_empty() && !told => {
                streams.close();
                if !late && (arrived.end() != 0 || disks.arrived.end() != 0) {
                    return Err(MigrateError::Peer("a round without an end"));
                }
                late = true;
                let mut fields = Fields(payload);
                while !fields.0.is_empty() {
                    let run = pages::run(fields.u64()?, fields.u64()?)?;
                    arrived.take(&run)?;
                    guest.miss(run)?;
                }
            }
            Kind::MissingEnd if late && !told => {
                let mut fields = Fields(payload);
                let pages = fields.u64()?;
                fields.end()?;
                if arrived.end() != pages {
                    return Err(MigrateError::Peer("another number of missing pages than were told"));
                }
                told = true;
            }
            Kind::RoundEnd if state.is_empty() && !late => {
                let mut fields = Fields(payload);
                let pages = fields.u64()?;
                let blocks = if agreed.disks { fields.u64()? } else { 0 };
                fields.end()?;
                streams.gather()?;
                if arrived.end() != pages {
                    return Err(MigrateError::Peer("a round with another number of pages than it had"));
                }
                if disks.arrived.end() != blocks {
                    return Err(MigrateError::Peer("a round with other bytes of disks than it had"));
                }
                disks.sync(guest)?;
                streams.go_on();
                link.send(Kind::RoundAck, &[])?;
            }
            Kind::State | Kind::StateEnd if late != told => return Err(OUT_OF_TURN),
            Kind::State if !payload.is_empty() && state.len() + payload.len() <= MAX_STATE => {
                streams.close();
                state.extend_from_slice(payload);
            }
            Kind::State => return Err(MigrateError::Peer("a state that is too large")),
            Kind::StateEnd => {
                let mut fields = Fields(payload);
                let bytes = fields.u64()?;
                fields.end()?;
                if bytes != state.len() as u64 {
                    return Err(MigrateError::Peer("a state of another size than it had"));
                }
                streams.close();
                if arrived.end() != 0 || disks.arrived.end() != 0 {
                    return Err(MigrateError::Peer("a round without an end"));
                }
                guest.settle_disks()?;
                if late {
                    Puller::new(link, guest).during(Begin::Load(state))??;
                } else {
                    guest.load(&state)?;
                }
                return Ok(late);
            }
            _ => return Err(OUT_OF_TURN),
        }
    }
}

/// The disks that come with the guest.
struct Disks {
    arrived: ArrivedBlocks,
    /// Bytes that may not be on the medium.
    unsynced: u64,
}

impl Disks {
    /// Hears which disks come: those that this side was told of before, and none is larger.
    fn greet<S: Read + Write>(
        link: &mut Link<S>,
        agreed: Capabilities,
        expected: &[crate::DiskShape],
    ) -> Result<Self, MigrateError> {
        let mut come = Vec::new();
        if agreed.disks {
            let (Kind::Disks, payload) = link.next()? else { return Err(OUT_OF_TURN) };
            come = disks::decode_shapes(payload)?;
        }
        let same = come.len() == expected.len()
            && come.iter().zip(expected).all(|(come, ours)| come.name == ours.name && come.size <= ours.size);
        if !same {
            return Err(MigrateError::Peer("other disks than those that were announced"));
        }
        Ok(Self { arrived: ArrivedBlocks::new(come), unsynced: 0 })
    }

    fn take(
        &mut self,
        payload: &[u8],
        may_unpack: bool,
        guest: &mut impl TargetDisks,
    ) -> Result<(), MigrateError> {
        let block = self.arrived.take(payload, may_unpack)?;
        match block.contents {
            BlockContents::Zero => guest.zero_disk(block.disk, block.range)?,
            BlockContents::Plain(bytes) => {
                self.unsynced += bytes.len() as u64;
                guest.write_disk(block.disk, block.range.start, bytes)?;
            }
            BlockContents::Unpacked(bytes) => {
                self.unsynced += bytes.len() as u64;
                guest.write_disk(block.disk, block.range.start, &bytes)?;
            }
        }
        if self.unsynced >= SYNC_EVERY { self.sync(guest) } else { Ok(()) }
    }

    fn sync(&mut self, guest: &mut impl TargetDisks) -> Result<(), MigrateError> {
        self.unsynced = 0;
        Ok(guest.sync_disks()?)
    }
}
