//! A SCSI host adapter of this host; the units behind it are the volumes (guide 12.8). They are made and removed where they are served.
//!
//! The kernel says which there are, under `/sys/class/scsi_device`. An adapter is there or it is not: virtual ones of Fibre Channel (NPIV)
//! are used when the host has made them, by their names.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reeve_model::storage::{Adapter, BuildMode, PoolConfig};

use super::units::{Address, Source, Unit, Units, address_of, at, names};
use crate::StorageError;
use crate::pool::{Pool, Volumes, subject};

const ADAPTERS: &str = "/sys/class/scsi_host";
const UNITS: &str = "/sys/class/scsi_device";
/// The most units of one adapter that are looked at.
const MOST: usize = 4096;
/// Types of units (SPC-5, table 147) that become block devices: disks, drives for discs, and their kin.
const BLOCK_TYPES: [&str; 5] = ["0", "5", "7", "14", "20"];
/// How long one may take to become one.
const APPEARING: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(20);

/// An adapter.
#[derive(Debug, Clone)]
pub(crate) struct ScsiPool {
    pool: String,
    /// Its number: that of `host3` is 3.
    adapter: u32,
    /// Directory of stable names of devices.
    directory: Option<String>,
}

impl ScsiPool {
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, StorageError> {
        let subject = subject(&config.name);
        let adapter = config.source.adapter.clone().unwrap_or_default();
        let adapter = number(&adapter).map_err(|reason| StorageError::unsupported(subject, reason))?;
        Ok(Self { pool: config.name.clone(), adapter, directory: config.target.path.clone() })
    }

    fn subject(&self) -> String {
        subject(&self.pool)
    }

    fn refuse_missing(&self) -> Result<(), StorageError> {
        let wanted = format!("host{}", self.adapter);
        if Path::new(ADAPTERS).join(&wanted).exists() {
            return Ok(());
        }
        let mut there = names(Path::new(ADAPTERS)).map_err(StorageError::file(ADAPTERS, "listed"))?;
        there.sort();
        let has = if there.is_empty() { "no SCSI adapter".to_owned() } else { there.join(", ") };
        let reason = format!("SCSI adapter '{wanted}' is not there; this host has {has}");
        Err(StorageError::conflict(self.subject(), reason))
    }
}

/// The number of the adapter that a document names.
fn number(adapter: &Adapter) -> Result<u32, String> {
    if adapter.kind.as_deref().is_some_and(|kind| kind != "scsi_host") || adapter.wwpn.is_some() {
        return Err("a virtual adapter of Fibre Channel (NPIV) is not made by this version; let the host make it \
                    (vport_create under /sys/class/fc_host) and name it: <adapter type='scsi_host' name='host5'/>"
            .to_owned());
    }
    let name = adapter.name.as_deref().unwrap_or_default();
    let digits = name.strip_prefix("scsi_").unwrap_or(name).strip_prefix("host");
    let number =
        digits.and_then(|digits| digits.parse::<u32>().ok().filter(|number| number.to_string() == digits));
    number.ok_or_else(|| {
        format!("'{name}' names no SCSI adapter; write <adapter name='host5'/> for what is /sys/class/scsi_host/host5")
    })
}

impl ScsiPool {
    /// The directories in sysfs of what is behind the adapter, with where it is.
    fn places(&self) -> Result<Vec<(PathBuf, Address)>, StorageError> {
        let all = names(Path::new(UNITS)).map_err(StorageError::file(UNITS, "listed"))?;
        let own = all.into_iter().filter_map(|name| {
            let (host, address) = address_of(&name)?;
            (host == self.adapter).then(|| (Path::new(UNITS).join(name).join("device"), address))
        });
        Ok(own.collect())
    }

    /// Whether a unit that was found is not a block device yet: its driver looks at it by itself.
    fn is_settling(&self) -> Result<bool, StorageError> {
        let is_pending = |(place, _): &(PathBuf, _)| {
            let kind = std::fs::read_to_string(place.join("type")).unwrap_or_default();
            BLOCK_TYPES.contains(&kind.trim()) && !place.join("block").exists()
        };
        Ok(self.places()?.iter().any(is_pending))
    }
}

impl Source for ScsiPool {
    fn units(&self) -> Result<Vec<Unit>, StorageError> {
        self.refuse_missing()?;
        let mut found = Vec::new();
        for (place, address) in self.places()? {
            found.extend(at(&place, address).map_err(StorageError::file(&place, "listed"))?);
        }
        found.sort();
        found.truncate(MOST);
        Ok(found)
    }

    fn rescan(&self) -> Result<(), StorageError> {
        self.refuse_missing()?;
        let scan = Path::new(ADAPTERS).join(format!("host{}/scan", self.adapter));
        // All channels, targets and units.
        std::fs::write(&scan, "- - -").map_err(StorageError::file(&scan, "written"))?;
        let deadline = Instant::now() + APPEARING;
        while self.is_settling()? && Instant::now() < deadline {
            std::thread::park_timeout(PAUSE);
        }
        Ok(())
    }

    fn not_here(&self, what: &str) -> String {
        format!("units behind a SCSI adapter are {what} on their storage system, not here")
    }
}

impl Pool for ScsiPool {
    fn build(&self, mode: BuildMode) -> Result<(), StorageError> {
        match mode {
            BuildMode::Keep => Ok(()),
            _ => {
                let reason =
                    "a pool of type 'scsi' formats nothing; leave --overwrite and --no-overwrite out";
                Err(StorageError::invalid(self.subject(), reason))
            }
        }
    }

    fn start(&self) -> Result<Box<dyn Volumes>, StorageError> {
        self.refuse_missing()?;
        let (pool, directory) = (self.pool.clone(), self.directory.clone());
        Ok(Box::new(Units { pool, directory, source: Box::new(self.clone()) }))
    }

    /// The adapter stays, and the kernel has its units.
    fn stop(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn delete(&self) -> Result<(), StorageError> {
        let reason = "a SCSI adapter is part of the host, and its units of their storage system";
        Err(StorageError::unsupported(self.subject(), reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_named_as_the_kernel_or_libvirt_does() {
        let named = |name: &str| Adapter { name: Some(name.to_owned()), ..Adapter::default() };
        for name in ["host5", "scsi_host5"] {
            assert_eq!(number(&named(name)), Ok(5));
        }
        for name in ["", "host", "hostx", "5", "host-1", "host05", "host+5", "../host5", "host5/scan"] {
            assert!(number(&named(name)).unwrap_err().contains("names no SCSI adapter"), "{name}");
        }
        let fibre = Adapter { kind: Some("fc_host".to_owned()), ..named("host5") };
        assert!(number(&fibre).unwrap_err().contains("NPIV"));
    }

    #[test]
    fn an_adapter_that_is_not_there_is_said() {
        let pool = ScsiPool { pool: "lab".to_owned(), adapter: u32::MAX, directory: None };
        let refused = pool.start().err().unwrap().to_string();
        assert!(refused.contains("SCSI adapter 'host4294967295' is not there"), "{refused}");
    }
}
