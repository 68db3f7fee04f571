//! The partitions of a disk as volumes.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reeve_model::Bytes;
use reeve_model::storage::{PoolSpace, VolumeConfig, VolumeKind, check_volume_name};
use reeve_sys::block;

use super::table::{Slot, Table, TableKind};
use super::{DiskPool, node};
use crate::busy::settled;
use crate::directory::opened_device;
use crate::files::permit;
use crate::pool::{Content, Volume, Volumes, volume_subject};
use crate::{Progress, StorageError};

/// A disk whose table is read for every change anew, so that nobody's changes are lost.
#[derive(Debug)]
pub(super) struct Partitions {
    pool: DiskPool,
    /// The device's own name, as `sda`.
    device: String,
    disk: File,
    /// Stretches whose volumes are being filled. Held while the table changes.
    reserved: Mutex<Vec<Slot>>,
}

impl Partitions {
    pub(super) fn new(pool: DiskPool, device: String, disk: File) -> Self {
        Self { pool, device, disk, reserved: Mutex::default() }
    }

    fn reserved(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subject(&self, name: &str) -> String {
        volume_subject(name, &self.pool.pool)
    }

    /// What the kernel calls a partition.
    fn kernel_name(&self, number: u32) -> String {
        let digit = self.device.ends_with(|last: char| last.is_ascii_digit());
        let separator = if self.pool.separator.unwrap_or(digit) { "p" } else { "" };
        format!("{}{separator}{number}", self.device)
    }

    /// Makes the kernel's partitions those of the table.
    pub(super) fn reconcile(&self) -> Result<(), StorageError> {
        let reserved = self.reserved();
        let slots = self.pool.load(&self.disk)?.slots();
        let failed = || StorageError::file(&self.pool.device, "repartitioned");
        let mut known = block::partitions(&self.device).map_err(failed())?;
        known.retain(|(number, start, length)| {
            let same = |slot: &Slot| slot.number == *number && slot.start == *start && slot.length == *length;
            let stays = reserved.iter().any(|slot| slot.number == *number) || slots.iter().any(same);
            if !stays && let Err(error) = block::remove_partition(&self.disk, *number) {
                tracing::warn!("partition {number} of '{}' can't be taken away: {error}", self.device);
            }
            stays
        });
        for slot in slots.iter().filter(|slot| !slot.extended) {
            if !known.iter().any(|(number, _, _)| *number == slot.number) {
                block::add_partition(&self.disk, slot.number, slot.start, slot.length).map_err(failed())?;
            }
        }
        Ok(())
    }

    fn volumes(&self, table: &Table) -> Vec<(Slot, Volume)> {
        let mut volumes: Vec<(Slot, Volume)> = Vec::new();
        for slot in table.slots().into_iter().filter(|slot| !slot.extended) {
            let kernel_name = self.kernel_name(slot.number);
            let path = node(&kernel_name).display().to_string();
            let taken = |name: &str| volumes.iter().any(|(_, volume)| volume.name == name);
            let named = check_volume_name(&slot.name).is_ok() && !taken(&slot.name);
            let volume = Volume {
                name: if named { slot.name.clone() } else { kernel_name },
                key: slot.id.clone().unwrap_or_else(|| path.clone()),
                path,
                kind: VolumeKind::Block,
                format: "raw".to_owned(),
                capacity: Bytes(slot.length),
                allocation: Bytes(slot.length),
                physical: Bytes(slot.length),
                backing: None,
                encryption: None,
                fault: None,
            };
            volumes.push((slot, volume));
        }
        volumes
    }

    fn find(&self, table: &Table, name: &str) -> Result<(Slot, Volume), StorageError> {
        let found = self.volumes(table).into_iter().find(|(_, volume)| volume.name == name);
        found.ok_or_else(|| StorageError::Missing(self.subject(name)))
    }

    /// Finds room and keeps it.
    fn reserve(&self, config: &VolumeConfig) -> Result<Slot, StorageError> {
        let subject = self.subject(&config.name);
        check_volume_name(&config.name).map_err(|reason| StorageError::invalid(&subject, reason))?;
        let mut reserved = self.reserved();
        let table = self.pool.load(&self.disk)?;
        let (sector, _) = self.pool.measure(&self.disk)?;
        let taken = self.volumes(&table).iter().any(|(_, volume)| volume.name == config.name);
        if taken || reserved.iter().any(|slot| slot.name == config.name) {
            return Err(StorageError::conflict(subject, "it exists already; choose another name"));
        }
        let number = table.next_number(&reserved).ok_or_else(|| {
            StorageError::conflict(&subject, "the partition table of its disk has no entry left")
        })?;
        match self.pool.kind {
            TableKind::Gpt if config.name.encode_utf16().count() > 36 => {
                return Err(StorageError::invalid(
                    subject,
                    "the label of a partition has 36 characters at most",
                ));
            }
            TableKind::Msdos if config.name != self.kernel_name(number) => {
                let name = self.kernel_name(number);
                let reason =
                    format!("an msdos table keeps no names, and the next partition is '{name}'; name it so");
                return Err(StorageError::invalid(subject, reason));
            }
            _ => {}
        }
        let length = config.capacity.unwrap_or_default().0.checked_next_multiple_of(u64::from(sector));
        let length = length.filter(|length| *length > 0).ok_or_else(|| {
            StorageError::invalid(&subject, "a partition needs a capacity of 1 byte or more")
        })?;
        // The smallest gap that is large enough, so that large ones stay.
        let gap = table
            .free(&reserved)
            .into_iter()
            .filter(|(_, room)| *room >= length)
            .min_by_key(|(_, room)| *room);
        let (start, _) = gap.ok_or(StorageError::Full { subject, bytes: length })?;
        let slot = Slot { number, name: config.name.clone(), id: None, start, length, extended: false };
        reserved.push(slot.clone());
        Ok(slot)
    }

    /// Fills a partition that only the kernel knows, then writes it down.
    fn make(
        &self,
        slot: &Slot,
        config: &VolumeConfig,
        content: Option<Content<'_>>,
    ) -> Result<(), StorageError> {
        let path = node(&self.kernel_name(slot.number));
        block::add_partition(&self.disk, slot.number, slot.start, slot.length)
            .map_err(StorageError::file(&self.pool.device, "repartitioned"))?;
        {
            let partition = block::open(&path, true, false).map_err(StorageError::file(&path, "opened"))?;
            if let Some(permissions) = &config.target.permissions {
                permit(&partition, permissions, 0o660)
                    .map_err(StorageError::file(&path, "given its owner"))?;
            }
            // What a volume that was here before held is nobody's to read.
            block::zero(&partition, 0, slot.length).map_err(StorageError::file(&path, "cleared"))?;
            if let Some(content) = content {
                (content.fill)(&partition)?;
            }
            partition.sync_all().map_err(StorageError::file(&path, "written"))?;
        }
        let _reserved = self.reserved();
        let mut table = self.pool.load(&self.disk)?;
        table
            .insert(slot)
            .and_then(|()| table.store(&self.disk))
            .map_err(|reason| self.pool.table_fault(reason))
    }
}

impl Volumes for Partitions {
    fn refresh(&self, progress: &Progress) -> Result<Vec<Volume>, StorageError> {
        self.reconcile()?;
        let volumes = self.volumes(&self.pool.load(&self.disk)?);
        progress.expect(volumes.len() as u64);
        progress.advance(volumes.len() as u64, &self.pool.subject())?;
        Ok(volumes.into_iter().map(|(_, volume)| volume).collect())
    }

    fn space(&self) -> Result<PoolSpace, StorageError> {
        let table = self.pool.load(&self.disk)?;
        let (_, size) = self.pool.measure(&self.disk)?;
        let allocation: u64 = table.slots().iter().map(|slot| slot.length).sum();
        let available: u64 = table.free(&[]).iter().map(|(_, room)| room).sum();
        Ok(PoolSpace { capacity: Bytes(size), allocation: Bytes(allocation), available: Bytes(available) })
    }

    fn create(&self, config: &VolumeConfig, content: Option<Content<'_>>) -> Result<Volume, StorageError> {
        let subject = self.subject(&config.name);
        if config.backing.is_some() || config.target.encryption.is_some() {
            return Err(StorageError::invalid(subject, "a partition has no backing image and no encryption"));
        }
        if let Some(format) = config.target.format.as_deref()
            && !["raw", "none", "linux"].contains(&format)
        {
            let reason = format!("a partition of format '{format}' can't be made; leave <format> out");
            return Err(StorageError::unsupported(subject, reason));
        }
        if content.as_ref().is_some_and(|content| content.format != "raw") {
            let reason = "an image with a format of its own can't be put into a partition by this version";
            return Err(StorageError::unsupported(subject, reason));
        }
        let slot = self.reserve(config)?;
        let made = self.make(&slot, config, content);
        self.reserved().retain(|reserved| reserved.number != slot.number);
        if made.is_err()
            && let Err(error) = settled(|| block::remove_partition(&self.disk, slot.number))
        {
            tracing::warn!("partition {} of '{}' can't be taken away: {error}", slot.number, self.device);
        }
        made?;
        self.look(&config.name)
    }

    fn delete(&self, name: &str) -> Result<(), StorageError> {
        let _reserved = self.reserved();
        let mut table = self.pool.load(&self.disk)?;
        let (slot, _) = self.find(&table, name)?;
        settled(|| block::remove_partition(&self.disk, slot.number)).map_err(|error| match error.kind() {
            ErrorKind::ResourceBusy => StorageError::conflict(self.subject(name), "it is in use"),
            _ => StorageError::file(&self.pool.device, "repartitioned")(error),
        })?;
        table.remove(slot.number);
        table.store(&self.disk).map_err(|reason| self.pool.table_fault(reason))
    }

    fn resize(&self, name: &str, capacity: u64, _allocate: bool) -> Result<Volume, StorageError> {
        let subject = self.subject(name);
        {
            let reserved = self.reserved();
            let mut table = self.pool.load(&self.disk)?;
            let (slot, _) = self.find(&table, name)?;
            let (sector, _) = self.pool.measure(&self.disk)?;
            let length = capacity.checked_next_multiple_of(u64::from(sector)).filter(|length| *length > 0);
            let length =
                length.ok_or_else(|| StorageError::invalid(&subject, "a partition can't have that size"))?;
            // Gaps begin at aligned places, so the end is looked for as if the partition were not there.
            let mut without = self.pool.load(&self.disk)?;
            without.remove(slot.number);
            let room = without
                .free(&reserved)
                .into_iter()
                .find(|(start, room)| *start <= slot.start && slot.start - start < *room);
            let room = room.map_or(slot.length, |(start, room)| room - (slot.start - start));
            if length > room {
                return Err(StorageError::Full { subject, bytes: length - slot.length });
            }
            let partition = self.open(name, true)?;
            if length > slot.length {
                // The new end was another's once.
                block::zero(&self.disk, slot.start + slot.length, length - slot.length)
                    .map_err(StorageError::file(&self.pool.device, "cleared"))?;
            }
            block::resize_partition(&self.disk, slot.number, slot.start, length)
                .map_err(StorageError::file(&self.pool.device, "repartitioned"))?;
            drop(partition);
            let stored = table.set_length(slot.number, length).and_then(|()| table.store(&self.disk));
            if let Err(reason) = stored {
                let _ = block::resize_partition(&self.disk, slot.number, slot.start, slot.length);
                return Err(self.pool.table_fault(reason));
            }
        }
        self.look(name)
    }

    fn open(&self, name: &str, write: bool) -> Result<File, StorageError> {
        let table = self.pool.load(&self.disk)?;
        let (_, volume) = self.find(&table, name)?;
        // Who writes it has no mounted file system in it, and is not in the way of who writes the whole disk.
        opened_device(&volume.path, write, &self.subject(name))
    }

    fn look(&self, name: &str) -> Result<Volume, StorageError> {
        Ok(self.find(&self.pool.load(&self.disk)?, name)?.1)
    }
}
