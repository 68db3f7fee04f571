//! Directories of the host that a program beside the worker serves.

use serde::{Deserialize, Serialize};

use super::FdIndex;

/// A directory that is shared with the guest (virtiofs). Guest memory must be [shared](super::MemoryConfig::shared) for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilesystemConfig {
    /// What the guest mounts it by.
    pub tag: String,
    /// Most descriptors of each queue.
    pub queue_size: u16,
    /// Where who serves it is: a unix stream socket on which it speaks vhost-user.
    pub fd: FdIndex,
}

impl FilesystemConfig {
    /// Most bytes of a tag.
    pub const MAX_TAG: usize = 36;
    /// Most descriptors of a queue.
    pub const MAX_QUEUE: u16 = 1024;

    /// Why it can't be.
    pub(super) fn fault(&self) -> Option<String> {
        let Self { tag, queue_size, .. } = self;
        if !(1..=Self::MAX_TAG).contains(&tag.len()) || tag.contains('\0') {
            return Some(format!("tag '{tag}' can't be mounted: use 1 to {} bytes", Self::MAX_TAG));
        }
        let sized = queue_size.is_power_of_two() && (2..=Self::MAX_QUEUE).contains(queue_size);
        (!sized).then(|| {
            format!(
                "a queue of {queue_size} is not possible: use a power of two from 2 to {}",
                Self::MAX_QUEUE
            )
        })
    }
}
