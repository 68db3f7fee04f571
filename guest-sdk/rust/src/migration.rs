//! Guests that move between hosts: what guards and strategies are told, and what a strategy answers.

pub use crate::bindings::reeve::migration::disks::{CacheMode, MigratedDisk, Way};
pub use crate::bindings::reeve::migration::journey::{Journey, Peer};
pub use crate::bindings::reeve::migration::strategy::{
    Capabilities, Limits, MigrationPlan, Progress, Round, Step,
};
#[cfg(not(target_arch = "wasm32"))]
pub use crate::native::migrated_disks as disks;

/// The disks of the guest that a hook of migrations is asked about.
#[cfg(target_arch = "wasm32")]
pub mod disks {
    pub use crate::bindings::reeve::migration::disks::list;
}
