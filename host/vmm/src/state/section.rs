//! Frames of saved state: what is in one, in which version, how long it is, and checksums over both.
//!
//! ```text
//!   0  kind      u32      8  length of the body  u64     16  CRC-32 of the body         u32
//!   4  version   u16                                      20  CRC-32 of bytes 0 to 19    u32
//!   6  zero      u16                                      24  body
//! ```
//!
//! Everything is little-endian. A frame is written and read in order, so a socket will do.

use std::io::{self, Read, Write};

use crc32fast::Hasher;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;

/// Bytes of the header.
pub const HEADER: usize = 24;
/// Longest body of a frame of state. That of a vCPU has some ten thousand bytes.
pub const MAX_BODY: u64 = 512 << 10;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// What kind of machine it was.
    Shape = 1,
    /// Interrupt controllers, timer, clock.
    Vm = 2,
    /// One vCPU.
    Vcpu = 3,
    /// What is on the board besides PCI.
    Board = 4,
    /// One device.
    Device = 5,
    /// End of the state.
    End = 6,
    /// Pages of guest memory.
    Pages = 16,
    /// End of guest memory.
    MemoryEnd = 17,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Shape,
        Self::Vm,
        Self::Vcpu,
        Self::Board,
        Self::Device,
        Self::End,
        Self::Pages,
        Self::MemoryEnd,
    ];

    /// The version that is written, and the only one that is read so far.
    pub const fn version(self) -> u16 {
        1
    }

    fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// The start of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// Bytes that follow.
    pub length: u64,
    /// CRC-32 of them.
    pub checksum: u32,
}

impl Header {
    /// As it is written.
    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&(self.kind as u32).to_le_bytes());
        bytes[4..6].copy_from_slice(&self.kind.version().to_le_bytes());
        bytes[8..16].copy_from_slice(&self.length.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.checksum.to_le_bytes());
        let own = crc32fast::hash(&bytes[..20]);
        bytes[20..].copy_from_slice(&own.to_le_bytes());
        bytes
    }

    /// Reads one and checks that it is whole, of a kind and version that is known, and not longer than `limit`.
    pub fn read(input: &mut impl Read, limit: u64) -> Result<Self, StateError> {
        let mut bytes = [0; HEADER];
        read_exact(input, &mut bytes)?;
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if u32_at(20) != crc32fast::hash(&bytes[..20]) || bytes[6..8] != [0, 0] {
            return Err(StateError::Header);
        }
        let kind = Kind::from_number(u32_at(0)).ok_or(StateError::Unknown(u32_at(0)))?;
        let version = u16::from_le_bytes([bytes[4], bytes[5]]);
        if version != kind.version() {
            return Err(StateError::Version { kind: kind as u32, version });
        }
        let length = u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32;
        if length > limit {
            return Err(StateError::Length { kind: kind as u32, length });
        }
        Ok(Self { kind, length, checksum: u32_at(16) })
    }
}

/// Writes a frame whose body is `body`.
pub fn write(out: &mut impl Write, kind: Kind, body: &impl Serialize) -> Result<(), StateError> {
    let body = serde_json::to_vec(body).map_err(|error| StateError::Write(io::Error::other(error)))?;
    let header = Header { kind, length: body.len() as u64, checksum: crc32fast::hash(&body) };
    write_all(out, &header.to_bytes())?;
    write_all(out, &body)
}

/// Reads a frame that must be of a kind, and its body.
pub fn read<T: DeserializeOwned>(input: &mut impl Read, kind: Kind) -> Result<T, StateError> {
    let header = Header::read(input, MAX_BODY)?;
    if header.kind != kind {
        return Err(StateError::Order { expected: kind as u32, found: header.kind as u32 });
    }
    let mut body = vec![0; header.length as usize];
    read_exact(input, &mut body)?;
    if crc32fast::hash(&body) != header.checksum {
        return Err(StateError::Checksum(kind as u32));
    }
    serde_json::from_slice(&body).map_err(|source| StateError::Body { kind: kind as u32, source })
}

/// Checksum of several pieces.
pub(super) fn checksum<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut hasher = Hasher::new();
    pieces.into_iter().for_each(|piece| hasher.update(piece));
    hasher.finalize()
}

pub(super) fn write_all(out: &mut impl Write, bytes: &[u8]) -> Result<(), StateError> {
    out.write_all(bytes).map_err(StateError::Write)
}

pub(super) fn read_exact(input: &mut impl Read, bytes: &mut [u8]) -> Result<(), StateError> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => StateError::Truncated,
        _ => StateError::Read(error),
    })
}
