//! Disks of a domain as verbs show and change them (guide 14.4, 14.5.5, 14.5.12, 14.5.13, 14.5.17).

use serde::{Deserialize, Serialize};

use crate::Bytes;
use crate::domain::{Disk, DiskSource};
use crate::stats::DomainSummary;

/// One disk of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DomainDisk {
    /// `<target dev='…'>`, unique in the domain.
    pub target: String,
    /// `type`: `file`, `block`, `volume`…
    pub kind: String,
    /// `device`: `disk`, `cdrom`, `floppy` or `lun`.
    pub device: String,
    /// Path of its image, or name of its volume; none is an empty drive.
    pub source: Option<String>,
    /// Pool of its volume.
    pub pool: Option<String>,
    /// Where the volume of a running domain is.
    pub path: Option<String>,
    /// Format that the document names.
    pub format: Option<String>,
    /// Bus that the guest sees it on.
    pub bus: Option<String>,
    /// The guest can't write.
    pub readonly: bool,
    /// Other domains may have it too.
    pub shareable: bool,
    /// `<alias>`; none while the domain is off.
    pub alias: Option<String>,
}

impl From<&Disk> for DomainDisk {
    fn from(disk: &Disk) -> Self {
        let (source, pool) = match &disk.source {
            DiskSource::File { path } | DiskSource::Block { path } => (path.clone(), None),
            DiskSource::Volume { pool, volume, .. } => (Some(volume.clone()), Some(pool.clone())),
            DiskSource::Other { .. } => (None, None),
        };
        Self {
            target: disk.target.clone(),
            kind: disk.source.kind().to_owned(),
            device: disk.device.clone(),
            source,
            pool,
            path: disk.source.path().map(str::to_owned),
            format: disk.driver.format.clone(),
            bus: disk.bus.clone(),
            readonly: disk.readonly,
            shareable: disk.shareable,
            alias: disk.common.alias.clone(),
        }
    }
}

impl DomainDisk {
    /// True for what an operator may call it: its target, its alias, the path of its image.
    pub fn is_named(&self, key: &str) -> bool {
        let is_path = |path: &Option<String>| path.as_deref() == Some(key);
        self.target == key || self.alias.as_deref() == Some(key) || is_path(&self.path)
    }
}

/// Which disks are asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DiskFilter {
    /// Only the one with this target or path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
}

/// Sizes of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskSize {
    /// Target of the disk.
    pub target: String,
    /// What its guest sees, in bytes; none of an empty drive, or of one whose image can't be had.
    pub capacity: Option<Bytes>,
    /// What its image takes on the host, in bytes.
    pub allocation: Option<Bytes>,
    /// Size of its file or device, in bytes.
    pub physical: Option<Bytes>,
    /// Why its image can't be had, if so.
    pub fault: Option<String>,
}

/// What becomes of the medium of a drive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MediaAction {
    /// It is taken out.
    Eject,
    /// One is put into an empty drive.
    Insert,
    /// What is in it is replaced.
    #[default]
    Update,
}

/// Body that changes the medium of a drive for CDs or floppies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeMedia {
    /// What is to be done.
    #[serde(default)]
    pub action: MediaAction,
    /// Path of the new medium, or name of the volume that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Pool of that volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Put it in whatever is in the drive.
    #[serde(default)]
    pub force: bool,
    /// The medium is a block device, whatever is at its path now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub block: bool,
}

/// Body that gives a disk of a running domain another capacity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResizeDisk {
    /// What the guest is to see, in bytes.
    pub capacity: Bytes,
    /// It may become smaller; what is beyond the new end is lost.
    #[serde(default)]
    pub shrink: bool,
}

/// Body that makes another domain of one, with its disks (guide 3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CloneDomain {
    /// Name of the clone; none is made from that of the original, where `auto` allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Make names for the clone and for those of its disks that have none in `files`.
    #[serde(default)]
    pub auto: bool,
    /// Where the copies go: a path, or a name of a volume of the same pool, one for each disk that is copied, in order.
    #[serde(default)]
    pub files: Vec<String>,
    /// What is at `files` is there already and is taken as it is; nothing is copied.
    #[serde(default)]
    pub preserve_data: bool,
    /// Targets of disks that original and clone share.
    #[serde(default)]
    pub skip_copy: Vec<String>,
    /// Targets of disks that are copied though they are read-only, shareable or a drive.
    #[serde(default)]
    pub force_copy: Vec<String>,
    /// MAC addresses of the clone's interfaces in order; the others are given new ones.
    #[serde(default)]
    pub macs: Vec<String>,
}

/// A domain that was made of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClonedDomain {
    /// The clone.
    pub domain: DomainSummary,
    /// Its disks in document order.
    pub disks: Vec<ClonedDisk>,
    /// What is to be minded, a sentence each.
    pub warnings: Vec<String>,
}

/// A disk of a clone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClonedDisk {
    /// Target of the disk.
    pub target: String,
    /// Path of its image, or name of its volume; none is an empty drive.
    pub source: Option<String>,
    /// What became of it.
    pub fate: DiskFate,
}

/// What becomes of a disk when its domain is cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DiskFate {
    /// The clone has a copy.
    Copied,
    /// Original and clone have the same.
    Shared,
    /// The clone has what was there already.
    Kept,
}
