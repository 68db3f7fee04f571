//! The header of a qcow2 file, with its extensions and the name of the backing file: all in the first cluster, written at once.

mod read;

use crate::backing::BackingReference;
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::qcow2::layout::{CLUSTER_BITS, Geometry};
use read::Reader;

const MAGIC: &[u8; 4] = b"QFI\xfb";
/// Length of a version 2 header; smallest and usual of a version 3 header.
const LENGTH_V2: usize = 72;
const LENGTH_V3: usize = 104;
const LENGTH: usize = 112;

const EXTENSION_END: u32 = 0;
const EXTENSION_BACKING_FORMAT: u32 = 0xe279_2aca;
const EXTENSION_BITMAPS: u32 = 0x2385_2875;

/// Refcounts were not kept up; they must be counted before anything is written.
pub(crate) const DIRTY: u64 = 1;
/// Somebody found the image corrupt.
pub(crate) const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
const KNOWN_INCOMPATIBLE: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2;
/// Refcounts may be kept up later.
pub(crate) const LAZY_REFCOUNTS: u64 = 1;

/// How compressed clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Deflate,
    Zstd,
}

/// A header that has been judged: every table it names is within its bounds and aligned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) backing: Option<BackingReference>,
    pub(crate) cluster_bits: u32,
    pub(crate) size: u64,
    pub(crate) l1_entries: u32,
    pub(crate) l1_offset: u64,
    pub(crate) refcount_table: u64,
    pub(crate) refcount_clusters: u32,
    pub(crate) snapshots: u32,
    pub(crate) snapshot_table: u64,
    pub(crate) incompatible: u64,
    pub(crate) compatible: u64,
    pub(crate) autoclear: u64,
    pub(crate) refcount_order: u32,
    pub(crate) compression: Compression,
    /// Fields behind those that are known, kept as they are.
    unknown: Vec<u8>,
    /// Extensions besides the backing file's format, kept as they are.
    extensions: Vec<(u32, Vec<u8>)>,
}

impl Header {
    /// A header without tables.
    pub(crate) fn new(version: u32, cluster_bits: u32, size: u64) -> Self {
        Self {
            version,
            backing: None,
            cluster_bits,
            size,
            l1_entries: 0,
            l1_offset: 0,
            refcount_table: 0,
            refcount_clusters: 0,
            snapshots: 0,
            snapshot_table: 0,
            incompatible: 0,
            compatible: 0,
            autoclear: 0,
            refcount_order: 4,
            compression: Compression::Deflate,
            unknown: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// Reads and judges the header.
    pub(crate) fn read(file: &ImageFile) -> Result<Self, ImageError> {
        let mut start = [0; LENGTH];
        file.read_padded(&mut start, 0)?;
        let fields = Fields(&start);
        if &start[..4] != MAGIC {
            return Err(file.damaged("it does not begin like a qcow2 image"));
        }
        let version = fields.u32(4);
        if !matches!(version, 2 | 3) {
            return Err(file.unsupported(format!("it is qcow2 of version {version}; 2 and 3 are known")));
        }
        let cluster_bits = fields.u32(20);
        if !CLUSTER_BITS.contains(&cluster_bits) {
            return Err(file.damaged(format!("clusters of 2^{cluster_bits} bytes; 2^9 to 2^21 are allowed")));
        }
        let mut cluster = vec![0; 1 << cluster_bits];
        file.read_padded(&mut cluster, 0)?;
        Reader { file, cluster: &cluster, version, cluster_bits }.header()
    }

    pub(crate) fn geometry(&self) -> Geometry {
        Geometry {
            cluster_bits: self.cluster_bits,
            extended: self.incompatible & EXTENDED_L2 != 0,
            zero_flag: self.version >= 3,
        }
    }

    pub(crate) fn is_extended(&self) -> bool {
        self.incompatible & EXTENDED_L2 != 0
    }

    /// The image keeps bitmaps of changed blocks, which only their writer understands.
    pub(crate) fn has_bitmaps(&self) -> bool {
        self.extensions.iter().any(|(kind, _)| *kind == EXTENSION_BITMAPS)
    }

    /// Writes the header, in one write.
    pub(crate) fn write(&self, file: &ImageFile) -> Result<(), ImageError> {
        file.write(&self.encode(file)?, 0)
    }

    fn encode(&self, file: &ImageFile) -> Result<Vec<u8>, ImageError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.version.to_be_bytes());
        // The backing file's name comes last, when its place is known.
        bytes.extend([0; 12]);
        bytes.extend(self.cluster_bits.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(0_u32.to_be_bytes());
        bytes.extend(self.l1_entries.to_be_bytes());
        bytes.extend(self.l1_offset.to_be_bytes());
        bytes.extend(self.refcount_table.to_be_bytes());
        bytes.extend(self.refcount_clusters.to_be_bytes());
        bytes.extend(self.snapshots.to_be_bytes());
        bytes.extend(self.snapshot_table.to_be_bytes());
        if self.version >= 3 {
            for features in [self.incompatible, self.compatible, self.autoclear] {
                bytes.extend(features.to_be_bytes());
            }
            bytes.extend(self.refcount_order.to_be_bytes());
            bytes.extend(((LENGTH + self.unknown.len()) as u32).to_be_bytes());
            bytes.extend([u8::from(self.compression == Compression::Zstd), 0, 0, 0, 0, 0, 0, 0]);
            bytes.extend(&self.unknown);
        }
        let format = self.backing.as_ref().and_then(|backing| backing.format.as_deref());
        if let Some(format) = format {
            extend(&mut bytes, EXTENSION_BACKING_FORMAT, format.as_bytes());
        }
        for (kind, content) in &self.extensions {
            extend(&mut bytes, *kind, content);
        }
        extend(&mut bytes, EXTENSION_END, &[]);
        if let Some(backing) = &self.backing {
            let place = bytes.len() as u64;
            bytes[8..16].copy_from_slice(&place.to_be_bytes());
            bytes[16..20].copy_from_slice(&(backing.name.len() as u32).to_be_bytes());
            bytes.extend(backing.name.as_bytes());
        }
        if bytes.len() > 1 << self.cluster_bits {
            let reason = format!(
                "its header takes {} bytes and its clusters have {}: use a shorter backing file name or larger clusters",
                bytes.len(),
                1 << self.cluster_bits
            );
            return Err(file.refused("written", reason));
        }
        Ok(bytes)
    }

    pub(crate) fn set_extended(&mut self) {
        self.incompatible |= EXTENDED_L2;
    }
}

fn extend(bytes: &mut Vec<u8>, kind: u32, content: &[u8]) {
    bytes.extend(kind.to_be_bytes());
    bytes.extend((content.len() as u32).to_be_bytes());
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
}

/// Big-endian numbers at their places; the caller knows that they are there.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from(self.u16(at)) << 16 | u32::from(self.u16(at + 2))
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) << 32 | u64::from(self.u32(at + 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;

    fn file(bytes: &[u8]) -> ImageFile {
        let file = ImageFile::new(tempfile::tempfile().unwrap(), "disk.qcow2").unwrap();
        file.write(bytes, 0).unwrap();
        file.set_len(1 << 20).unwrap();
        file
    }

    fn good() -> Header {
        Header {
            l1_entries: 2,
            l1_offset: 0x30000,
            refcount_table: 0x10000,
            refcount_clusters: 1,
            backing: Some(BackingReference::new("base.raw", Format::Raw)),
            ..Header::new(3, 16, 1 << 30)
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let file = file(&[]);
        let mut header = good();
        header.extensions.push((0x1234_5678, vec![1, 2, 3]));
        header.unknown = vec![9; 8];
        header.write(&file).unwrap();
        assert_eq!(Header::read(&file).unwrap(), header);
        let old = Header { version: 2, unknown: Vec::new(), ..header };
        old.write(&file).unwrap();
        assert_eq!(Header::read(&file).unwrap(), old);
    }

    #[test]
    fn every_number_is_judged() {
        let file = file(&[]);
        let bytes = good().encode(&file).unwrap();
        let cases: [(usize, &[u8], &str); 16] = [
            (0, b"QFI\0", "does not begin"),
            (4, &[0, 0, 0, 1], "version 1"),
            (20, &[0, 0, 0, 63], "2^63"),
            (20, &[0, 0, 0, 8], "2^8"),
            (24, &[0xff; 8], "too large"),
            (24, &[0, 0x7f, 0, 0, 0, 0, 0, 0], "more than 32 MiB"),
            (32, &[0, 0, 0, 1], "AES"),
            (32, &[0, 0, 0, 2], "LUKS"),
            (36, &[0xff; 4], "L1 table has"),
            (36, &[0, 0, 0, 1], "needs 2"),
            (40, &[0, 0, 0, 1, 0, 0, 0, 0], "not within the file"),
            (48, &[0, 0, 0, 0, 0, 0, 2, 0], "where no table can be"),
            (56, &[0xff; 4], "refcount table has"),
            (60, &[0xff; 4], "snapshots"),
            (72, &[0x80, 0, 0, 0, 0, 0, 0, 0], "not known here"),
            (16, &[0, 0, 4, 0], "1024 bytes"),
        ];
        for (at, change, wanted) in cases {
            let mut bad = bytes.clone();
            bad[at..at + change.len()].copy_from_slice(change);
            file.write(&bad, 0).unwrap();
            let error = Header::read(&file).unwrap_err().to_string();
            assert!(error.contains("disk.qcow2") && error.contains(wanted), "{wanted}: {error}");
        }
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        let file = file(&[]);
        let backing = Some(BackingReference::new("b".repeat(500), Format::Raw));
        let header = Header { cluster_bits: 9, backing, ..good() };
        assert!(header.write(&file).unwrap_err().to_string().contains("larger clusters"));
    }
}
