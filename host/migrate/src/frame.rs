//! Frames: what goes over the stream, one after the other.

use std::io::{self, Read, Write};

use crate::MigrateError;

/// Largest payload of a frame in bytes: 256 pages and their place.
pub const MAX_PAYLOAD: usize = (1 << 20) + 16;
const HEADER: usize = 12;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    Hello = 1,
    Welcome = 2,
    Pages = 3,
    RoundEnd = 4,
    RoundAck = 5,
    State = 6,
    StateEnd = 7,
    Ready = 8,
    Go = 9,
    Running = 10,
    /// At any time, from both sides: a sentence.
    Abort = 11,
    /// Runs of pages that come when they are wanted.
    Missing = 12,
    MissingEnd = 13,
    Want = 14,
    /// Nothing is missing any more.
    Whole = 15,
    /// The first frame of another stream, after the first one broke.
    Resume = 16,
    Resumed = 17,
    /// Which disks go with the guest.
    Disks = 18,
    /// A range of one of them.
    Blocks = 19,
    /// The first frame of a stream beside the first one.
    Join = 20,
    /// How many streams there are from now on.
    Streams = 21,
    /// The end of a round on a stream beside the first one.
    RoundMark = 22,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::Welcome,
            3 => Self::Pages,
            4 => Self::RoundEnd,
            5 => Self::RoundAck,
            6 => Self::State,
            7 => Self::StateEnd,
            8 => Self::Ready,
            9 => Self::Go,
            10 => Self::Running,
            11 => Self::Abort,
            12 => Self::Missing,
            13 => Self::MissingEnd,
            14 => Self::Want,
            15 => Self::Whole,
            16 => Self::Resume,
            17 => Self::Resumed,
            18 => Self::Disks,
            19 => Self::Blocks,
            20 => Self::Join,
            21 => Self::Streams,
            22 => Self::RoundMark,
            _ => return None,
        })
    }
}

/// Three bytes that make a damaged header known before its length is believed.
fn header_check(kind: u8, length: [u8; 4]) -> [u8; 3] {
    let [one, two, three, _] = checksum(kind, &length).to_le_bytes();
    [one, two, three]
}

fn checksum(kind: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(payload);
    hasher.finalize()
}

/// Writes a frame.
pub(crate) fn write(stream: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<()> {
    debug_assert!(payload.len() <= MAX_PAYLOAD, "whoever makes frames keeps them small");
    let mut header = [0; HEADER];
    header[0] = kind as u8;
    let length = (payload.len() as u32).to_le_bytes();
    header[1..4].copy_from_slice(&header_check(kind as u8, length));
    header[4..8].copy_from_slice(&length);
    header[8..12].copy_from_slice(&checksum(kind as u8, payload).to_le_bytes());
    stream.write_all(&header)?;
    stream.write_all(payload)
}

/// Reads a frame; its payload goes into `payload`.
pub(crate) fn read(stream: &mut impl Read, payload: &mut Vec<u8>) -> Result<Kind, MigrateError> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header)?;
    let [kind, check @ .., l0, l1, l2, l3, c0, c1, c2, c3] = header;
    if check != header_check(kind, [l0, l1, l2, l3]) {
        return Err(MigrateError::Peer("a frame with a damaged header"));
    }
    let kind = Kind::from_byte(kind).ok_or(MigrateError::Peer("a frame of an unknown kind"))?;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > MAX_PAYLOAD {
        return Err(MigrateError::Peer("a frame that is too large"));
    }
    payload.resize(length, 0);
    stream.read_exact(payload)?;
    if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(kind as u8, payload) {
        return Err(MigrateError::Peer("a frame with a wrong checksum"));
    }
    Ok(kind)
}

/// Takes numbers off the front of a payload.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], MigrateError> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(MigrateError::Peer("a frame that is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn u16(&mut self) -> Result<u16, MigrateError> {
        self.bytes(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub fn u32(&mut self) -> Result<u32, MigrateError> {
        self.bytes(4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub fn u64(&mut self) -> Result<u64, MigrateError> {
        Ok(u64::from(self.u32()?) | u64::from(self.u32()?) << 32)
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), MigrateError> {
        if self.0.is_empty() { Ok(()) } else { Err(MigrateError::Peer("a frame with bytes too many")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_and_no_damage_goes_unseen() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::State, b"a state").unwrap();
        let mut payload = Vec::new();
        assert_eq!(read(&mut bytes.as_slice(), &mut payload).unwrap(), Kind::State);
        assert_eq!(payload, b"a state");
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(read(&mut damaged.as_slice(), &mut payload).is_err(), "byte {at} bit {bit}");
            }
            assert!(read(&mut &bytes[..at], &mut payload).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn no_length_takes_more_memory_than_a_frame_may_have() {
        let mut header = [0; HEADER];
        header[0] = Kind::State as u8;
        header[1..4].copy_from_slice(&header_check(Kind::State as u8, [0xff; 4]));
        header[4..8].fill(0xff);
        let mut payload = Vec::new();
        assert!(matches!(
            read(&mut header.as_slice(), &mut payload),
            Err(MigrateError::Peer("a frame that is too large"))
        ));
        assert_eq!(payload.capacity(), 0);
    }
}
