//! What is known about an image without reading its disk.

use serde::Serialize;

use crate::backing::BackingReference;
use crate::create::Compat;
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::format::Format;
use crate::image::{Access, Driver, Image, open_alone};
use crate::qcow2::{Compression, LAZY_REFCOUNTS, Qcow2, Snapshot};

/// What is known about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Its name, as the caller gave it.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// Bytes of the disk.
    pub virtual_size: u64,
    /// Bytes it takes on its file system; 0 on a block device.
    pub disk_size: u64,
    /// Bytes of the file or device.
    pub file_size: u64,
    /// The backing file it names.
    pub backing: Option<BackingReference>,
    /// What only qcow2 has.
    pub qcow2: Option<Qcow2Info>,
}

/// What is known about a qcow2 image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qcow2Info {
    /// Version of the format.
    pub compat: Compat,
    /// Bytes of a cluster.
    pub cluster_size: u64,
    /// How compressed clusters are compressed.
    pub compression: CompressionType,
    /// QEMU may keep refcounts in memory.
    pub lazy_refcounts: bool,
    /// Bits of a refcount.
    pub refcount_bits: u32,
    /// L2 entries have subclusters.
    pub extended_l2: bool,
    /// Somebody found it corrupt.
    pub corrupt: bool,
    /// Its refcounts were not kept up.
    pub dirty: bool,
    /// Snapshots within the image.
    pub snapshots: Vec<Snapshot>,
}

/// How compressed clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CompressionType {
    /// Deflate.
    Zlib,
    /// Zstandard.
    Zstd,
}

/// Looks at an image without its backing file.
pub fn info(file: ImageFile, format: Format) -> Result<Info, ImageError> {
    open_alone(file, format, Access::Read)?.info()
}

impl Image {
    /// What is known about it.
    pub fn info(&self) -> Result<Info, ImageError> {
        let file = self.file();
        let qcow2 = match &self.driver {
            Driver::Raw(_) => None,
            Driver::Qcow2(image) => Some(qcow2_info(image)?),
        };
        Ok(Info {
            name: file.name().to_owned(),
            format: self.format(),
            virtual_size: self.size(),
            disk_size: file.allocated()?,
            file_size: file.len()?,
            backing: self.backing().cloned(),
            qcow2,
        })
    }

    /// What is known about each image of the chain, from this one down.
    pub fn chain_info(&self) -> Result<Vec<Info>, ImageError> {
        std::iter::successors(Some(self), |image| image.below()).map(Self::info).collect()
    }
}

fn qcow2_info(image: &Qcow2) -> Result<Qcow2Info, ImageError> {
    let header = &image.header;
    Ok(Qcow2Info {
        compat: if header.version < 3 { Compat::V0_10 } else { Compat::V1_1 },
        cluster_size: image.geometry.cluster(),
        compression: match header.compression {
            Compression::Deflate => CompressionType::Zlib,
            Compression::Zstd => CompressionType::Zstd,
        },
        lazy_refcounts: header.compatible & LAZY_REFCOUNTS != 0,
        refcount_bits: 1 << header.refcount_order,
        extended_l2: header.is_extended(),
        corrupt: image.is_marked_corrupt(),
        dirty: image.is_dirty(),
        snapshots: image.snapshots()?,
    })
}
