//! What pools could be made of: devices and volume groups of this host, and what servers offer to it.

use std::path::Path;

use reeve_model::Bytes;
use reeve_model::secret::SecretValue;
use reeve_model::storage::{FoundSource, PoolKind, SourceLookup};

use crate::kinds::{iscsi, logical, netfs};
use crate::program::{Signature, signature};
use crate::{StorageError, pool};

const DEVICES: &str = "/sys/class/block";

/// Looks for what a pool of a kind can be made of (guide 14.11.1): devices with a file system for `fs`, whole devices for `disk`, volume
/// groups for `logical`, directories that a server exports for `netfs`, its targets for `iscsi`. Devices that can't be read are left out.
pub fn find_sources(
    lookup: &SourceLookup,
    secret: Option<&SecretValue>,
) -> Result<Vec<FoundSource>, StorageError> {
    let kind = lookup.kind;
    let subject = format!("sources of pools of type '{kind}'");
    match kind {
        PoolKind::Disk | PoolKind::Fs | PoolKind::Logical | PoolKind::Netfs | PoolKind::Iscsi => {}
        PoolKind::Dir => {
            let reason = "a pool of type 'dir' is made of any directory; name one with <target>";
            return Err(StorageError::unsupported(subject, reason));
        }
        PoolKind::Scsi => {
            let reason = "a pool of type 'scsi' is made of an adapter that is in /sys/class/scsi_host; name one with \
                          <adapter name='host0'/>";
            return Err(StorageError::unsupported(subject, reason));
        }
        kind => return Err(StorageError::unsupported(subject, pool::refusal(kind))),
    }
    lookup.check().map_err(|broken| StorageError::invalid(&subject, broken.to_string()))?;
    let mut found = match kind {
        PoolKind::Logical => logical::sources(&subject)?,
        PoolKind::Netfs => netfs::sources(lookup, &subject)?,
        PoolKind::Iscsi => iscsi::sources(lookup, secret, &subject)?,
        _ => devices(kind, &subject)?,
    };
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Block devices of this host.
fn devices(kind: PoolKind, subject: &str) -> Result<Vec<FoundSource>, StorageError> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(DEVICES).map_err(StorageError::file(DEVICES, "read"))?;
    for entry in entries {
        let entry = entry.map_err(StorageError::file(DEVICES, "read"))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let number = |file: &str| {
            let text = std::fs::read_to_string(entry.path().join(file)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let is_partition = entry.path().join("partition").exists();
        // The kernel counts in sectors of 512 bytes there.
        let size = number("size").unwrap_or(0).saturating_mul(512);
        if size == 0 || (kind == PoolKind::Disk && is_partition) {
            continue;
        }
        // A name of the kernel has '!' where that of the node has '/'.
        let path = Path::new("/dev").join(name.replace('!', "/"));
        let path = path.display().to_string();
        let format = match (signature(Path::new(&path), subject), kind) {
            (Ok(Signature::FileSystem(format)), PoolKind::Fs) => Some(format),
            (Ok(Signature::Table(format)), PoolKind::Disk) => Some(format),
            (Ok(_), PoolKind::Disk) => None,
            (Err(unsupported @ StorageError::Unsupported { .. }), _) => return Err(unsupported),
            _ => continue,
        };
        found.push(FoundSource { path, format, size: Some(Bytes(size)), host: None, devices: Vec::new() });
    }
    Ok(found)
}
