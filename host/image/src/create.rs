//! New images.

pub use reeve_model::storage::Preallocation;
use serde::{Deserialize, Serialize};

use crate::backing::BackingReference;
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::format::Format;
use crate::qcow2::{CLUSTER_BITS, DEFAULT_CLUSTER_BITS, Fresh, Geometry, Plan};

/// A sector: sizes of disks are multiples of it.
pub(crate) const SECTOR: u64 = 512;

/// Version of the qcow2 format, by the QEMU that brought it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compat {
    /// Version 2, for readers from before 2012.
    #[serde(rename = "0.10")]
    V0_10,
    /// Version 3.
    #[default]
    #[serde(rename = "1.1")]
    V1_1,
}

impl Compat {
    /// The name as documents and QEMU write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V0_10 => "0.10",
            Self::V1_1 => "1.1",
        }
    }
}

/// A new image as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateOptions {
    /// Its format.
    pub format: Format,
    /// Size of the disk in bytes, rounded up to 512.
    pub size: u64,
    /// Space taken at once.
    pub preallocation: Preallocation,
    /// What only qcow2 has.
    pub qcow2: Qcow2Options,
}

/// What can be chosen for a new qcow2 image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Qcow2Options {
    /// Version of the format.
    pub compat: Compat,
    /// Bytes of a cluster, a power of two from 512 to 2 MiB; none is 64 KiB.
    pub cluster_size: Option<u64>,
    /// Bits of a refcount, a power of two from 1 to 64; none is 16.
    pub refcount_bits: Option<u32>,
    /// QEMU may keep refcounts in memory while it writes.
    pub lazy_refcounts: bool,
    /// 32 subclusters a cluster, each allocated by itself.
    pub extended_l2: bool,
    /// The backing file, written into the image as it is given.
    pub backing: Option<BackingReference>,
}

impl CreateOptions {
    /// An image with nothing chosen.
    pub fn new(format: Format, size: u64) -> Self {
        Self { format, size, preallocation: Preallocation::Off, qcow2: Qcow2Options::default() }
    }

    /// Why such an image can't be; none when it can.
    pub fn complaint(&self) -> Option<String> {
        if self.size > i64::MAX as u64 - SECTOR {
            return Some(format!("a disk of {} bytes is too large", self.size));
        }
        match self.format {
            Format::Raw => self.raw_complaint(),
            Format::Qcow2 => self.plan().err(),
        }
    }

    fn raw_complaint(&self) -> Option<String> {
        if self.preallocation == Preallocation::Metadata {
            return Some("raw images have no metadata to preallocate; use falloc or full".to_owned());
        }
        let only_qcow2 = self.qcow2 != Qcow2Options::default();
        only_qcow2.then(|| {
            "raw images have neither backing files nor clusters; leave the options of qcow2 out".to_owned()
        })
    }

    /// What the writer of qcow2 needs to know, judged.
    pub(crate) fn plan(&self) -> Result<Plan, String> {
        let options = &self.qcow2;
        let cluster = options.cluster_size.unwrap_or(1 << DEFAULT_CLUSTER_BITS);
        let cluster_bits = cluster.trailing_zeros();
        if !cluster.is_power_of_two() || !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(format!("clusters have a power of two from 512 bytes to 2 MiB, not {cluster} bytes"));
        }
        let bits = options.refcount_bits.unwrap_or(16);
        if !bits.is_power_of_two() || bits > 64 {
            return Err(format!("refcounts have 1, 2, 4, 8, 16, 32 or 64 bits, not {bits}"));
        }
        let old = options.compat == Compat::V0_10;
        if old && (options.lazy_refcounts || options.extended_l2 || bits != 16) {
            return Err(
                "lazy refcounts, extended L2 entries and refcounts of other than 16 bits need compat 1.1"
                    .to_owned(),
            );
        }
        if options.extended_l2 && cluster_bits < 14 {
            return Err("extended L2 entries need clusters of at least 16 KiB".to_owned());
        }
        if let Some(backing) = &options.backing {
            if let Some(complaint) = backing.complaint() {
                return Err(format!("backing file '{}': {complaint}", backing.name));
            }
            if self.preallocation != Preallocation::Off {
                return Err(
                    "an image with a backing file can't be preallocated: it would hide the file".to_owned()
                );
            }
        }
        let size = self.size.next_multiple_of(SECTOR);
        let geometry = Geometry { cluster_bits, extended: options.extended_l2, zero_flag: !old };
        if geometry.l1_entries(size).is_none() {
            return Err(format!("a disk of {size} bytes needs larger clusters than {cluster} bytes"));
        }
        Ok(Plan {
            version: if old { 2 } else { 3 },
            cluster_bits,
            size,
            refcount_order: bits.trailing_zeros(),
            lazy_refcounts: options.lazy_refcounts,
            extended: options.extended_l2,
            backing: options.backing.clone(),
            preallocation: self.preallocation,
        })
    }
}

/// Makes an image in a file that is empty, or on a block device, and waits until it is on the disk. Until it returns nothing opens the
/// file as qcow2; after an error the caller removes the file. The backing file is not looked at.
pub fn create(file: ImageFile, options: &CreateOptions) -> Result<(), ImageError> {
    if let Some(complaint) = options.complaint() {
        return Err(file.refused("created", complaint));
    }
    if !file.is_block() && !file.is_empty()? {
        return Err(file.refused("created", "the file is not empty"));
    }
    let file = match options.format {
        Format::Raw => {
            make_raw(&file, options.size.next_multiple_of(SECTOR), options.preallocation)?;
            file
        }
        Format::Qcow2 => {
            let plan = options.plan().map_err(|complaint| file.refused("created", complaint))?;
            Fresh::new(file, &plan)?.finish()?
        }
    };
    file.sync()
}

pub(crate) fn make_raw(file: &ImageFile, size: u64, preallocation: Preallocation) -> Result<(), ImageError> {
    file.set_len(size)?;
    match preallocation {
        Preallocation::Off | Preallocation::Metadata => Ok(()),
        Preallocation::Falloc => file.reserve(0, size),
        Preallocation::Full => file.write_zeros(0, size),
    }
}
