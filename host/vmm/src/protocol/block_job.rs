//! Jobs on the images of disks, as daemon and worker speak of them.

use reeve_image::Format;
use serde::{Deserialize, Serialize};

use crate::config::{BackingConfig, FdIndex};

/// What becomes of the job of a disk. A disk has one at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum BlockJobOrder {
    /// Begins one; descriptors come with it. [`Event::BlockJob`](super::Event::BlockJob) says when it is ready or ended.
    Start {
        /// What it does.
        work: BlockJobWork,
        /// Bytes a second at most; 0 for any number.
        bandwidth: u64,
        /// What the daemon wants to know of it later; given back as it is.
        tag: String,
    },
    /// Another bandwidth.
    Limit {
        /// Bytes a second at most; 0 for any number.
        bandwidth: u64,
    },
    /// Gives it up. A copy that is ready is whole and stays; the disk stays what it was.
    Cancel,
    /// Lets the image that a job which is ready has filled take the place of the disk's.
    Pivot,
    /// The daemon has taken note of its end.
    Settle,
}

/// What a job does. Images of the chain go by their depth: 0 is the one that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "kebab-case")]
pub enum BlockJobWork {
    /// Brings backing files into the active image.
    Pull {
        /// The depth of what stays its backing file, with how its header names it; none for nothing.
        base: Option<BlockJobBase>,
    },
    /// Brings images into one below them.
    Commit {
        /// The depth of the first of them.
        top: u32,
        /// Where they go, with how the image above `top` names it then.
        base: BlockJobBase,
        /// Images of the chain opened for writing and not locked: the base, and the one above `top` where that is not the active one.
        fds: Vec<FdIndex>,
    },
    /// Brings the disk into another image.
    Copy {
        /// The image, opened for writing and locked.
        fd: FdIndex,
        /// Its format.
        format: Format,
        /// Its backing files, from the top down.
        #[serde(default)]
        backing: Vec<BackingConfig>,
        /// Only what the active image has itself.
        shallow: bool,
        /// It shows zeros where nothing was put yet.
        blank: bool,
    },
}

/// An image of the chain that becomes the backing file of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockJobBase {
    /// Its depth.
    pub depth: u32,
    /// How the image above it is to name it.
    pub name: String,
    /// Its format.
    pub format: Format,
}

/// What a job does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// The job of a disk. It is kept after its end, until the next one begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockJobStatus {
    /// Alias of the disk.
    pub alias: String,
    /// What it does at the moment.
    pub state: BlockJobState,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// Bytes of the disk that are looked after.
    pub done: u64,
    /// Bytes of the disk.
    pub total: u64,
    /// Bytes a second at most; 0 for any number.
    pub bandwidth: u64,
    /// The disk has another active image now.
    pub pivoted: bool,
    /// The daemon has taken note of its end.
    pub settled: bool,
    /// What came with its start.
    pub tag: String,
}
