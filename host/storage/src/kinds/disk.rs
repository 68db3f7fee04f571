//! A disk with a partition table, whose volumes are its partitions (guide 12.1).
//!
//! A new partition is told to the kernel first, filled, and only then written into the table: what a crash leaves is a partition that
//! the kernel knows and the table does not, and the next refresh takes it away. A GPT keeps the names of volumes as labels of
//! partitions; an msdos table keeps none, so its volumes are called as the kernel calls them.

mod guid;
mod partitions;
mod table;

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use reeve_model::storage::{BuildMode, PoolConfig};
use reeve_sys::block;

use self::partitions::Partitions;
use self::table::{Table, TableKind};
use crate::StorageError;
use crate::busy::settled;
use crate::directory::claimed;
use crate::pool::{Pool, Volumes, subject};
use crate::program::{self, Finding};

/// What is cleared at both ends of a disk that is given up.
const ENDS: u64 = 1 << 20;

/// A disk and the kind of its table.
#[derive(Debug, Clone)]
pub(crate) struct DiskPool {
    pool: String,
    device: PathBuf,
    kind: TableKind,
    /// Whether names of partitions have a `p` before the number.
    separator: Option<bool>,
}

impl DiskPool {
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, StorageError> {
        let subject = subject(&config.name);
        let kind = match config.source.format.as_deref().unwrap_or("dos") {
            "gpt" => TableKind::Gpt,
            "dos" | "msdos" | "unknown" => TableKind::Msdos,
            format => {
                let reason = format!(
                    "a partition table '{format}' can't be written by this version; 'gpt' and 'dos' can"
                );
                return Err(StorageError::unsupported(subject, reason));
            }
        };
        if let Some(path) = config.target.path.as_deref()
            && path.trim_end_matches('/') != "/dev"
        {
            let reason =
                format!("its partitions are found in '/dev', not in '{path}'; write <path>/dev</path>");
            return Err(StorageError::unsupported(subject, reason));
        }
        let device = config.source.devices.first();
        Ok(Self {
            pool: config.name.clone(),
            device: PathBuf::from(device.map(|device| device.path.as_str()).unwrap_or_default()),
            kind,
            separator: device.and_then(|device| device.part_separator),
        })
    }

    fn subject(&self) -> String {
        subject(&self.pool)
    }

    fn open(&self, alone: bool) -> Result<File, StorageError> {
        settled(|| block::open(&self.device, true, alone)).map_err(|error| match error.kind() {
            ErrorKind::ResourceBusy => {
                let reason = format!("'{}' or a partition of it is in use", self.device.display());
                StorageError::conflict(self.subject(), reason)
            }
            ErrorKind::NotFound => StorageError::Missing(format!("device '{}'", self.device.display())),
            _ => StorageError::file(&self.device, "opened")(error),
        })
    }

    /// Sector size and size of the disk.
    fn measure(&self, disk: &File) -> Result<(u32, u64), StorageError> {
        let sector = block::sector_size(disk).map_err(StorageError::file(&self.device, "measured"))?;
        Ok((sector, block::size(disk).map_err(StorageError::file(&self.device, "measured"))?))
    }

    fn table_fault(&self, reason: String) -> StorageError {
        StorageError::conflict(self.subject(), format!("'{}': {reason}", self.device.display()))
    }

    fn load(&self, disk: &File) -> Result<Table, StorageError> {
        let (sector, size) = self.measure(disk)?;
        Table::load(disk, self.kind, sector, size).map_err(|reason| self.table_fault(reason))
    }

    /// The device's own name, as `sda`.
    fn name(&self) -> Result<String, StorageError> {
        let real = self.device.canonicalize().map_err(StorageError::file(&self.device, "found"))?;
        Ok(real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default())
    }

    /// Takes every partition of the disk from the kernel; fails while one is in use.
    fn forget_partitions(&self, disk: &File) -> Result<(), StorageError> {
        let known = block::partitions(&self.name()?).map_err(StorageError::file(&self.device, "read"))?;
        for (number, _, _) in known {
            settled(|| block::remove_partition(disk, number)).map_err(|error| match error.kind() {
                ErrorKind::ResourceBusy => {
                    StorageError::conflict(self.subject(), format!("partition {number} is in use"))
                }
                _ => StorageError::file(&self.device, "repartitioned")(error),
            })?;
        }
        Ok(())
    }
}

impl Pool for DiskPool {
    fn build(&self, mode: BuildMode) -> Result<(), StorageError> {
        let disk = self.open(true)?;
        if mode != BuildMode::Overwrite {
            match program::look(&self.device, &self.subject())? {
                Finding::Nothing => {}
                Finding::Something(_) if mode == BuildMode::Keep && self.load(&disk).is_ok() => return Ok(()),
                Finding::Something(what) => {
                    let device = self.device.display();
                    let reason = format!("'{device}' holds {what} already; give --overwrite to destroy it");
                    return Err(StorageError::conflict(self.subject(), reason));
                }
            }
        }
        self.forget_partitions(&disk)?;
        let (sector, size) = self.measure(&disk)?;
        if size < 4 * ENDS {
            return Err(StorageError::invalid(
                self.subject(),
                "a disk of less than 4 MiB can't be partitioned",
            ));
        }
        clear_ends(&disk, size).map_err(StorageError::file(&self.device, "cleared"))?;
        let table =
            Table::empty(&disk, self.kind, sector, size).map_err(|reason| self.table_fault(reason))?;
        table.store(&disk).map_err(|reason| self.table_fault(reason))
    }

    fn start(&self) -> Result<Box<dyn Volumes>, StorageError> {
        // Others may have its partitions, and nobody may write all of it.
        let disk = claimed(self.open(false)?, false, &self.subject(), &self.device.display().to_string())?;
        self.load(&disk)?;
        let partitions = Partitions::new(self.clone(), self.name()?, disk);
        partitions.reconcile()?;
        Ok(Box::new(partitions))
    }

    fn stop(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn delete(&self) -> Result<(), StorageError> {
        let disk = self.open(true)?;
        let (_, size) = self.measure(&disk)?;
        self.forget_partitions(&disk)?;
        clear_ends(&disk, size).map_err(StorageError::file(&self.device, "cleared"))
    }
}

/// Clears where tables and signatures are.
fn clear_ends(disk: &File, size: u64) -> std::io::Result<()> {
    block::zero(disk, 0, ENDS)?;
    block::zero(disk, (size - ENDS) & !4095, ENDS)?;
    disk.sync_all()
}

fn node(name: &str) -> PathBuf {
    Path::new("/dev").join(name)
}
