//! Disks, and how their images are read and written.

use reeve_image::Format;
use serde::{Deserialize, Serialize};

use super::{ErrorPolicy, FdIndex};

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockConfig {
    /// The image or block device; opened with O_DIRECT by the daemon for cache modes `none` and `directsync` where it is raw.
    pub fd: FdIndex,
    /// Its format, which is told and never guessed.
    #[serde(default = "raw", skip_serializing_if = "is_raw")]
    pub format: Format,
    /// The backing files of a qcow2 image, from the top down, opened for reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backing: Vec<BackingConfig>,
    /// The guest can't write.
    #[serde(default)]
    pub readonly: bool,
    /// It is a drive: its medium, which is only read, is changed while the guest runs, and a file without a byte is an empty one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removable: bool,
    /// Serial number, at most 20 bytes of ASCII.
    #[serde(default)]
    pub serial: Option<String>,
    /// When a write is done, and whether the host's page cache is used.
    #[serde(default)]
    pub cache: CacheMode,
    /// The guest's discard requests free space in the image.
    #[serde(default)]
    pub discard: bool,
    /// How much may pass.
    #[serde(default, skip_serializing_if = "DiskLimits::is_none")]
    pub limits: DiskLimits,
    /// What becomes of requests that fail.
    #[serde(default, skip_serializing_if = "ErrorPolicy::is_default")]
    pub errors: ErrorPolicy,
    /// How transfers of a raw image are done.
    #[serde(default)]
    pub io: IoEngine,
    /// Number of the I/O thread that serves it; none for a thread of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iothread: Option<u32>,
    /// What the guest is told of its blocks; none is what the image wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Box<BlockShape>>,
    /// What is read of backing files is kept in the image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copy_on_read: bool,
    /// The image is a LUKS container, and the guest sees what is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionConfig>,
}

/// Sizes of blocks in bytes, what is not said is what the image wants; and how old programs count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockShape {
    /// Least that the guest may read or write at once, a power of two from 512.
    #[serde(default)]
    pub logical: Option<u32>,
    /// Least that is written without reading around it, a power of two.
    #[serde(default)]
    pub physical: Option<u32>,
    /// What is freed is whole pieces of this size.
    #[serde(default)]
    pub discard: Option<u32>,
    /// Cylinders, heads and sectors.
    #[serde(default)]
    pub geometry: Option<BlockGeometry>,
}

impl BlockShape {
    /// Largest logical or physical block.
    pub const MAX: u32 = 2 << 20;

    /// What in it can't be; none when all of it can.
    pub(super) fn fault(&self) -> Option<String> {
        let possible = |size: u32| size.is_power_of_two() && (512..=Self::MAX).contains(&size);
        if let Some(size) = [self.logical, self.physical].into_iter().flatten().find(|size| !possible(*size))
        {
            return Some(format!("blocks of {size} bytes are not a power of two from 512 to {}", Self::MAX));
        }
        let discard = self.discard.filter(|size| *size == 0 || !size.is_multiple_of(512));
        discard.map(|size| format!("pieces of {size} bytes are not whole sectors"))
    }
}

/// A disk as old programs count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockGeometry {
    /// Cylinders.
    pub cylinders: u16,
    /// Heads.
    pub heads: u8,
    /// Sectors of a track.
    pub sectors: u8,
}

/// How transfers are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IoEngine {
    /// Many at once, by io_uring where the kernel has it.
    #[default]
    Ring,
    /// One after the other, by the thread of the disk.
    Thread,
}

/// What opens an encrypted disk. The key itself is in no configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionConfig {
    /// A pipe with the master key and nothing else, closed at its other end. It is read once.
    pub key: FdIndex,
    /// Where the disk begins in the file, in bytes.
    pub payload: u64,
}

/// Limits of a disk, each for both ways together, for reads and for writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskLimits {
    /// Bytes a second.
    pub bytes: [RateLimit; 3],
    /// Requests a second.
    pub requests: [RateLimit; 3],
    /// Bytes that count as one request; 0 for any number of them.
    #[serde(default)]
    pub request_bytes: u64,
}

impl DiskLimits {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A rate, and a higher one for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// What may pass a second; 0 is no limit.
    pub rate: u64,
    /// What may pass a second in a burst; 0 is no burst.
    pub max: u64,
    /// How long a burst may last; 0 is one second.
    pub seconds: u64,
}

/// A backing file of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackingConfig {
    /// The image or block device.
    pub fd: FdIndex,
    /// Its format, as the image above it records it.
    pub format: Format,
}

fn raw() -> Format {
    Format::Raw
}

fn is_raw(format: &Format) -> bool {
    *format == Format::Raw
}

/// Cache modes of a disk (guide 4.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheMode {
    /// No host cache; flushes reach the disk.
    None,
    /// Host cache; flushes reach the disk.
    #[default]
    Writeback,
    /// Host cache; every write reaches the disk before it is done.
    Writethrough,
    /// Host cache; flushes are ignored.
    Unsafe,
    /// No host cache; every write reaches the disk before it is done.
    Directsync,
}
