//! Pools and volumes as operators see them: lists, figures, requests.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PoolKind, PoolSource, Preallocation, SourceDevice, SourceHost, VolumeKind, WipeAlgorithm};
use crate::Bytes;

/// What a pool holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoolSpace {
    /// What it can hold, in bytes.
    pub capacity: Bytes,
    /// What is taken, in bytes.
    pub allocation: Bytes,
    /// What is free, in bytes.
    pub available: Bytes,
}

/// One row of a pool list, and what `pool info` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoolSummary {
    /// Identity.
    pub uuid: Uuid,
    /// Unique name.
    pub name: String,
    /// What it is made of.
    pub kind: PoolKind,
    /// True while it runs.
    pub active: bool,
    /// True when a definition is kept after it stops.
    pub persistent: bool,
    /// True when the daemon starts it by itself.
    pub autostart: bool,
    /// Directory of its volumes.
    pub path: Option<String>,
    /// What it holds, at the last refresh; none while it does not run.
    pub space: Option<PoolSpace>,
    /// How many volumes it had at the last refresh.
    pub volumes: u32,
}

/// A pool that was taken in or changed, and what of its document has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefinedPool {
    /// The pool.
    pub pool: PoolSummary,
    /// A sentence each.
    pub warnings: Vec<String>,
}

/// Which pools are listed; an empty filter lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct PoolFilter {
    /// Only active ones, or only inactive ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Only those with a definition, or only those without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// Only those that the daemon starts by itself, or only the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostart: Option<bool>,
    /// Only these kinds, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

impl PoolFilter {
    /// True for a pool that is listed.
    pub fn matches(&self, row: &PoolSummary) -> bool {
        let kinds = self.kind.as_deref();
        self.active.is_none_or(|active| active == row.active)
            && self.persistent.is_none_or(|persistent| persistent == row.persistent)
            && self.autostart.is_none_or(|autostart| autostart == row.autostart)
            && kinds.is_none_or(|kinds| kinds.split(',').any(|word| word.trim() == row.kind.as_str()))
    }
}

/// For which kind of pool sources are looked for, and at which server (guide 14.11.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct SourceLookup {
    /// The kind.
    pub kind: PoolKind,
    /// Name or address of the server that is asked, for kinds on a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port, where that is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Name that the host is to call itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// Name by which the host proves to an iSCSI server who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// UUID or usage of the secret that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl SourceLookup {
    /// On this host.
    pub fn new(kind: PoolKind) -> Self {
        Self { kind, host: None, port: None, initiator: None, username: None, secret: None }
    }
}

/// What a pool could be made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundSource {
    /// The device, the volume group, the directory that a server exports, or the target of one.
    pub path: String,
    /// Format of the file system or partition table; none where there is none.
    pub format: Option<String>,
    /// Size in bytes, where it is known.
    pub size: Option<Bytes>,
    /// The server that has it.
    #[serde(default)]
    pub host: Option<SourceHost>,
    /// What a volume group is made of.
    #[serde(default)]
    pub devices: Vec<String>,
}

impl FoundSource {
    /// The `<source>` of a pool of this kind that is made of it.
    pub fn source(&self, kind: PoolKind) -> PoolSource {
        let device =
            |path: &String| SourceDevice { path: path.clone(), part_separator: None, free: Vec::new() };
        let common = PoolSource {
            hosts: self.host.iter().cloned().collect(),
            format: self.format.clone(),
            ..PoolSource::default()
        };
        match kind {
            PoolKind::Logical => PoolSource {
                name: Some(self.path.clone()),
                devices: self.devices.iter().map(device).collect(),
                ..common
            },
            PoolKind::Netfs => PoolSource { dir: Some(self.path.clone()), ..common },
            _ => PoolSource { devices: vec![device(&self.path)], ..common },
        }
    }
}

/// How a pool document is taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TakePool {
    /// Refuse a document with anything in it that would be ignored, instead of warning about it.
    #[serde(default)]
    pub strict: bool,
    /// Start it at once and keep no definition: the pool is gone when it stops.
    #[serde(default)]
    pub transient: bool,
}

/// What building a pool does to a source that holds something (guide 14.11.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BuildMode {
    /// Of a file system only the directory is made; of other kinds nothing that is there is touched.
    #[default]
    Keep,
    /// The source is formatted if it is empty, and refused if it is not.
    NoOverwrite,
    /// The source is formatted, whatever it holds.
    Overwrite,
}

/// One row of a volume list, and what `vol info` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeSummary {
    /// Name within its pool.
    pub name: String,
    /// Name of its pool.
    pub pool: String,
    /// Unique on the host: the path of a file, the id of a device.
    pub key: String,
    /// Where it is.
    pub path: String,
    /// What it is on the host.
    pub kind: VolumeKind,
    /// Format of the image.
    pub format: String,
    /// What a guest sees, in bytes.
    pub capacity: Bytes,
    /// What it takes of its pool, in bytes.
    pub allocation: Bytes,
    /// Size of the file or device, in bytes.
    pub physical: Bytes,
    /// The image below an overlay, as the overlay names it.
    pub backing: Option<String>,
    /// How it is encrypted, if so.
    #[serde(default)]
    pub encryption: Option<VolumeEncryption>,
    /// Why it can't be used as it is, if so.
    pub fault: Option<String>,
}

/// How a volume is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VolumeEncryption {
    /// `luks`.
    pub format: String,
    /// The secret that opens it, where the host noted it.
    pub secret: Option<Uuid>,
}

/// How a pool's source is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildPool {
    /// What becomes of what is there.
    #[serde(default)]
    pub mode: BuildMode,
}

/// How a volume document is taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TakeVolume {
    /// Refuse a document with anything in it that would be ignored, instead of warning about it.
    #[serde(default)]
    pub strict: bool,
    /// Name, path or key of a volume whose content the new one begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Pool of the template; the volume's own when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_pool: Option<String>,
    /// The copy gets a name that is free, by policy or else after the template; the document's own does not count.
    #[serde(default)]
    pub name_clone: bool,
    /// Space that it takes at once; otherwise the document's allocation counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preallocation: Option<Preallocation>,
}

/// A volume that was made, and what of its document has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedVolume {
    /// The volume.
    pub volume: VolumeSummary,
    /// A sentence each.
    pub warnings: Vec<String>,
}

/// Another capacity of a volume (guide 14.12.7).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ResizeVolume {
    /// The capacity in bytes, or by how much it changes.
    pub capacity: Bytes,
    /// `capacity` is added to what there is; taken away, where it may shrink.
    #[serde(default)]
    pub delta: bool,
    /// It may become smaller; what is beyond the new end is lost.
    #[serde(default)]
    pub shrink: bool,
    /// What it grows by is taken from the pool at once.
    #[serde(default)]
    pub allocate: bool,
}

/// How a volume is wiped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WipeVolume {
    /// What is written over it.
    #[serde(default)]
    pub algorithm: WipeAlgorithm,
}

/// Which part of a volume's content is meant, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct VolumePart {
    /// First byte.
    #[serde(default)]
    pub offset: u64,
    /// The most bytes; all that follow when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}

/// Which volume is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct VolumeLookup {
    /// Its path or key.
    pub volume: String,
}

/// What can happen to a pool or one of its volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PoolChange {
    /// A definition was added or replaced.
    Defined,
    /// The definition was removed.
    Undefined,
    /// Its source was made.
    Built,
    /// The daemon starts it by itself from now on, or not any more.
    Updated,
    /// It runs.
    Started,
    /// It was stopped.
    Stopped,
    /// Its source was removed.
    Deleted,
    /// Its volumes were read again.
    Refreshed,
    /// Less of it is free than the configuration says.
    LowSpace,
    /// A volume was made.
    VolumeCreated,
    /// A volume was deleted.
    VolumeDeleted,
    /// The size of a volume was changed.
    VolumeResized,
    /// A volume was wiped.
    VolumeWiped,
    /// The content of a volume was written by a client.
    VolumeUploaded,
}
