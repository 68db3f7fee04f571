//! Devices that somebody should think about before a guest or a pool gets them (guide 12.1, 12.2, 13.3).
//!
//! A guest that writes a whole disk puts partitions and volume groups on it, and the host takes those for its own. That is no error: disks are
//! given away for good reasons. So it is said, and done.

use std::path::Path;

use reeve_model::storage::{PoolConfig, PoolKind};
use reeve_sys::device::{self, BlockDevice, Nature};

use crate::pool;
use crate::program::{Signature, signature};

/// What is to be said about a guest that writes what is at a path; nothing of a file, or of a partition or logical volume that the host has no
/// other use for. What can't be looked at is refused when it is opened.
pub fn warn_guest_device(path: &Path) -> Option<String> {
    let found = device::look(path).ok().flatten()?;
    let name = path.display();
    if found.nature == Nature::Whole {
        let about = about(path, &found.uses);
        return Some(format!(
            "'{name}' is a whole device of this host{about}: partitions and volume groups that a guest makes there are found \
             by the host, and labels that it changes are the host's (guide 12.1); give it a partition or a logical volume, or \
             let it only read"
        ));
    }
    let uses = (!found.uses.is_empty()).then(|| found.uses.join(", "))?;
    Some(format!("'{name}' is in use by this host ({uses}): no guest can write it meanwhile"))
}

/// What is to be said about the devices of a pool, a sentence each.
pub fn warn_pool_devices(config: &PoolConfig) -> Vec<String> {
    let devices = config.source.devices.iter().filter_map(|device| {
        let path = Path::new(&device.path);
        let found = device::look(path).ok().flatten()?;
        warn_pool_device(config, path, &found)
    });
    devices.collect()
}

fn warn_pool_device(config: &PoolConfig, path: &Path, found: &BlockDevice) -> Option<String> {
    let subject = pool::subject(&config.name);
    let name = path.display();
    let is_whole = found.nature == Nature::Whole;
    let target = config.target.path.as_deref().unwrap_or_default();
    let own = format!("mounted at '{}'", target.trim_end_matches('/'));
    // A pool that runs has its own file system there.
    let others: Vec<String> =
        found.uses.iter().filter(|used| config.kind != PoolKind::Fs || **used != own).cloned().collect();
    match config.kind {
        PoolKind::Fs if is_whole => {
            let about = about(path, &others);
            Some(format!(
                "{subject}: '{name}' is a whole device of this host{about}; use one of its partitions (guide 12.2)"
            ))
        }
        PoolKind::Fs | PoolKind::Disk if !others.is_empty() => {
            let uses = others.join(", ");
            Some(format!(
                "{subject}: '{name}' is in use by this host ({uses}): the pool can't have it meanwhile"
            ))
        }
        PoolKind::Disk if is_whole => match signature(path, &subject).ok()? {
            Signature::FileSystem(what) | Signature::Other(what) => Some(format!(
                "{subject}: '{name}' holds {what} and no partition table: 'pool build --overwrite' makes one, and what is there is lost"
            )),
            Signature::Nothing | Signature::Table(_) => None,
        },
        _ => None,
    }
}

/// What a device holds and is used for, as part of a sentence.
fn about(path: &Path, uses: &[String]) -> String {
    let holds = match signature(path, "") {
        Ok(Signature::Table(table)) => Some(format!("with a partition table ({table})")),
        Ok(Signature::FileSystem(what) | Signature::Other(what)) => Some(format!("with {what} on it")),
        Ok(Signature::Nothing) | Err(_) => None,
    };
    let parts: Vec<String> = holds.into_iter().chain(uses.iter().cloned()).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}
