//! The entries of a GPT as the bytes that they are on the disk.
//!
//! The crate `gpt` reads and checks a table, and makes an empty one. It would write entries one behind the other, so that partitions
//! get other numbers when one before them goes; here every entry stays at its place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::{GptConfig, partition_types};
use uuid::Uuid;

use super::table::Slot;

/// The most entries of a table that is read.
const ENTRIES_MAX: u32 = 1024;
/// Sums are as those of Ethernet.
const SUM: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// A table in memory.
#[derive(Debug)]
pub(super) struct GuidTable {
    sector: u64,
    /// First usable sector and the one after the last.
    pub(super) usable: (u64, u64),
    entry: usize,
    bytes: Vec<u8>,
    /// Sectors of a header and of its entries: the copy at the end of the disk first.
    places: [(u64, u64); 2],
}

impl GuidTable {
    pub(super) fn load(disk: &File, block: LogicalBlockSize, sectors: u64) -> Result<Self, String> {
        let sector = u64::from(block);
        bounded(disk, sector, sectors)?;
        let device = disk.try_clone().map_err(|error| error.to_string())?;
        let config = GptConfig::new().logical_block_size(block).only_valid_headers(true);
        let table = config
            .open_from_device(device)
            .map_err(|error| format!("it holds no GPT that is whole: {error}"))?;
        let (primary, backup) = match (table.primary_header(), table.backup_header()) {
            (Ok(primary), Ok(backup)) => (primary, backup),
            _ => return Err("one of the two copies of its GPT is damaged".to_owned()),
        };
        let entry = primary.part_size as usize;
        let mut bytes = vec![0; entry * primary.num_parts as usize];
        disk.read_exact_at(&mut bytes, primary.part_start.saturating_mul(sector))
            .map_err(|error| format!("it can't be read: {error}"))?;
        Ok(Self {
            sector,
            usable: (primary.first_usable, primary.last_usable.saturating_add(1).min(sectors)),
            entry,
            bytes,
            places: [(backup.current_lba, backup.part_start), (primary.current_lba, primary.part_start)],
        })
    }

    /// Writes a table without partitions.
    pub(super) fn make(disk: &File, block: LogicalBlockSize, sectors: u64) -> Result<Self, String> {
        let text = |error: gpt::GptError| error.to_string();
        let mut device = disk.try_clone().map_err(|error| error.to_string())?;
        let shield = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
        ProtectiveMBR::with_lb_size(shield).overwrite_lba0(&mut device).map_err(|error| error.to_string())?;
        let config = GptConfig::new().writable(true).logical_block_size(block);
        config.create_from_device(device, None).map_err(text)?.write().map_err(text)?;
        disk.sync_all().map_err(|error| error.to_string())?;
        Self::load(disk, block, sectors)
    }

    /// How many partitions there can be.
    pub(super) fn len(&self) -> u32 {
        (self.bytes.len() / self.entry) as u32
    }

    pub(super) fn slots(&self) -> Vec<Slot> {
        let entries = self.bytes.chunks_exact(self.entry).zip(1..);
        entries.filter_map(|(entry, number)| self.slot(entry, number)).collect()
    }

    fn slot(&self, entry: &[u8], number: u32) -> Option<Slot> {
        let id = |at: usize| Uuid::from_slice_le(entry.get(at..at + 16)?).ok();
        let long = |at: usize| Some(u64::from_le_bytes(entry.get(at..at + 8)?.try_into().ok()?));
        if id(0)?.is_nil() {
            return None;
        }
        let (first, last) = (long(32)?, long(40)?);
        let units = entry.get(56..128)?.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        Some(Slot {
            number,
            name: String::from_utf16(&units).unwrap_or_default(),
            id: Some(id(16)?.to_string()),
            start: first.saturating_mul(self.sector),
            length: last
                .checked_sub(first)
                .map_or(0, |less| less.saturating_add(1).saturating_mul(self.sector)),
            extended: false,
        })
    }

    pub(super) fn insert(&mut self, slot: &Slot) {
        let (first, last) = (slot.start / self.sector, (slot.start + slot.length) / self.sector - 1);
        let Some(entry) = self.entry(slot.number) else { return };
        entry.fill(0);
        entry[..16].copy_from_slice(&partition_types::LINUX_FS.guid.to_bytes_le());
        entry[16..32].copy_from_slice(&Uuid::new_v4().to_bytes_le());
        entry[32..40].copy_from_slice(&first.to_le_bytes());
        entry[40..48].copy_from_slice(&last.to_le_bytes());
        for (place, unit) in entry[56..128].chunks_exact_mut(2).zip(slot.name.encode_utf16()) {
            place.copy_from_slice(&unit.to_le_bytes());
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(entry) = self.entry(number) {
            entry.fill(0);
        }
    }

    pub(super) fn set_end(&mut self, number: u32, last: u64) {
        if let Some(entry) = self.entry(number) {
            entry[40..48].copy_from_slice(&last.to_le_bytes());
        }
    }

    fn entry(&mut self, number: u32) -> Option<&mut [u8]> {
        self.bytes.chunks_exact_mut(self.entry).nth((number as usize).checked_sub(1)?)
    }

    /// Writes the copy first, so that one of both is whole at any time.
    pub(super) fn store(&self, disk: &File) -> io::Result<()> {
        for (header_at, entries_at) in self.places {
            let mut header = vec![0; self.sector as usize];
            disk.read_exact_at(&mut header, header_at * self.sector)?;
            header[88..92].copy_from_slice(&SUM.checksum(&self.bytes).to_le_bytes());
            header[16..20].fill(0);
            // The crate has checked it: 92 bytes at least, and no more than a sector.
            let length = u32::from_le_bytes([header[12], header[13], header[14], header[15]]) as usize;
            let sum = SUM.checksum(header.get(..length).unwrap_or(&header[..92]));
            header[16..20].copy_from_slice(&sum.to_le_bytes());
            disk.write_all_at(&self.bytes, entries_at * self.sector)?;
            disk.write_all_at(&header, header_at * self.sector)?;
            disk.sync_all()?;
        }
        Ok(())
    }
}

/// Refuses a GPT that claims more entries than anybody uses, before they are read.
fn bounded(disk: &File, sector: u64, sectors: u64) -> Result<(), String> {
    for place in [1, sectors.saturating_sub(1)] {
        let mut header = [0; 92];
        disk.read_exact_at(&mut header, place * sector)
            .map_err(|error| format!("it can't be read: {error}"))?;
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if header.starts_with(b"EFI PART") && (word(80) > ENTRIES_MAX || !(128..=4096).contains(&word(84))) {
            return Err(format!(
                "its GPT has {} entries of {} bytes; {ENTRIES_MAX} are read",
                word(80),
                word(84)
            ));
        }
    }
    Ok(())
}
