//! The disks of a guest that moves to another host: what both daemons and policies are told of each.
//!
//! ```text
//!   document: source, format, cache… ┐
//!   source's host: DiskFacts         ├─► MigratedDisk
//!   what goes along: CopiedDisk      ┘
//! ```
//! They are joined when a policy is asked, since a policy before it may have changed the document.

use serde::{Deserialize, Serialize};

use crate::domain::{Disk, DiskSource, DomainConfig};
use crate::migration::CopiedDisk;

/// What the source of a migration knows of a disk besides its document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskFacts {
    /// Its target, e.g. `vda`.
    pub target: String,
    /// Bytes that the guest sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Bytes that its active image takes of the storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation: Option<u64>,
    /// Kind of the file system that has its file, e.g. `nfs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_system: Option<String>,
}

/// What is known of the disks of a guest that moves, besides its document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MovingDisks {
    /// What the source says of them.
    pub facts: Vec<DiskFacts>,
    /// Those that go along.
    pub copied: Vec<CopiedDisk>,
}

/// How the host caches what a guest writes to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheMode {
    /// `none`.
    None,
    /// `writethrough`.
    Writethrough,
    /// `writeback`, also where the document says nothing.
    Writeback,
    /// `directsync`.
    Directsync,
    /// `unsafe`.
    Unsafe,
}

/// How the content of a disk gets to the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskWay {
    /// The destination opens the same storage.
    Shared,
    /// All of it goes along with the guest.
    Copied,
    /// What its active image has itself goes along.
    CopiedAboveBacking,
}

/// One disk of a guest that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigratedDisk {
    /// Its target, e.g. `vda`.
    pub target: String,
    /// `disk`, `cdrom`, `floppy` or `lun`.
    pub device: String,
    /// Type of its source, e.g. `file`.
    pub source: String,
    /// File or device node.
    pub path: Option<String>,
    /// Pool of a volume.
    pub pool: Option<String>,
    /// Name of a volume.
    pub volume: Option<String>,
    /// Format, where the document says it.
    pub format: Option<String>,
    /// Bytes that the guest sees.
    pub capacity: Option<u64>,
    /// Bytes that its active image takes.
    pub allocation: Option<u64>,
    /// Kind of the file system of its file at the source.
    pub file_system: Option<String>,
    /// The guest can't write it.
    pub readonly: bool,
    /// Several domains may have it.
    pub shareable: bool,
    /// How the host caches it.
    pub cache: CacheMode,
    /// Another host that opens the same storage sees all that was written.
    pub coherent: bool,
    /// How its content gets there.
    pub way: DiskWay,
    /// The backing file that the destination must have.
    pub backing: Option<String>,
}

impl CacheMode {
    /// The mode of a disk. A word that no document may have counts as the one that promises least.
    pub fn of(disk: &Disk) -> Self {
        match disk.driver.cache.as_deref() {
            None | Some("default" | "writeback") => Self::Writeback,
            Some("none") => Self::None,
            Some("writethrough") => Self::Writethrough,
            Some("directsync") => Self::Directsync,
            Some(_) => Self::Unsafe,
        }
    }

    /// The host keeps nothing of what the guest writes (guide 4.1).
    pub fn bypasses(self) -> bool {
        matches!(self, Self::None | Self::Directsync)
    }
}

/// Whether another host that opens the same storage sees all that a guest wrote to a disk. That is so where the file is the disk, byte for
/// byte, and is opened past the host's cache; images and encrypted disks go through it whatever the document says.
pub fn is_coherent(disk: &Disk) -> bool {
    disk.readonly || disk.source.is_empty() || is_plain(disk) && CacheMode::of(disk).bypasses()
}

/// Whether the bytes of its file are those of the disk.
pub fn is_plain(disk: &Disk) -> bool {
    disk.driver.format.as_deref().is_none_or(|format| format == "raw") && disk.encryption.is_none()
}

impl MovingDisks {
    /// The disks of a document in its order.
    pub fn of(&self, config: &DomainConfig) -> Vec<MigratedDisk> {
        config.devices.disks.iter().map(|disk| self.one(disk)).collect()
    }

    fn one(&self, disk: &Disk) -> MigratedDisk {
        let facts = self.facts.iter().find(|facts| facts.target == disk.target).cloned().unwrap_or_default();
        let copied = self.copied.iter().find(|copied| copied.target == disk.target);
        let backing = copied.and_then(|copied| copied.backing.as_ref()).map(|backing| backing.name.clone());
        let (pool, volume) = match &disk.source {
            DiskSource::Volume { pool, volume, .. } => (Some(pool.clone()), Some(volume.clone())),
            DiskSource::File { .. } | DiskSource::Block { .. } | DiskSource::Other { .. } => (None, None),
        };
        MigratedDisk {
            target: disk.target.clone(),
            device: disk.device.clone(),
            source: disk.source.kind().to_owned(),
            path: disk.source.path().map(str::to_owned),
            pool,
            volume,
            format: disk.driver.format.clone(),
            capacity: facts.capacity.or(copied.map(|copied| copied.size)),
            allocation: facts.allocation,
            file_system: facts.file_system,
            readonly: disk.readonly,
            shareable: disk.shareable,
            cache: CacheMode::of(disk),
            coherent: is_coherent(disk),
            way: match (copied, &backing) {
                (None, _) => DiskWay::Shared,
                (Some(_), None) => DiskWay::Copied,
                (Some(_), Some(_)) => DiskWay::CopiedAboveBacking,
            },
            backing,
        }
    }
}
