//! Snapshots within an image: each has an L1 table of its own, whose L2 tables and clusters it shares with the disk.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::error::ImageError;
use crate::qcow2::Qcow2;
use crate::qcow2::header::Fields;
use crate::qcow2::layout::{COPIED, Entry, MAX_SNAPSHOT_TABLE, MAX_SNAPSHOTS};
use crate::qcow2::tables::read_l1;

/// A snapshot of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Number, unique in the image; a text by the format.
    pub id: String,
    /// Name, not always unique.
    pub name: String,
    /// When it was made.
    pub taken: OffsetDateTime,
    /// How long the guest had run, nanoseconds.
    pub vm_clock: u64,
    /// Bytes of memory and device state that QEMU saved with it.
    pub vm_state: u64,
    /// Size of the disk then; none in images of version 0.10.
    pub size: Option<u64>,
    l1_offset: u64,
    l1_entries: u32,
    /// Extra fields as they are in the image.
    extra: Vec<u8>,
    nanoseconds: u32,
}

const FIXED: usize = 40;
/// Longest extra data that is taken, as QEMU has it.
const MAX_EXTRA: usize = 1024;

impl Snapshot {
    /// Reads an entry; it and its length.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let fields = Fields(bytes.get(..FIXED)?);
        let (id, name) = (usize::from(fields.u16(12)), usize::from(fields.u16(14)));
        let extra = fields.u32(36) as usize;
        if extra > MAX_EXTRA {
            return None;
        }
        let extra_data = bytes.get(FIXED..FIXED + extra)?;
        let texts = bytes.get(FIXED + extra..FIXED + extra + id + name)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let large = Fields(extra_data);
        let snapshot = Self {
            id: text(&texts[..id]),
            name: text(&texts[id..]),
            taken: OffsetDateTime::from_unix_timestamp(i64::from(fields.u32(16))).ok()?,
            vm_clock: fields.u64(24),
            vm_state: if extra >= 8 { large.u64(0) } else { u64::from(fields.u32(32)) },
            size: (extra >= 16).then(|| large.u64(8)),
            l1_offset: fields.u64(0),
            l1_entries: fields.u32(8),
            extra: extra_data.to_vec(),
            nanoseconds: fields.u32(20),
        };
        Some((snapshot, (FIXED + extra + id + name).next_multiple_of(8)))
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.l1_offset.to_be_bytes());
        bytes.extend(self.l1_entries.to_be_bytes());
        bytes.extend((self.id.len() as u16).to_be_bytes());
        bytes.extend((self.name.len() as u16).to_be_bytes());
        bytes.extend((self.taken.unix_timestamp() as u32).to_be_bytes());
        bytes.extend(self.nanoseconds.to_be_bytes());
        bytes.extend(self.vm_clock.to_be_bytes());
        bytes.extend((self.vm_state as u32).to_be_bytes());
        bytes.extend((self.extra.len() as u32).to_be_bytes());
        bytes.extend(&self.extra);
        bytes.extend(self.id.as_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
    }
}

impl Qcow2 {
    /// All snapshots, in the order of the table.
    pub(crate) fn snapshots(&self) -> Result<Vec<Snapshot>, ImageError> {
        Ok(self.snapshot_table()?.0)
    }

    /// All snapshots, and the length of their table in bytes.
    pub(super) fn snapshot_table(&self) -> Result<(Vec<Snapshot>, u64), ImageError> {
        let mut snapshots = Vec::new();
        // Read a little at a time: the table may be said to be long.
        let (mut window, mut start, mut at) = (Vec::new(), 0, 0_u64);
        let longest = (FIXED + MAX_EXTRA + 2 * usize::from(u16::MAX)) as u64;
        for number in 0..self.header.snapshots {
            if at + longest > start + window.len() as u64 {
                start = at;
                window = vec![0; (longest * 2) as usize];
                self.file.read_padded(&mut window, self.header.snapshot_table + start)?;
            }
            let within = (at - start) as usize;
            let (snapshot, length) = Snapshot::parse(&window[within..]).ok_or_else(|| {
                self.file.damaged(format!("entry {number} of its snapshot table makes no sense"))
            })?;
            at += length as u64;
            if at > MAX_SNAPSHOT_TABLE {
                return Err(self
                    .file
                    .damaged("its snapshot table has more than the 64 MiB that are allowed"));
            }
            snapshots.push(snapshot);
        }
        Ok((snapshots, at))
    }

    /// The L1 table of a snapshot.
    pub(super) fn snapshot_l1(&self, snapshot: &Snapshot) -> Result<Vec<u64>, ImageError> {
        if snapshot.l1_entries == 0 {
            return Ok(Vec::new());
        }
        self.judge_cluster(format_args!("the L1 table of snapshot '{}'", snapshot.name), snapshot.l1_offset)?;
        let end = snapshot.l1_offset + u64::from(snapshot.l1_entries) * 8;
        if end > self.end {
            let problem = format!("the L1 table of snapshot '{}' is not within the file", snapshot.name);
            return Err(self.file.damaged(problem));
        }
        read_l1(&self.file, snapshot.l1_offset, u64::from(snapshot.l1_entries))
    }

    /// Clusters of a snapshot's L1 table: the offset of the first, and the bytes.
    pub(super) fn snapshot_l1_place(snapshot: &Snapshot) -> (u64, u64) {
        (snapshot.l1_offset, u64::from(snapshot.l1_entries) * 8)
    }

    /// The snapshot with this id, or else this name.
    fn find(&self, snapshots: &[Snapshot], wanted: &str, doing: &'static str) -> Result<usize, ImageError> {
        let by_id = snapshots.iter().position(|snapshot| snapshot.id == wanted);
        by_id
            .or_else(|| snapshots.iter().position(|snapshot| snapshot.name == wanted))
            .ok_or_else(|| self.file.refused(doing, format!("it has no snapshot '{wanted}'")))
    }

    /// Makes a snapshot of the disk as it is.
    pub(crate) fn create_snapshot(
        &mut self,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<Snapshot, ImageError> {
        const DOING: &str = "snapshotted";
        let mut snapshots = self.snapshots()?;
        if name.is_empty() || name.len() > usize::from(u16::MAX) || name.contains('\0') {
            return Err(self.file.refused(DOING, "a snapshot's name has 1 to 65535 bytes"));
        }
        if snapshots.iter().any(|snapshot| snapshot.name == name) {
            return Err(self.file.refused(DOING, format!("it has a snapshot '{name}' already")));
        }
        if snapshots.len() as u32 >= MAX_SNAPSHOTS {
            return Err(self
                .file
                .refused(DOING, format!("it has {MAX_SNAPSHOTS} snapshots, the most there can be")));
        }
        self.begin()?;
        let ids = snapshots.iter().filter_map(|snapshot| snapshot.id.parse::<u64>().ok());
        let id = ids.max().unwrap_or(0) + 1;
        let mut extra = Vec::new();
        for field in [0, self.header.size, u64::MAX] {
            extra.extend(u64::to_be_bytes(field));
        }
        self.atomically(|image| {
            let l1 = image.share()?;
            let snapshot = Snapshot {
                id: id.to_string(),
                name: name.to_owned(),
                taken: now,
                vm_clock: 0,
                vm_state: 0,
                size: Some(image.header.size),
                l1_offset: image.place_l1(&l1)?,
                l1_entries: l1.len() as u32,
                extra,
                nanoseconds: now.nanosecond(),
            };
            image.replace_l1(l1)?;
            snapshots.push(snapshot.clone());
            image.replace_snapshots(&snapshots)?;
            Ok(snapshot)
        })
    }

    /// Makes the disk what it was when the snapshot was made.
    pub(crate) fn apply_snapshot(&mut self, wanted: &str) -> Result<(), ImageError> {
        let snapshots = self.snapshots()?;
        let snapshot = snapshots[self.find(&snapshots, wanted, "reverted")?].clone();
        self.begin()?;
        let size = snapshot.size.unwrap_or(self.header.size);
        let mut l1 = self.snapshot_l1(&snapshot)?;
        let entries = self.geometry.l1_entries(size).ok_or_else(|| {
            self.file.damaged(format!("snapshot '{}' is of a disk of {size} bytes", snapshot.name))
        })?;
        if (l1.len() as u64) < entries {
            return Err(self
                .file
                .damaged(format!("the L1 table of snapshot '{}' is too short", snapshot.name)));
        }
        l1.iter_mut().for_each(|entry| *entry &= !COPIED);
        if l1.is_empty() {
            l1.push(0);
        }
        self.atomically(|image| {
            let old = image.l1.clone();
            image.reference_tree(&l1)?;
            image.release_tree(&old)?;
            image.remark(&mut l1)?;
            image.header.size = size;
            image.replace_l1(l1)
        })
    }

    /// Forgets a snapshot, and gives back what only it had.
    pub(crate) fn delete_snapshot(&mut self, wanted: &str) -> Result<(), ImageError> {
        let mut snapshots = self.snapshots()?;
        let snapshot = snapshots.remove(self.find(&snapshots, wanted, "changed")?);
        self.begin()?;
        let l1 = self.snapshot_l1(&snapshot)?;
        self.atomically(|image| {
            image.replace_snapshots(&snapshots)?;
            image.release_tree(&l1)?;
            let (offset, length) = Self::snapshot_l1_place(&snapshot);
            image.release_bytes(offset, length)?;
            let mut l1 = image.l1.clone();
            match image.remark(&mut l1)? {
                true => image.replace_l1(l1),
                false => Ok(()),
            }
        })
    }

    /// Gives every table and cluster of the disk a second reference; the L1 table of both. Tables that say that something may be written
    /// in place are copied without that.
    fn share(&mut self) -> Result<Vec<u64>, ImageError> {
        let mut l1 = self.l1.clone();
        for entry in &mut l1 {
            let Some(table) = self.l2_offset(*entry)? else { continue };
            let words = self.l2_table(table)?.to_vec();
            let mut unmarked = words.clone();
            unmarked.chunks_mut(self.geometry.words()).for_each(|entry| entry[0] &= !COPIED);
            *entry &= !COPIED;
            if unmarked != words {
                *entry = self.place_table(unmarked)?;
                self.release(table >> self.geometry.cluster_bits)?;
            }
        }
        self.reference_tree(&l1)?;
        Ok(l1)
    }

    /// Adds a reference to every L2 table of an L1 table and to every cluster of those.
    pub(super) fn reference_tree(&mut self, l1: &[u64]) -> Result<(), ImageError> {
        let mut seen = BTreeSet::new();
        for entry in l1 {
            let Some(table) = self.l2_offset(*entry)? else { continue };
            // A few tables that are used over and over would keep us counting.
            if !seen.insert(table) {
                return Err(self
                    .file
                    .damaged(format!("the L2 table at {table:#x} is used twice; see 'check'")));
            }
            let words = self.l2_table(table)?;
            for entry in words.chunks(self.geometry.words()) {
                match self.geometry.space(entry) {
                    Entry::Data { host } | Entry::Zero { host: Some(host) } => {
                        self.judge_cluster("a cluster of the disk", host)?;
                        self.reference(host >> self.geometry.cluster_bits)?;
                    }
                    Entry::Compressed { host, length } => {
                        for cluster in
                            host >> self.geometry.cluster_bits..self.geometry.clusters(host + length)
                        {
                            self.reference(cluster)?;
                        }
                    }
                    Entry::Unallocated | Entry::Zero { host: None } => {}
                }
            }
            self.reference(table >> self.geometry.cluster_bits)?;
        }
        Ok(())
    }

    pub(super) fn release_tree(&mut self, l1: &[u64]) -> Result<(), ImageError> {
        for entry in l1 {
            if let Some(table) = self.l2_offset(*entry)? {
                self.release_table(table)?;
            }
        }
        Ok(())
    }

    /// Marks what has one reference as such, and nothing else.
    pub(super) fn mark_copied(&mut self) -> Result<(), ImageError> {
        let mut seen = BTreeSet::new();
        for index in 0..self.l1.len() {
            let entry = self.l1[index];
            let Some(table) = self.l2_offset(entry)? else { continue };
            let single = self.refcount(table >> self.geometry.cluster_bits)? == 1;
            let marked = if single { entry | COPIED } else { entry & !COPIED };
            if marked != entry {
                self.set_l1(index, marked);
            }
            if !seen.insert(table) {
                continue;
            }
            let words = self.l2_table(table)?.to_vec();
            let marked = self.marked(&words)?;
            if marked != words {
                self.tables.write(&self.file, table, marked)?;
            }
        }
        Ok(())
    }

    pub(super) fn marked(&mut self, words: &[u64]) -> Result<Vec<u64>, ImageError> {
        let bits = self.geometry.cluster_bits;
        let mut marked = words.to_vec();
        for entry in marked.chunks_mut(self.geometry.words()) {
            if let Entry::Data { host } | Entry::Zero { host: Some(host) } = self.geometry.space(entry) {
                let single = self.refcount(host >> bits)? == 1;
                entry[0] = if single { entry[0] | COPIED } else { entry[0] & !COPIED };
            }
        }
        Ok(marked)
    }

    /// Writes the snapshot table into a place of its own, for the header to name; the old one is released.
    fn replace_snapshots(&mut self, snapshots: &[Snapshot]) -> Result<(), ImageError> {
        let (_, old) = self.snapshot_table()?;
        let old = (self.header.snapshot_table, old);
        let mut bytes = Vec::new();
        snapshots.iter().for_each(|snapshot| snapshot.append_to(&mut bytes));
        if bytes.len() as u64 > MAX_SNAPSHOT_TABLE {
            return Err(self.file.refused("snapshotted", "its snapshot table would have more than 64 MiB"));
        }
        let mut offset = 0;
        if !bytes.is_empty() {
            offset = self.place(self.geometry.clusters(bytes.len() as u64))? << self.geometry.cluster_bits;
            self.file.write(&bytes, offset)?;
        }
        self.header.snapshots = snapshots.len() as u32;
        self.header.snapshot_table = offset;
        self.release_bytes(old.0, old.1)
    }
}
