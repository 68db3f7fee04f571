//! Reading a header: every number is judged before it is believed.

use super::{
    COMPRESSION_TYPE, Compression, DATA_FILE, EXTENSION_BACKING_FORMAT, EXTENSION_END, Fields, Header,
    KNOWN_INCOMPATIBLE, LENGTH, LENGTH_V2, LENGTH_V3,
};
use crate::backing::{BackingReference, MAX_NAME};
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::qcow2::layout::{MAX_L1, MAX_REFCOUNT_TABLE, MAX_SNAPSHOT_TABLE, MAX_SNAPSHOTS};

/// Largest disk: what a signed offset can hold, and a multiple of a sector.
const MAX_SIZE: u64 = i64::MAX as u64 & !511;

/// The start of a file whose version and cluster size were judged.
pub(super) struct Reader<'a> {
    pub(super) file: &'a ImageFile,
    /// The first cluster, at least 512 bytes.
    pub(super) cluster: &'a [u8],
    pub(super) version: u32,
    pub(super) cluster_bits: u32,
}

impl Reader<'_> {
    pub(super) fn header(&self) -> Result<Header, ImageError> {
        let fields = Fields(self.cluster);
        let mut header = Header::new(self.version, self.cluster_bits, fields.u64(24));
        match fields.u32(32) {
            0 => {}
            1 => {
                return Err(self
                    .file
                    .unsupported("it is encrypted with AES, which is broken; convert it with qemu-img"));
            }
            2 => {
                return Err(self.file.unsupported("it is encrypted with LUKS, which can't be read here yet"));
            }
            other => return Err(self.file.damaged(format!("encryption method {other} does not exist"))),
        }
        header.l1_entries = fields.u32(36);
        header.l1_offset = fields.u64(40);
        header.refcount_table = fields.u64(48);
        header.refcount_clusters = fields.u32(56);
        header.snapshots = fields.u32(60);
        header.snapshot_table = fields.u64(64);
        let mut length = LENGTH_V2;
        if self.version >= 3 {
            length = self.version_three(&mut header)?;
        }
        self.judge(&header)?;
        header.backing = self.backing_name()?;
        self.extensions(&mut header, length)?;
        Ok(header)
    }

    fn version_three(&self, header: &mut Header) -> Result<usize, ImageError> {
        let fields = Fields(self.cluster);
        header.incompatible = fields.u64(72);
        header.compatible = fields.u64(80);
        header.autoclear = fields.u64(88);
        header.refcount_order = fields.u32(96);
        let length = fields.u32(100) as usize;
        if length < LENGTH_V3 || length > self.cluster.len() || !length.is_multiple_of(8) {
            return Err(self.file.damaged(format!("its header is said to have {length} bytes")));
        }
        let unknown = header.incompatible & !KNOWN_INCOMPATIBLE;
        if unknown != 0 {
            return Err(self
                .file
                .unsupported(format!("it needs features that are not known here: {unknown:#x}")));
        }
        if header.incompatible & DATA_FILE != 0 {
            return Err(self.file.unsupported("its data is in another file that it names"));
        }
        let compression = if length > LENGTH_V3 { self.cluster[LENGTH_V3] } else { 0 };
        header.compression = match compression {
            0 => Compression::Deflate,
            1 => Compression::Zstd,
            other => return Err(self.file.unsupported(format!("compression type {other} is not known"))),
        };
        if (compression != 0) != (header.incompatible & COMPRESSION_TYPE != 0) {
            return Err(self.file.damaged("its compression type and its features contradict each other"));
        }
        if length > LENGTH {
            header.unknown = self.cluster[LENGTH..length].to_vec();
        }
        Ok(length)
    }

    /// Bounds and places of everything the header names.
    fn judge(&self, header: &Header) -> Result<(), ImageError> {
        let damaged = |problem: String| Err(self.file.damaged(problem));
        let geometry = header.geometry();
        if header.size > MAX_SIZE {
            return damaged(format!("a disk of {} bytes is too large", header.size));
        }
        if header.refcount_order > 6 {
            return damaged(format!("refcounts of 2^{} bits; at most 64 are allowed", header.refcount_order));
        }
        if header.is_extended() && self.cluster_bits < 14 {
            return damaged("clusters of less than 16 KiB have no subclusters".to_owned());
        }
        match geometry.l1_entries(header.size) {
            None => {
                return damaged(format!(
                    "a disk of {} bytes needs an L1 table of more than 32 MiB",
                    header.size
                ));
            }
            Some(needed) if u64::from(header.l1_entries) < needed => {
                return damaged(format!("its L1 table has {} entries and needs {needed}", header.l1_entries));
            }
            Some(_) => {}
        }
        let end = geometry.round_up(self.file.len()?);
        let table = |what: &str, offset: u64, bytes: u64, limit: u64| {
            if bytes > limit {
                return damaged(format!(
                    "its {what} has {bytes} bytes, more than the {limit} that are allowed"
                ));
            }
            if bytes > 0 && (!offset.is_multiple_of(geometry.cluster()) || offset == 0) {
                return damaged(format!("its {what} is at {offset:#x}, where no table can be"));
            }
            if bytes > 0 && offset.checked_add(bytes).is_none_or(|last| last > end) {
                return damaged(format!(
                    "its {what} at {offset:#x} is not within the file; it may have been cut off"
                ));
            }
            Ok(())
        };
        table("L1 table", header.l1_offset, u64::from(header.l1_entries) * 8, MAX_L1)?;
        let refcounts = u64::from(header.refcount_clusters) << self.cluster_bits;
        table(
            "refcount table",
            header.refcount_table,
            refcounts,
            MAX_REFCOUNT_TABLE.max(geometry.cluster()),
        )?;
        if refcounts == 0 {
            return damaged("it has no refcount table".to_owned());
        }
        if header.snapshots > MAX_SNAPSHOTS {
            return damaged(format!("{} snapshots; {MAX_SNAPSHOTS} are allowed", header.snapshots));
        }
        // An entry takes at least 40 bytes; its whole length is judged when it is read.
        table("snapshot table", header.snapshot_table, u64::from(header.snapshots) * 40, MAX_SNAPSHOT_TABLE)
    }

    fn backing_name(&self) -> Result<Option<BackingReference>, ImageError> {
        let fields = Fields(self.cluster);
        let (offset, length) = (fields.u64(8), fields.u32(16) as usize);
        if offset == 0 || length == 0 {
            return Ok(None);
        }
        if length > MAX_NAME {
            return Err(self.file.damaged(format!("the name of its backing file has {length} bytes")));
        }
        let name = usize::try_from(offset)
            .ok()
            .and_then(|start| self.cluster.get(start..start.checked_add(length)?))
            .ok_or_else(|| self.file.damaged("the name of its backing file is not in the first cluster"))?;
        let name = std::str::from_utf8(name)
            .map_err(|_| self.file.damaged("the name of its backing file is not UTF-8"))?;
        Ok(Some(BackingReference { name: name.to_owned(), format: None }))
    }

    fn extensions(&self, header: &mut Header, start: usize) -> Result<(), ImageError> {
        // They end where the backing file's name begins, if there is one.
        let name = Fields(self.cluster).u64(8);
        let end = if header.backing.is_some() { name as usize } else { self.cluster.len() };
        let mut at = start;
        while at + 8 <= end {
            let fields = Fields(self.cluster);
            let (kind, length) = (fields.u32(at), fields.u32(at + 4) as usize);
            at += 8;
            if kind == EXTENSION_END {
                break;
            }
            let content = at
                .checked_add(length)
                .filter(|last| *last <= end)
                .and_then(|last| self.cluster.get(at..last))
                .ok_or_else(|| self.file.damaged(format!("header extension {kind:#x} has {length} bytes")))?;
            if kind == EXTENSION_BACKING_FORMAT {
                if let Some(backing) = &mut header.backing {
                    backing.format = Some(String::from_utf8_lossy(content).into_owned());
                }
            } else {
                header.extensions.push((kind, content.to_vec()));
            }
            at += length.next_multiple_of(8);
        }
        Ok(())
    }
}
