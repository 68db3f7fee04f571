//! Long operations on pools and volumes, while they go on, and what sparse content looks like on its way.

use serde::{Deserialize, Serialize};

use crate::Error;

/// An operation that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StorageJob {
    /// Number of it, unique while the daemon runs.
    pub id: u64,
    /// Name of the pool; none of a file that is in none.
    #[serde(default)]
    pub pool: Option<String>,
    /// What is done.
    pub operation: StorageOperation,
    /// Name of the volume, or path of a file that is in no pool; empty for the pool itself.
    pub volume: String,
    /// How much is done: bytes of a volume, entries of a pool.
    pub done: u64,
    /// How much there is to do; 0 until that is known.
    pub total: u64,
}

/// What takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StorageOperation {
    /// A volume is made.
    Create,
    /// A volume, or the disk of a domain, gets the content of another.
    CreateFrom,
    /// A volume is made unreadable.
    Wipe,
    /// A client writes a volume.
    Upload,
    /// A client reads a volume.
    Download,
    /// The volumes of a pool are read again.
    Refresh,
}

impl StorageOperation {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::CreateFrom => "create-from",
            Self::Wipe => "wipe",
            Self::Upload => "upload",
            Self::Download => "download",
            Self::Refresh => "refresh",
        }
    }

    /// True where bytes are counted, and not entries.
    pub const fn counts_bytes(self) -> bool {
        !matches!(self, Self::Refresh)
    }
}

/// Media type of content whose holes are not sent: each stretch begins with a [`Frame`].
pub const SPARSE_CONTENT: &str = "application/vnd.reeve.sparse";

/// Name in `Upgrade` of the protocol by which a client on the same host hands a file over:
///
/// ```text
///   client ── HTTP upgrade ──> daemon
///          <── 101, then `r` ──        now the daemon waits for the file
///          ── `f` with a descriptor ─>
///          <── Handed as JSON, end ──  a client that leaves before stops the work
/// ```
pub const FILE_PROTOCOL: &str = "reeve-file";
/// The byte by which a daemon asks for the file.
pub const FILE_READY: u8 = b'r';

/// What became of a file that was handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Handed {
    /// So many bytes were copied.
    Done(u64),
    /// It was not, or not to its end. Where the code is `unsupported` the content can still be sent.
    Refused(Error),
}

/// What begins a stretch of sparse content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// So many bytes follow.
    Data(u64),
    /// So many zeroes are meant, and none of them follows.
    Hole(u64),
}

impl Frame {
    /// Bytes that a frame takes.
    pub const LENGTH: usize = 9;

    /// The frame as it is sent: a letter, and a number with its highest byte first.
    pub fn encode(self) -> [u8; Self::LENGTH] {
        let (letter, length) = match self {
            Self::Data(length) => (b'd', length),
            Self::Hole(length) => (b'h', length),
        };
        let mut bytes = [letter; Self::LENGTH];
        bytes[1..].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Reads a frame; none when it is no such thing.
    pub fn decode(bytes: [u8; Self::LENGTH]) -> Option<Self> {
        let [letter, length @ ..] = bytes;
        let length = u64::from_be_bytes(length);
        match letter {
            b'd' => Some(Self::Data(length)),
            b'h' => Some(Self::Hole(length)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back() {
        for frame in [Frame::Data(7), Frame::Hole(u64::MAX), Frame::Data(0)] {
            assert_eq!(Frame::decode(frame.encode()), Some(frame));
        }
        assert_eq!(Frame::decode([0; Frame::LENGTH]), None);
    }
}
