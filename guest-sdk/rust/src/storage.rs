//! Storage pools and their volumes: to read and to change, what guards are asked about them, and what happens to them.

pub use crate::bindings::reeve::storage::pools::{Pool, Space};
pub use crate::bindings::reeve::storage::volumes::{NewVolume, Volume};
pub use crate::hooks::clone_name::{CloneRequest, Cloned};
pub use crate::hooks::storage_events::{StorageChange, StorageEvent};
pub use crate::hooks::volume_create::{VolumeChanges, VolumePlan, VolumeVerdict};
#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::{pools, volumes};

use crate::Failure;

/// What the guard of a new volume returns, as [`Decision`](crate::Decision) of others.
pub type VolumeDecision = Result<VolumeVerdict, Failure>;

/// No objection to a new volume.
pub fn allow() -> VolumeDecision {
    Ok(VolumeVerdict::Allow)
}

/// No new volume, for this reason: one sentence for the one who asked; the host keeps 1024 bytes of it.
pub fn deny(reason: impl Into<String>) -> VolumeDecision {
    Ok(VolumeVerdict::Deny(reason.into()))
}

/// A new volume with these changes of its document.
pub fn rewrite(changes: VolumeChanges) -> VolumeDecision {
    Ok(VolumeVerdict::Rewrite(changes))
}

impl Default for VolumeChanges {
    /// No change.
    fn default() -> Self {
        Self { name: None, capacity: None, allocation: None }
    }
}

/// The storage pools of this host.
#[cfg(target_arch = "wasm32")]
pub mod pools {
    pub use crate::bindings::reeve::storage::pools::{get, list};
}

/// The volumes of running pools.
#[cfg(target_arch = "wasm32")]
pub mod volumes {
    pub use crate::bindings::reeve::storage::volumes::{
        copy, create, delete, get, list, read, resize, write,
    };
}
