//! The header of a save image: everything about the file that is not in its document.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{MAX_DOCUMENT, PAGE, SaveImageError, failed, name};

const MAGIC: &[u8; 8] = b"REEVESAV";
/// The version that is written, and the only one that is read so far.
pub(super) const VERSION: u32 = 1;
/// Magic, checksum and length of what follows.
const PREFIX: usize = 16;
/// What disks write in one go.
const SECTOR: usize = 512;

/// The header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub version: u32,
    /// The last write said so.
    pub complete: bool,
    pub running: bool,
    pub uuid: Uuid,
    /// The save that wrote it.
    pub token: Uuid,
    pub driver: String,
    /// Bytes of the whole file, once it is complete.
    pub length: u64,
    pub slot_bytes: u64,
    pub document: Document,
}

/// Where the document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// 0 or 1.
    pub slot: u64,
    pub bytes: u64,
    pub checksum: u32,
}

impl Header {
    /// Where a slot begins.
    pub fn slot_start(&self, slot: u64) -> u64 {
        PAGE + slot * self.slot_bytes
    }

    /// Where the driver's data begins.
    pub fn data_start(&self) -> u64 {
        self.slot_start(2)
    }

    /// Writes it, in one sector.
    pub fn write(&self, file: &File) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        let mut sector = vec![0; SECTOR];
        let room = sector.get_mut(PREFIX..PREFIX + json.len());
        let room = room.ok_or_else(|| io::Error::other("the header is longer than a sector"))?;
        room.copy_from_slice(&json);
        sector[..8].copy_from_slice(MAGIC);
        sector[8..12].copy_from_slice(&crc32fast::hash(&json).to_le_bytes());
        sector[12..16].copy_from_slice(&(json.len() as u32).to_le_bytes());
        file.write_all_at(&sector, 0)
    }

    /// Reads it and checks everything in it.
    pub fn read(file: &File, path: &Path) -> Result<Self, SaveImageError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let foreign = || SaveImageError::Foreign(name(path));
        let damaged = |reason| SaveImageError::Damaged { path: name(path), reason };
        let mut sector = [0; SECTOR];
        file.read_exact_at(&mut sector, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => foreign(),
            _ => failed(path, "read")(error),
        })?;
        if &sector[..8] != MAGIC {
            return Err(foreign());
        }
        let word =
            |at: usize| u32::from_le_bytes([sector[at], sector[at + 1], sector[at + 2], sector[at + 3]]);
        let end = PREFIX.checked_add(word(12) as usize);
        let json =
            end.and_then(|end| sector.get(PREFIX..end)).ok_or_else(|| damaged("its header is too long"))?;
        if crc32fast::hash(json) != word(8) {
            return Err(damaged("the checksum of its header is wrong"));
        }
        let unreadable = |_| damaged("its header can't be understood");
        let Version { version } = serde_json::from_slice(json).map_err(unreadable)?;
        if version != VERSION {
            return Err(SaveImageError::Version { path: name(path), version });
        }
        let header: Self = serde_json::from_slice(json).map_err(unreadable)?;
        let Document { slot, bytes, .. } = header.document;
        let fits = slot < 2
            && bytes <= header.slot_bytes
            && header.slot_bytes <= 2 * MAX_DOCUMENT
            && header.slot_bytes.is_multiple_of(PAGE);
        if fits { Ok(header) } else { Err(damaged("its header names places that it can't have")) }
    }
}
