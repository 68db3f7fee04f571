//! The source's side of disks that go with their guest.

use std::io::{Read, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::disks::{self, Piece};
use crate::frame::Kind;
use crate::send::{Phase, Sender};
use crate::{Capabilities, MigrateError, SourceDisks, SourceGuest};

/// How often it is told how far it is, and what waits is sent although it is little: the other side does not take silence for long.
const TELL: Duration = Duration::from_millis(200);
/// Passes over what was written meanwhile, before memory has its turn.
const PASSES: u32 = 30;
/// What is left when a pass more is not worth it.
const LITTLE: u64 = 4 << 20;
/// Bytes of zeros after which the other side is waited for. A few frames say them, and it may have to write them all: it says nothing before
/// the end of a round, and this side does not take silence for long either.
const ZEROS_A_ROUND: u64 = 1 << 30;

/// Ranges of each disk.
pub(crate) type Ranges = Vec<Vec<Range<u64>>>;

/// How far the disks are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Bytes of them that were looked after, zeros and what is there already included.
    pub processed: u64,
    /// Bytes that are left, as far as is known.
    pub remaining: u64,
    /// Time since the migration began.
    pub elapsed: Duration,
}

impl<S: Read + Write, G: SourceGuest + SourceDisks> Sender<'_, S, G> {
    /// Says which disks go along.
    pub fn name_disks(&mut self, agreed: Capabilities) -> Result<(), MigrateError> {
        let disks = self.guest.disks();
        self.with_disks = !disks.is_empty();
        if !self.with_disks {
            return Ok(());
        }
        if !agreed.disks {
            let reason = "the destination can't take disks along with a guest: its version of reeve is older";
            return Err(MigrateError::Aborted(reason.to_owned()));
        }
        let payload = disks::encode_shapes(&disks)?;
        self.link.send(Kind::Disks, &payload)
    }

    /// Sends all of the disks while the guest runs, and what it writes to them meanwhile until that is little; what is left.
    pub fn copy_disks(&mut self) -> Result<Ranges, MigrateError> {
        let shapes = self.guest.disks();
        if shapes.is_empty() {
            return Ok(Vec::new());
        }
        self.guest.track_disks()?;
        let mut left: Vec<_> = shapes.iter().map(|disk| whole(disk.size)).collect();
        for _ in 0..PASSES {
            let before = disks::count(&left);
            let (bytes, rest) = self.blocks(&left, true)?;
            self.end_round_of_disks(bytes)?;
            left = self.take_written(rest)?;
            let now = disks::count(&left);
            if now <= LITTLE || now > before / 2 || self.controls.breaks_off() {
                break;
            }
        }
        Ok(left)
    }

    /// What was written to the disks since it was asked last, and what was left before.
    pub fn take_written(&mut self, left: Ranges) -> Result<Ranges, MigrateError> {
        let mut written = self.guest.take_written()?;
        if !left.is_empty() {
            written = join_written(written, left);
        }
        if self.with_disks {
            self.disks.remaining = disks::count(&written);
            self.tell_disks();
        }
        Ok(written)
    }

    fn tell_disks(&mut self) {
        self.disks.elapsed = self.begun.elapsed();
        self.guest.report(&Phase::Disks(self.disks));
    }

    /// Sends ranges of disks; the bytes of them that are in the round which is not ended yet. The guest running, it breaks off when that is to
    /// stop at once: what it did not send is told too.
    pub fn blocks(
        &mut self,
        written: &[Vec<Range<u64>>],
        limited: bool,
    ) -> Result<(u64, Ranges), MigrateError> {
        let (mut told, mut payload, mut sent, mut zeros) = (Instant::now(), Vec::new(), 0, 0);
        self.disks.remaining = disks::count(written);
        let mut left: Ranges = vec![Vec::new(); written.len()];
        for (disk, ranges) in written.iter().enumerate() {
            for range in ranges {
                let mut at = range.start;
                while at < range.end {
                    if let Some(reason) = self.controls.aborted() {
                        return Err(MigrateError::Aborted(reason));
                    }
                    if limited && self.controls.stops_now() {
                        left[disk].push(at..range.end);
                        break;
                    }
                    let before = self.link.sent;
                    let length = match self.guest.piece(disk, at..range.end)? {
                        Piece::Data(bytes) => {
                            let length = bytes.len() as u64;
                            let part = at..at + length;
                            disks::encode_block(disk, &part, Some(&bytes), self.compress, &mut payload);
                            self.link.send(Kind::Blocks, &payload)?;
                            sent += length;
                            length
                        }
                        Piece::Zero(length) => {
                            disks::encode_block(disk, &(at..at + length), None, false, &mut payload);
                            self.link.send(Kind::Blocks, &payload)?;
                            sent += length;
                            zeros += length;
                            length
                        }
                        Piece::Absent(length) => length,
                    };
                    debug_assert!(length > 0 && at + length <= range.end, "a piece is of its range");
                    at += length;
                    self.disks.processed += length;
                    self.disks.remaining = self.disks.remaining.saturating_sub(length);
                    if limited {
                        self.controls.sent(self.link.sent - before);
                    }
                    if zeros >= ZEROS_A_ROUND {
                        zeros = 0;
                        self.end_round_of_disks(std::mem::take(&mut sent))?;
                    }
                    if told.elapsed() >= TELL {
                        told = Instant::now();
                        self.link.flush()?;
                        self.tell_disks();
                    }
                }
            }
        }
        Ok((sent, left))
    }
}

#[allow(clippy::single_range_in_vec_init, reason = "a list of one range")]
fn whole(size: u64) -> Vec<Range<u64>> {
    vec![0..size]
}

/// Both lists of each disk as one.
fn join_written(one: Ranges, other: Ranges) -> Ranges {
    one.into_iter().zip(other).map(|(one, other)| crate::send::join(one, other)).collect()
}
