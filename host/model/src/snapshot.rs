//! Snapshots of domains (guide 14.15.2): what is kept of each, and how verbs take and show them.

use serde::{Deserialize, Serialize};

use crate::domain::DomainConfig;

/// What is kept of a snapshot: a `<domainsnapshot>` document.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Unique in its domain.
    pub name: String,
    /// In the words of who made it.
    pub description: Option<String>,
    /// What the domain did when it was made.
    pub state: SnapshotState,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The one that was current when it was made.
    pub parent: Option<String>,
    /// Where the memory of the guest is.
    pub memory: SnapshotMemory,
    /// What became of the disks, by target.
    pub disks: Vec<SnapshotDisk>,
    /// New images that took the place of those when the domain went back to it.
    pub reverted: Vec<SnapshotDisk>,
    /// The domain as it was: that of the machine where there was one. None where it is not known.
    pub domain: Option<DomainConfig>,
    /// Its definition, where that was another.
    pub inactive: Option<DomainConfig>,
}

impl Snapshot {
    /// The definition to go back to.
    pub fn definition(&self) -> Option<&DomainConfig> {
        self.inactive.as_ref().or(self.domain.as_ref())
    }

    /// Whether something of it is in files of its own.
    pub fn is_external(&self) -> bool {
        matches!(self.memory, SnapshotMemory::External { .. })
            || self.disks.iter().any(|disk| matches!(disk.place, SnapshotPlace::External { .. }))
    }

    /// Whether it was begun to be deleted, so that nobody goes back to it any more.
    pub fn is_deleting(&self) -> bool {
        self.disks.iter().any(|disk| disk.deleting)
    }

    /// Disks with a new image, by target.
    pub fn external_disks(&self) -> impl Iterator<Item = &str> {
        let external = self.disks.iter().filter(|disk| matches!(disk.place, SnapshotPlace::External { .. }));
        external.map(|disk| disk.name.as_str())
    }

    /// Images that were made for it: with it, and when the domain went back to it.
    pub fn made_images(&self) -> impl Iterator<Item = &str> {
        self.disks.iter().chain(&self.reverted).filter_map(|disk| match &disk.place {
            SnapshotPlace::External { file, .. } => file.as_deref(),
            _ => None,
        })
    }

    /// Disks with a snapshot within their image, by target.
    pub fn internal_disks(&self) -> impl Iterator<Item = &str> {
        let internal = self.disks.iter().filter(|disk| disk.place == SnapshotPlace::Internal);
        internal.map(|disk| disk.name.as_str())
    }
}

/// What a domain did when a snapshot was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotState {
    /// It ran, and its memory is kept.
    Running,
    /// Its vCPUs stood still, and its memory is kept.
    Paused,
    /// It was off.
    Shutoff,
    /// It ran, and only its disks are kept.
    DiskSnapshot,
}

impl SnapshotState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Running, Self::Paused, Self::Shutoff, Self::DiskSnapshot];

    /// The word in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Shutoff => "shutoff",
            Self::DiskSnapshot => "disk-snapshot",
        }
    }

    /// The state of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the memory of the guest is kept.
    pub fn has_memory(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// Where the memory of a guest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotMemory {
    /// It is not kept.
    None,
    /// In the host's own place.
    Internal,
    /// In a file that somebody named.
    External {
        /// Its path on the host.
        file: String,
    },
}

/// A disk in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotDisk {
    /// Target of the disk, or its path where somebody wrote that.
    pub name: String,
    /// What becomes of it.
    pub place: SnapshotPlace,
    /// Its image is being merged with the one that is put on it, and is not what it was.
    pub deleting: bool,
}

/// What becomes of a disk in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotPlace {
    /// Whatever is usual.
    Default,
    /// Nothing.
    No,
    /// Who made the snapshot looks after it.
    Manual,
    /// A snapshot within its image.
    Internal,
    /// A new image takes its place; the one before is the snapshot.
    External {
        /// Path of the new image; none is one beside the one before.
        file: Option<String>,
        /// Format of the new image; none is qcow2.
        format: Option<String>,
    },
}

/// A snapshot in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SnapshotRow {
    /// Its name.
    pub name: String,
    /// The domain's name.
    pub domain: String,
    /// In the words of who made it.
    pub description: Option<String>,
    /// What the domain did when it was made.
    pub state: SnapshotState,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Its parent.
    pub parent: Option<String>,
    /// It is the one that the domain goes on from.
    pub current: bool,
    /// Something of it is in files of its own.
    pub external: bool,
    /// How many have it as their parent.
    pub children: usize,
    /// How many come from it in all.
    pub descendants: usize,
}

/// How a snapshot is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields, default)]
pub struct CreateSnapshot {
    /// Nothing is made: the document is taken for a snapshot that is there.
    pub redefine: bool,
    /// With `redefine`: it becomes the current one.
    pub current: bool,
    /// Nothing is kept of it here.
    pub no_metadata: bool,
    /// Only the disks of a running domain.
    pub disk_only: bool,
    /// Files of new images are there already.
    pub reuse_external: bool,
    /// The guest's agent freezes its file systems for the moment.
    pub quiesce: bool,
    /// All disks or none; they always are.
    pub atomic: bool,
    /// The guest runs on while its memory is written; refused.
    pub live: bool,
    /// The domain is off afterwards.
    pub halt: bool,
}

/// How a domain goes back to a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields, default)]
pub struct RevertSnapshot {
    /// It runs afterwards, whatever it did.
    pub running: bool,
    /// It is paused afterwards, whatever it did.
    pub paused: bool,
    /// Though it is risky.
    pub force: bool,
}

/// How much of a tree of snapshots is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields, default)]
pub struct DeleteSnapshot {
    /// With all that come from it.
    pub children: bool,
    /// All that come from it, but not itself.
    pub children_only: bool,
    /// Only what is kept of it here; the data stays.
    pub metadata: bool,
}
