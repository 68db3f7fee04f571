//! The destination's side.

use std::io::{Read, Write};
use std::ops::Range;

use uuid::Uuid;

use crate::frame::{Fields, Kind};
use crate::greeting::{Hello, Welcome};
use crate::link::Link;
use crate::memory_map::Arrived;
use crate::pages::{self, Contents};
use crate::{Capabilities, GuestError, MemoryMap, MigrateError, VERSION};

/// Most bytes of a guest's state.
const MAX_STATE: usize = 64 << 20;

/// The guest on the destination: a machine that never ran. What it is given is from another host and may be anything.
pub trait TargetGuest {
    /// Where its memory is.
    fn memory(&self) -> MemoryMap;

    /// Copies whole pages into its memory, in which they surely are.
    fn write(&mut self, address: u64, pages: &[u8]);

    /// Makes whole pages zero, in which memory they surely are.
    fn zero(&mut self, run: Range<u64>);

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
}

/// Takes a guest in. After an error it is not this side's: discard it.
pub fn receive<S: Read + Write>(
    stream: S,
    migration: Uuid,
    capabilities: Capabilities,
    guest: &mut impl TargetGuest,
) -> Result<Received, MigrateError> {
    let mut link = Link::new(stream);
    if let Err(error) = take_in(&mut link, migration, capabilities, guest) {
        link.abort(&error);
        return Err(error);
    }
    // From here on the source may have heard that everything is here.
    let told = link.send(Kind::Ready, &[]).and_then(|()| link.expect(Kind::Go));
    match told {
        Ok(()) => {}
        // The source has not given it up, and says so.
        Err(MigrateError::Refused(reason)) => return Err(MigrateError::Refused(reason)),
        Err(error) => return Ok(Received::Undecided(error)),
    }
    if let Err(error) = guest.run() {
        return Ok(Received::Undecided(error.into()));
    }
    // It runs whether the source hears it now or asks later.
    let _ = link.send(Kind::Running, &[]).and_then(|()| link.flush());
    Ok(Received::Running)
}

fn take_in<S: Read + Write>(
    link: &mut Link<S>,
    migration: Uuid,
    capabilities: Capabilities,
    guest: &mut impl TargetGuest,
) -> Result<(), MigrateError> {
    const OUT_OF_TURN: MigrateError = MigrateError::Peer("a frame out of turn");
    let memory = guest.memory();
    let agreed = {
        let (Kind::Hello, payload) = link.next()? else { return Err(OUT_OF_TURN) };
        let hello = Hello::decode(payload)?;
        if hello.migration != migration {
            return Err(MigrateError::Peer("another migration than the one that was announced"));
        }
        if hello.memory != memory {
            return Err(MigrateError::Peer("a guest with other memory than the one that was announced"));
        }
        hello.capabilities.and(capabilities)
    };
    link.send(Kind::Welcome, &Welcome { version: VERSION, capabilities: agreed }.encode())?;
    let mut arrived = Arrived::new(memory);
    let mut state = Vec::new();
    loop {
        let (kind, payload) = link.next()?;
        match kind {
            Kind::Pages if state.is_empty() => {
                let (run, contents) = pages::decode(payload, agreed.zstd)?;
                arrived.take(&run)?;
                match contents {
                    Contents::Zero => guest.zero(run),
                    Contents::Plain(bytes) => guest.write(run.start, bytes),
                    Contents::Unpacked(bytes) => guest.write(run.start, &bytes),
                }
            }
            Kind::RoundEnd if state.is_empty() => {
                let mut fields = Fields(payload);
                let pages = fields.u64()?;
                fields.end()?;
                if arrived.end() != pages {
                    return Err(MigrateError::Peer("a round with another number of pages than it had"));
                }
                link.send(Kind::RoundAck, &[])?;
            }
            Kind::State if !payload.is_empty() && state.len() + payload.len() <= MAX_STATE => {
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
                if arrived.end() != 0 {
                    return Err(MigrateError::Peer("a round without an end"));
                }
                return Ok(guest.load(&state)?);
            }
            _ => return Err(OUT_OF_TURN),
        }
    }
}
