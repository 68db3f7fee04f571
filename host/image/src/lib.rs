//! Disk images: raw and qcow2.
//!
//! The caller opens files and says what format they have; nothing here opens anything by a name or believes what a file looks like
//! (decisions/0010). Backing files come from the caller's [`BackingResolver`]; [`Directories`] is one. An image is hostile bytes to a
//! root daemon: every size and place in it is judged before it is used, and what is wrong is an error that names the image.
//!
//! ```text
//!   ImageFile + Format ── create ──> a new image, whole or not openable
//!                      ── luks_create, luks_unlock ─> an encrypted container, whole or not openable, and its key
//!                      ── info ───> what is known without reading the disk
//!                      ── open ───> Image: read, write, zero, resize, snapshots, map, rebase, commit; and while it is in use,
//!                                          by steps: pull, commit, copy (`layers`)
//!                      ── chain ──> the files of its chain, for open_chain in a process that opens nothing
//! ```
#![forbid(unsafe_code)]

mod backing;
mod bench;
mod cache;
mod chain;
mod check;
mod compare;
mod convert;
mod create;
mod directories;
mod error;
mod extent;
mod file;
mod format;
mod image;
mod info;
mod layers;
mod luks;
mod placed;
mod probe;
mod qcow2;
mod raw;
mod rebase;
mod resize;
mod snapshot;
mod zero;

pub use backing::{BackingError, BackingReference, BackingRequest, BackingResolver, MAX_CHAIN, NoBacking};
pub use bench::BenchOptions;
pub use cache::Cache;
pub use chain::{chain, disk_size, open_chain};
pub use check::{Check, Repair, check};
pub use compare::Difference;
pub use convert::{ConvertOptions, SPARSE, convert};
pub use create::{Compat, CreateOptions, Preallocation, Qcow2Options, create};
pub use directories::Directories;
pub use error::ImageError;
pub use extent::Extent;
pub use file::ImageFile;
pub use format::{Format, UnknownFormat};
pub use image::{Access, Image, open, open_alone};
pub use info::{CompressionType, Info, Qcow2Info, info};
pub use layers::{Shown, Step};
pub use luks::{
    Effort, LUKS_PAYLOAD, Luks, LuksCipher, LuksKey, luks_create, luks_info, luks_opens, luks_unlock,
};
pub use placed::Placed;
pub use probe::{Content, Probe, probe};
pub use qcow2::Snapshot;
pub use rebase::Progress;
pub use resize::{NewSize, ResizeOptions};
