//! Partition tables: GPT, and the four primary entries of an msdos table.

use std::fs::File;
use std::os::unix::fs::FileExt;

use gpt::mbr::{PartRecord, ProtectiveMBR};

use super::guid::GuidTable;

/// Partitions begin at multiples of this.
const ALIGNMENT: u64 = 1 << 20;
/// Type of a Linux partition in an msdos table.
const LINUX: u8 = 0x83;
/// Types of extended partitions, which hold further tables.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// Type of the entry that shields a GPT.
const SHIELD: u8 = 0xee;

/// Kind of a table: the `<format>` of the pool's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableKind {
    Gpt,
    Msdos,
}

/// One partition, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) number: u32,
    /// Empty where the table keeps no names.
    pub(super) name: String,
    /// Unique id, where the table keeps one.
    pub(super) id: Option<String>,
    pub(super) start: u64,
    pub(super) length: u64,
    /// It holds further partitions, and is none to be used.
    pub(super) extended: bool,
}

/// A table in memory; it is on the disk after [`Table::store`].
#[derive(Debug)]
pub(super) struct Table {
    inner: Inner,
    sector: u64,
    sectors: u64,
}

#[derive(Debug)]
enum Inner {
    Gpt(GuidTable),
    Msdos(Box<ProtectiveMBR>),
}

impl Table {
    /// The table on a disk of `size` bytes; the error says why there is none that can be used.
    pub(super) fn load(disk: &File, kind: TableKind, sector: u32, size: u64) -> Result<Self, String> {
        let sector = u64::from(sector);
        let sectors = size / sector;
        let block =
            sector.try_into().map_err(|_| format!("sectors of {sector} bytes can't be partitioned"))?;
        let inner = match kind {
            TableKind::Gpt => Inner::Gpt(GuidTable::load(disk, block, sectors)?),
            TableKind::Msdos => {
                let mut bytes = vec![0; sector as usize];
                disk.read_exact_at(&mut bytes, 0).map_err(|error| format!("it can't be read: {error}"))?;
                // The crate reads the rest of the sector too; what is behind the signature is not the table's.
                let table = ProtectiveMBR::from_bytes(&bytes, block)
                    .map_err(|_| "it holds no msdos table".to_owned())?;
                if (0..4).filter_map(|index| table.partition(index)).any(|entry| entry.os_type == SHIELD) {
                    return Err("it holds a GPT, not an msdos table".to_owned());
                }
                Inner::Msdos(Box::new(table))
            }
        };
        let table = Self { inner, sector, sectors };
        table.check()?;
        Ok(table)
    }

    /// A table without partitions. A GPT is on the disk at once, an msdos table when it is stored.
    pub(super) fn empty(disk: &File, kind: TableKind, sector: u32, size: u64) -> Result<Self, String> {
        let sector = u64::from(sector);
        let block =
            sector.try_into().map_err(|_| format!("sectors of {sector} bytes can't be partitioned"))?;
        let inner = match kind {
            TableKind::Gpt => Inner::Gpt(GuidTable::make(disk, block, size / sector)?),
            TableKind::Msdos => {
                let mut table = ProtectiveMBR::new();
                table.set_partition(0, PartRecord::zero());
                table.set_disk_signature(rand::random());
                Inner::Msdos(Box::new(table))
            }
        };
        Ok(Self { inner, sector, sectors: size / sector })
    }

    /// First usable sector and the one after the last.
    fn usable(&self) -> (u64, u64) {
        match &self.inner {
            Inner::Gpt(table) => table.usable,
            Inner::Msdos(_) => (1, self.sectors.min(u64::from(u32::MAX))),
        }
    }

    /// Partitions by number.
    pub(super) fn slots(&self) -> Vec<Slot> {
        match &self.inner {
            Inner::Gpt(table) => table.slots(),
            Inner::Msdos(table) => (0..4)
                .filter_map(|index| Some((index, table.partition(index)?)))
                .filter(|(_, entry)| entry.os_type != 0)
                .map(|(index, entry)| Slot {
                    number: index as u32 + 1,
                    name: String::new(),
                    id: None,
                    start: u64::from(entry.lb_start) * self.sector,
                    length: u64::from(entry.lb_size) * self.sector,
                    extended: EXTENDED.contains(&entry.os_type),
                })
                .collect(),
        }
    }

    /// Refuses a table whose partitions overlap or leave the disk: it is damaged, or somebody made it so.
    fn check(&self) -> Result<(), String> {
        let (first, end) = self.usable();
        if first < 1 || first > end {
            return Err("its partition table contradicts itself".to_owned());
        }
        let mut slots = self.slots();
        slots.sort_unstable_by_key(|slot| slot.start);
        let mut free_from = first * self.sector;
        for slot in slots {
            let last = slot.start.checked_add(slot.length);
            if slot.length == 0 || slot.start < free_from || last.is_none_or(|last| last > end * self.sector)
            {
                return Err(format!("partition {} overlaps another or leaves the disk", slot.number));
            }
            free_from = slot.start + slot.length;
        }
        Ok(())
    }

    /// What is free beside partitions and `reserved` stretches: aligned starts with lengths, in bytes.
    pub(super) fn free(&self, reserved: &[Slot]) -> Vec<(u64, u64)> {
        let (first, end) = self.usable();
        let mut taken: Vec<(u64, u64)> =
            self.slots().iter().chain(reserved).map(|slot| (slot.start, slot.start + slot.length)).collect();
        taken.push((end * self.sector, u64::MAX));
        taken.sort_unstable();
        let mut from = first * self.sector;
        let mut free = Vec::new();
        for (start, end) in taken {
            let aligned = from.next_multiple_of(ALIGNMENT);
            if aligned < start {
                free.push((aligned, start - aligned));
            }
            from = from.max(end);
            if end == u64::MAX {
                break;
            }
        }
        free
    }

    /// The lowest number that no partition has.
    pub(super) fn next_number(&self, reserved: &[Slot]) -> Option<u32> {
        let most = match &self.inner {
            Inner::Gpt(table) => table.len(),
            Inner::Msdos(_) => 4,
        };
        let slots = self.slots();
        (1..=most).find(|number| !slots.iter().chain(reserved).any(|slot| slot.number == *number))
    }

    /// Puts a partition in; it fits, as [`Table::free`] told.
    pub(super) fn insert(&mut self, slot: &Slot) -> Result<(), String> {
        let (start, count) = (slot.start / self.sector, slot.length / self.sector);
        match &mut self.inner {
            Inner::Gpt(table) => {
                table.insert(slot);
                Ok(())
            }
            Inner::Msdos(table) => {
                let entry = record(start, count).ok_or("an msdos table ends at 2 TiB; use a GPT")?;
                table
                    .set_partition(slot.number as usize - 1, entry)
                    .map(drop)
                    .ok_or_else(|| "it has four entries".to_owned())
            }
        }
    }

    pub(super) fn remove(&mut self, number: u32) {
        match &mut self.inner {
            Inner::Gpt(table) => table.remove(number),
            Inner::Msdos(table) => drop(table.set_partition(number as usize - 1, PartRecord::zero())),
        }
    }

    /// Gives a partition another length, in bytes.
    pub(super) fn set_length(&mut self, number: u32, length: u64) -> Result<(), String> {
        let count = length / self.sector;
        match &mut self.inner {
            Inner::Gpt(table) => {
                let slot = table.slots().into_iter().find(|slot| slot.number == number);
                let start = slot.map_or(0, |slot| slot.start / self.sector);
                table.set_end(number, start + count - 1);
                Ok(())
            }
            Inner::Msdos(table) => {
                let index = number as usize - 1;
                let start = table.partition(index).map_or(0, |entry| u64::from(entry.lb_start));
                let entry = record(start, count).ok_or("an msdos table ends at 2 TiB; use a GPT")?;
                table.set_partition(index, entry).map(drop).ok_or_else(|| "it has four entries".to_owned())
            }
        }
    }

    /// Writes it to the disk it was made for.
    pub(super) fn store(&self, disk: &File) -> Result<(), String> {
        let stored = match &self.inner {
            Inner::Gpt(table) => table.store(disk),
            Inner::Msdos(table) => disk.write_all_at(&table.to_bytes(), 0),
        };
        stored.and_then(|()| disk.sync_all()).map_err(|error| error.to_string())
    }
}

fn record(start: u64, count: u64) -> Option<PartRecord> {
    let end = start.checked_add(count)?;
    u32::try_from(end).ok()?;
    // Cylinders are of the past: their largest values say that the sector numbers count.
    Some(PartRecord {
        boot_indicator: 0,
        start_head: 0xfe,
        start_sector: 0xff,
        start_track: 0xff,
        os_type: LINUX,
        end_head: 0xfe,
        end_sector: 0xff,
        end_track: 0xff,
        lb_start: start as u32,
        lb_size: count as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 64 << 20;

    fn disk() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(SIZE).unwrap();
        file
    }

    fn slot(number: u32, name: &str, start: u64, length: u64) -> Slot {
        Slot { number, name: name.to_owned(), id: None, start, length, extended: false }
    }

    #[test]
    fn partitions_are_read_back_as_they_were_written() {
        for kind in [TableKind::Gpt, TableKind::Msdos] {
            let disk = disk();
            let mut table = Table::empty(&disk, kind, 512, SIZE).unwrap();
            let (start, room) = table.free(&[])[0];
            assert_eq!(start, 1 << 20);
            assert!(room > SIZE - (3 << 20), "{room}");
            table.insert(&slot(1, "one", start, 8 << 20)).unwrap();
            let beside = [slot(2, "", 9 << 20, 4 << 20)];
            assert_eq!(table.next_number(&beside), Some(3));
            assert_eq!(table.free(&beside)[0].0, 13 << 20);
            table.insert(&slot(3, "three", 13 << 20, 1 << 20)).unwrap();
            table.store(&disk).unwrap();
            let mut again = Table::load(&disk, kind, 512, SIZE).unwrap();
            let found: Vec<_> =
                again.slots().iter().map(|slot| (slot.number, slot.start, slot.length)).collect();
            assert_eq!(found, [(1, 1 << 20, 8 << 20), (3, 13 << 20, 1 << 20)]);
            again.set_length(1, 10 << 20).unwrap();
            again.remove(3);
            again.store(&disk).unwrap();
            let last = Table::load(&disk, kind, 512, SIZE).unwrap().slots();
            assert_eq!(
                last.iter().map(|slot| (slot.number, slot.length)).collect::<Vec<_>>(),
                [(1, 10 << 20)]
            );
            let name = if kind == TableKind::Gpt { "one" } else { "" };
            assert_eq!(last[0].name, name);
        }
    }

    #[test]
    fn damaged_and_hostile_tables_are_refused() {
        let disk = disk();
        assert!(Table::load(&disk, TableKind::Gpt, 512, SIZE).unwrap_err().contains("no GPT that is whole"));
        assert!(Table::load(&disk, TableKind::Msdos, 512, SIZE).unwrap_err().contains("no msdos table"));
        let table = Table::empty(&disk, TableKind::Gpt, 512, SIZE).unwrap();
        table.store(&disk).unwrap();
        assert!(Table::load(&disk, TableKind::Msdos, 512, SIZE).unwrap_err().contains("holds a GPT"));
        disk.write_all_at(&u32::MAX.to_le_bytes(), 512 + 80).unwrap();
        assert!(Table::load(&disk, TableKind::Gpt, 512, SIZE).unwrap_err().contains("entries of 128 bytes"));
        let mut table = Table::empty(&disk, TableKind::Msdos, 512, SIZE).unwrap();
        table.insert(&slot(1, "", 1 << 20, 8 << 20)).unwrap();
        table.insert(&slot(2, "", 4 << 20, 8 << 20)).unwrap();
        table.store(&disk).unwrap();
        let error = Table::load(&disk, TableKind::Msdos, 512, SIZE).unwrap_err();
        assert_eq!(error, "partition 2 overlaps another or leaves the disk");
    }
}
