//! Jobs on the images of disks of running domains (guide 14.5.15 to 14.5.18).

use serde::{Deserialize, Serialize};

use crate::Bytes;

/// Body that begins a job on the images of a disk. Images of its chain go by their path, or by target and depth: `vda[1]` is the backing
/// file of the active image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StartBlockJob {
    /// What it does.
    pub work: BlockJobWork,
    /// Bytes a second at most; 0 for any number.
    #[serde(default)]
    pub bandwidth: Bytes,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BlockJobWork {
    /// Brings backing files into the active image, which needs them no more then.
    Pull {
        /// What stays its backing file; none for nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<String>,
    },
    /// Brings images into one below them, so that they are needed no more.
    Commit {
        /// The first of them; none is the active image.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<String>,
        /// Where they go; none is the last of the chain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<String>,
        /// They go into the one below `top`.
        #[serde(default)]
        shallow: bool,
        /// The active image may be among them: its base is to take its place.
        #[serde(default)]
        active: bool,
        /// Their files are removed once they are needed no more.
        #[serde(default)]
        delete: bool,
    },
    /// Brings the disk into another image, which may take its place.
    Copy {
        /// Path of that image.
        destination: String,
        /// The path is a block device.
        #[serde(default)]
        block_device: bool,
        /// Its format; none is that of the disk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        format: Option<String>,
        /// Only what the active image has itself: the copy has the same backing file.
        #[serde(default)]
        shallow: bool,
        /// The image is there already.
        #[serde(default)]
        reuse_external: bool,
    },
}

impl Default for BlockJobWork {
    fn default() -> Self {
        Self::Pull { base: None }
    }
}

/// Kinds of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BlockJobKind {
    /// Backing files into the active image.
    Pull,
    /// Images into one below them.
    Commit,
    /// The active image too.
    ActiveCommit,
    /// The disk into another image.
    Copy,
}

/// What a job does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BlockJobState {
    /// It moves data.
    Running,
    /// All is moved, and what the guest writes goes to both images until somebody decides.
    Ready,
    /// It has ended well.
    Completed,
    /// It has ended with an error; the disk is what it was.
    Failed,
    /// It was given up; the disk is what it was.
    Cancelled,
}

impl BlockJobState {
    /// Whether it goes on.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Ready)
    }
}

/// The job of a disk: the one that goes on, or the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockJob {
    /// Target of the disk.
    pub disk: String,
    /// What it does.
    pub kind: BlockJobKind,
    /// What it does at the moment.
    pub state: BlockJobState,
    /// Why it failed.
    pub error: Option<String>,
    /// Bytes of the disk that are looked after.
    pub done: Bytes,
    /// Bytes of the disk.
    pub total: Bytes,
    /// Bytes a second at most; 0 for any number.
    pub bandwidth: Bytes,
    /// The image that took the place of the disk's, or would; none where there is none.
    pub successor: Option<String>,
    /// The format of that image.
    pub successor_format: Option<String>,
    /// It has taken its place.
    pub pivoted: bool,
}

/// Body that gives a job another bandwidth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LimitBlockJob {
    /// Bytes a second at most; 0 for any number.
    pub bandwidth: Bytes,
}
