//! Storage pools and volumes as their documents describe them (guide ch. 11 to 13, 14.11, 14.12).

mod check;
mod job;
mod runtime;
mod source;
mod volume;
mod wipe;

pub use check::{StorageViolation, check_volume_name};
pub use job::*;
pub use runtime::*;
pub use source::*;
pub use volume::*;
pub use wipe::*;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Bytes;
use crate::domain::Extra;

/// A whole pool document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolConfig {
    /// `type`.
    pub kind: PoolKind,
    /// Unique name.
    pub name: String,
    /// Identity; made when the document has none.
    pub uuid: Uuid,
    /// `<capacity>`: what the pool can hold. Told by the host, of no effect in a definition.
    #[serde(default)]
    pub capacity: Option<Bytes>,
    /// `<allocation>`: what is taken. Told by the host.
    #[serde(default)]
    pub allocation: Option<Bytes>,
    /// `<available>`: what is free. Told by the host.
    #[serde(default)]
    pub available: Option<Bytes>,
    /// `<features><cow state='…'/></features>`.
    #[serde(default)]
    pub cow: Option<bool>,
    /// `<source>`.
    #[serde(default)]
    pub source: PoolSource,
    /// `<target>`.
    #[serde(default)]
    pub target: PoolTarget,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// What a pool is made of: the `type` of its document (guide ch. 12, 14.11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PoolKind {
    /// A directory (guide 12.3).
    Dir,
    /// A block device with a file system, which the pool mounts (guide 12.2).
    Fs,
    /// A directory of a file server (guide 12.6).
    Netfs,
    /// An LVM volume group (guide 12.4).
    Logical,
    /// A disk with a partition table (guide 12.1).
    Disk,
    /// The units of an iSCSI target (guide 12.5).
    Iscsi,
    /// As `iscsi`, by a library of the emulator.
    IscsiDirect,
    /// The units of a SCSI host adapter, virtual ones included (guide 12.8).
    Scsi,
    /// Multipath devices of the host (guide 11.1).
    Mpath,
    /// A Ceph pool.
    Rbd,
    /// A Sheepdog cluster.
    Sheepdog,
    /// A Gluster volume (guide 12.7).
    Gluster,
    /// A ZFS pool.
    Zfs,
    /// A Virtuozzo Storage cluster.
    Vstorage,
}

impl PoolKind {
    /// Every kind with its word.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Dir, "dir"),
        (Self::Fs, "fs"),
        (Self::Netfs, "netfs"),
        (Self::Logical, "logical"),
        (Self::Disk, "disk"),
        (Self::Iscsi, "iscsi"),
        (Self::IscsiDirect, "iscsi-direct"),
        (Self::Scsi, "scsi"),
        (Self::Mpath, "mpath"),
        (Self::Rbd, "rbd"),
        (Self::Sheepdog, "sheepdog"),
        (Self::Gluster, "gluster"),
        (Self::Zfs, "zfs"),
        (Self::Vstorage, "vstorage"),
    ];

    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("dir", |(_, word)| word)
    }

    /// The kind that a word names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == word).map(|(kind, _)| *kind)
    }

    /// True where volumes are files of a directory, of any format; elsewhere they are devices.
    pub fn holds_files(self) -> bool {
        matches!(self, Self::Dir | Self::Fs | Self::Netfs)
    }
}

impl std::fmt::Display for PoolKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `<target>` of a pool: where it shows up on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolTarget {
    /// `<path>`: directory of the volumes.
    #[serde(default)]
    pub path: Option<String>,
    /// `<permissions>` of that directory.
    #[serde(default)]
    pub permissions: Option<Permissions>,
    /// `<encryption>` of volumes that name none.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<permissions>` of a directory, file or device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// `<mode>`, octal in the document.
    #[serde(default)]
    pub mode: Option<u32>,
    /// `<owner>`, a user id; none, or -1 in the document, leaves it alone.
    #[serde(default)]
    pub owner: Option<u32>,
    /// `<group>`, a group id; none, or -1 in the document, leaves it alone.
    #[serde(default)]
    pub group: Option<u32>,
    /// `<label>` for a security module.
    #[serde(default)]
    pub label: Option<String>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
