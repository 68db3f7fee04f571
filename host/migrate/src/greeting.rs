//! The first frames: which version is spoken, what both sides can do, and what is moved.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::frame::Fields;
use crate::{MemoryMap, MigrateError};

/// Version of the protocol that this code speaks.
pub const VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"reevemig";
/// Most streams that can be asked for.
const ANY_STREAMS: u16 = 64;
/// Most streams that this code serves. Each of them waits its turn where the operator limits all of them together, and none may be silent for
/// as long as the other side takes for dead.
pub const MAX_STREAMS: u16 = 16;

/// What a side can do beyond the least. What both can do is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Pages may come compressed (Zstandard, RFC 8878).
    pub zstd: bool,
    /// Streams that pages may come over; 1 is the stream that everything else comes over.
    pub streams: u16,
    /// The guest may go on at the destination before all of its memory is there.
    pub post_copy: bool,
    /// Disks go with the guest.
    #[serde(default)]
    pub disks: bool,
}

impl Capabilities {
    /// What this code can do.
    pub const OURS: Self = Self { zstd: true, streams: MAX_STREAMS, post_copy: true, disks: true };
    const ZSTD: u32 = 1;
    const POST_COPY: u32 = 2;
    const DISKS: u32 = 4;

    /// What both can do.
    pub fn and(self, other: Self) -> Self {
        Self {
            zstd: self.zstd && other.zstd,
            streams: self.streams.min(other.streams),
            post_copy: self.post_copy && other.post_copy,
            disks: self.disks && other.disks,
        }
    }

    fn encode(self, payload: &mut Vec<u8>) {
        let bits = [(self.zstd, Self::ZSTD), (self.post_copy, Self::POST_COPY), (self.disks, Self::DISKS)];
        let bits = bits.iter().filter(|(can, _)| *can).fold(0u32, |all, (_, bit)| all | bit);
        payload.extend(bits.to_le_bytes());
        payload.extend(self.streams.to_le_bytes());
    }

    /// Bits that this version does not know are of a later one, and not answered.
    fn decode(fields: &mut Fields<'_>) -> Result<Self, MigrateError> {
        let (bits, streams) = (fields.u32()?, fields.u16()?);
        if streams == 0 || streams > ANY_STREAMS {
            return Err(MigrateError::Peer("a number of streams that can't be"));
        }
        let can = |bit| bits & bit != 0;
        let (zstd, post_copy, disks) = (can(Self::ZSTD), can(Self::POST_COPY), can(Self::DISKS));
        Ok(Self { zstd, streams, post_copy, disks })
    }
}

/// What the source says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub versions: RangeInclusive<u16>,
    pub capabilities: Capabilities,
    pub migration: Uuid,
    pub memory: MemoryMap,
}

impl Hello {
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = MAGIC.to_vec();
        payload.extend(self.versions.start().to_le_bytes());
        payload.extend(self.versions.end().to_le_bytes());
        self.capabilities.encode(&mut payload);
        payload.extend(self.migration.as_bytes());
        self.memory.encode(&mut payload);
        payload
    }

    pub fn decode(payload: &[u8]) -> Result<Self, MigrateError> {
        let mut fields = Fields(payload);
        if fields.bytes(MAGIC.len())? != MAGIC {
            return Err(MigrateError::Peer("a greeting that is no migration"));
        }
        let versions = fields.u16()?..=fields.u16()?;
        if !versions.contains(&VERSION) {
            return Err(MigrateError::Version(*versions.start(), *versions.end()));
        }
        let capabilities = Capabilities::decode(&mut fields)?;
        let migration = fields.bytes(16)?.try_into().map(Uuid::from_bytes);
        let migration = migration.expect("sixteen bytes are an id");
        let memory = MemoryMap::decode(&mut fields)?;
        fields.end()?;
        Ok(Self { versions, capabilities, migration, memory })
    }
}

/// What the destination answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub version: u16,
    pub capabilities: Capabilities,
}

impl Welcome {
    pub fn encode(self) -> Vec<u8> {
        let mut payload = self.version.to_le_bytes().to_vec();
        self.capabilities.encode(&mut payload);
        payload
    }

    /// The answer to an offer; more than what was offered is refused.
    pub fn decode(payload: &[u8], offered: Capabilities) -> Result<Self, MigrateError> {
        let mut fields = Fields(payload);
        let version = fields.u16()?;
        let capabilities = Capabilities::decode(&mut fields)?;
        fields.end()?;
        if version != VERSION || capabilities.and(offered) != capabilities {
            return Err(MigrateError::Peer("an answer beyond what was offered"));
        }
        Ok(Self { version, capabilities })
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "lists of ranges, some with one")]
mod tests {
    use super::*;

    fn hello() -> Hello {
        let memory = MemoryMap::new(vec![0..1 << 20]).unwrap();
        Hello { versions: 1..=3, capabilities: Capabilities::OURS, migration: Uuid::new_v4(), memory }
    }

    #[test]
    fn greetings_come_back_and_are_cut_nowhere() {
        let payload = hello().encode();
        assert_eq!(Hello::decode(&payload).unwrap().memory, hello().memory);
        assert!((0..payload.len()).all(|end| Hello::decode(&payload[..end]).is_err()));
        assert!(Hello::decode(&[payload, vec![0]].concat()).is_err());
    }

    #[test]
    fn a_version_of_another_time_is_named() {
        let later = Hello { versions: 2..=5, ..hello() };
        assert!(matches!(Hello::decode(&later.encode()), Err(MigrateError::Version(2, 5))));
    }

    #[test]
    fn nobody_gets_more_than_was_offered() {
        let offered = Capabilities { zstd: false, streams: 1, post_copy: false, disks: false };
        let welcome =
            |zstd, streams| Welcome { version: 1, capabilities: Capabilities { zstd, streams, ..offered } };
        let answer = |welcome: Welcome| Welcome::decode(&welcome.encode(), offered);
        assert!(answer(welcome(false, 1)).is_ok());
        assert!(answer(welcome(true, 1)).is_err());
        assert!(answer(welcome(false, 2)).is_err());
        let late = Capabilities { post_copy: true, ..offered };
        assert!(answer(Welcome { version: 1, capabilities: late }).is_err());
        let disks = Capabilities { disks: true, ..offered };
        assert!(answer(Welcome { version: 1, capabilities: disks }).is_err());
        assert!(answer(welcome(false, 0)).is_err());
        assert!(answer(Welcome { version: 2, ..welcome(false, 1) }).is_err());
    }
}
