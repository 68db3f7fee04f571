//! The mechanism of storage: pools and their volumes. It knows documents as data, no store, no verbs, no policy.
//!
//! ```text
//!   Storage ── pools that run ──┬─ dir, fs, netfs ── a directory as a capability ── volumes are files
//!                               ├─ disk ─────────── a partition table ───────────── volumes are partitions
//!                               ├─ logical ──────── a volume group of LVM ───────── volumes are logical volumes
//!                               ├─ iscsi ────────── a target that is logged in to ─ volumes are its units
//!                               └─ scsi ─────────── an adapter of this host ─────── volumes are units behind it
//! ```
//!
//! A kind of pool is a `Pool` (its source: build, start, stop, delete) that gives `Volumes` while it runs; `pool::of` is the registry, and says
//! of every other kind why it is refused. [`Storage`] keeps nothing on disk: a daemon that starts again starts the pools that were active, and
//! finds what is mounted already.
//!
//! A volume has its name only when it is whole: a file is made under a name that no volume can have and renamed, a partition is in the table
//! last, a logical volume loses its tag. What a crash leaves is removed by the next refresh. Nothing but a regular file, one step below its pool, is a volume of a directory.
//!
//! All calls block. They belong to the mount namespace of the process.
#![forbid(unsafe_code)]

mod busy;
mod content;
mod details;
mod directory;
mod error;
mod files;
mod find;
mod handed;
mod image_file;
mod kinds;
mod pool;
mod probe;
mod program;
mod progress;
mod storage;
mod whole_device;
mod wipe;

pub use content::Stretch;
pub use error::StorageError;
pub use find::find_sources;
pub use image_file::{ImageSize, ImageSource, copy_image, measure, remove_image};
pub use pool::Volume;
pub use progress::Progress;
pub use storage::{Resize, Storage, VolumeKey, check};
pub use whole_device::{warn_guest_device, warn_pool_devices};
