//! What holds for every pool and volume document, whatever the host.

use super::{Permissions, PoolConfig, PoolKind, SourceLookup, VolumeConfig};

/// A rule that a document breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct StorageViolation {
    /// Where, e.g. `source.device[1]`.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

fn broken(path: impl Into<String>, message: impl Into<String>) -> Result<(), StorageViolation> {
    Err(StorageViolation { path: path.into(), message: message.into() })
}

/// The most devices that one pool is made of.
const DEVICES_MAX: usize = 256;
/// The largest volume: what a virtio disk can address (guide 11.1).
const CAPACITY_MAX: u64 = i64::MAX as u64;

impl PoolConfig {
    /// Checks it; the first rule it breaks.
    pub fn check(&self) -> Result<(), StorageViolation> {
        if self.name.trim().is_empty()
            || self.name.len() > 255
            || self.name.contains('/')
            || self.name.contains(char::is_control)
        {
            return broken(
                "name",
                "a pool needs a name of 1 to 255 bytes without '/' and control characters",
            );
        }
        self.check_texts()?;
        let kind = self.kind;
        match kind {
            PoolKind::Dir => {}
            PoolKind::Fs => self.needs_device(1)?,
            PoolKind::Disk => self.needs_device(1)?,
            PoolKind::Netfs => {
                self.needs_host()?;
                match &self.source.dir {
                    Some(dir) => check_path("source.dir", dir)?,
                    None => return broken("source", "a pool of type 'netfs' needs <dir path='…'/>"),
                }
            }
            PoolKind::Logical => {
                for (index, device) in self.source.devices.iter().enumerate() {
                    check_path(&format!("source.device[{index}]"), &device.path)?;
                }
                let group = self.source.name.as_ref().unwrap_or(&self.name);
                if !is_lvm_name(group) {
                    return broken(
                        "source.name",
                        format!(
                            "'{group}' can't be a volume group: letters, digits and +_.- only, not first '-'"
                        ),
                    );
                }
            }
            PoolKind::Iscsi | PoolKind::IscsiDirect => {
                self.needs_host()?;
                let Some(target) = self.source.device() else {
                    let message = format!("a pool of type '{kind}' needs <device path='iqn.…'/>");
                    return broken("source", message);
                };
                check_iqn("source.device", target)?;
                if let Some(initiator) = &self.source.initiator {
                    check_iqn("source.initiator.iqn", initiator)?;
                }
            }
            PoolKind::Scsi => {
                if self.source.adapter.is_none() {
                    return broken("source", "a pool of type 'scsi' needs <adapter name='host…'/>");
                }
            }
            PoolKind::Mpath => {}
            PoolKind::Rbd | PoolKind::Sheepdog | PoolKind::Gluster | PoolKind::Zfs | PoolKind::Vstorage => {
                if self.source.name.is_none() {
                    return broken("source", format!("a pool of type '{kind}' needs <name> of its source"));
                }
            }
        }
        match (&self.target.path, kind) {
            (Some(path), _) => check_path("target.path", path)?,
            (None, PoolKind::Dir | PoolKind::Fs | PoolKind::Netfs) => {
                let message =
                    format!("a pool of type '{kind}' needs the directory of its volumes; add <path>");
                return broken("target", message);
            }
            (None, _) => {}
        }
        check_permissions("target.permissions", self.target.permissions.as_ref())
    }

    /// Every text of the source: nothing of it may end a line or look like an option to a program.
    fn check_texts(&self) -> Result<(), StorageViolation> {
        let source = &self.source;
        if source.devices.len() > DEVICES_MAX {
            return broken("source.device", format!("a pool has {DEVICES_MAX} devices at most"));
        }
        let words = [
            ("source.name", source.name.as_deref()),
            ("source.format", source.format.as_deref()),
            ("source.protocol", source.protocol.as_deref()),
            ("source.dir", source.dir.as_deref()),
        ];
        let hosts = source.hosts.iter().map(|host| ("source.host", Some(host.name.as_str())));
        for (path, word) in words.into_iter().chain(hosts) {
            let Some(word) = word else { continue };
            if word.is_empty() || word.starts_with('-') || word.contains(char::is_control) {
                return broken(path, "it must not be empty, begin with '-' or have control characters in it");
            }
        }
        for (index, host) in source.hosts.iter().enumerate() {
            check_host(&format!("source.host[{index}]"), &host.name)?;
        }
        Ok(())
    }

    fn needs_device(&self, count: usize) -> Result<(), StorageViolation> {
        if self.source.devices.len() != count {
            let message = format!("a pool of type '{}' is made of one <device path='/dev/…'/>", self.kind);
            return broken("source", message);
        }
        check_path("source.device", &self.source.devices[0].path)
    }

    fn needs_host(&self) -> Result<(), StorageViolation> {
        match self.source.hosts.is_empty() {
            true => broken("source", format!("a pool of type '{}' needs <host name='…'/>", self.kind)),
            false => Ok(()),
        }
    }
}

impl SourceLookup {
    /// Checks it; the first rule it breaks.
    pub fn check(&self) -> Result<(), StorageViolation> {
        let kind = self.kind;
        let is_remote = matches!(kind, PoolKind::Netfs | PoolKind::Iscsi);
        match &self.host {
            Some(host) if is_remote => check_host("host", host)?,
            None if is_remote => {
                return broken("host", format!("name the server that is asked for sources of type '{kind}'"));
            }
            Some(_) => {
                return broken("host", format!("sources of type '{kind}' are on this host; name no other"));
            }
            None => {}
        }
        if self.port.is_some() && kind != PoolKind::Iscsi {
            return broken("port", "only an iSCSI server is asked at a port of its own");
        }
        if let Some(initiator) = &self.initiator {
            check_iqn("initiator", initiator)?;
        }
        match (&self.username, &self.secret) {
            (None, None) => Ok(()),
            (Some(_), Some(_)) if kind == PoolKind::Iscsi => Ok(()),
            (Some(_), Some(_)) => broken("username", "only an iSCSI server is told who this host is"),
            _ => broken("secret", "a name and a secret go together; give both or none"),
        }
    }
}

impl VolumeConfig {
    /// Checks it; the first rule it breaks.
    pub fn check(&self) -> Result<(), StorageViolation> {
        if let Err(message) = check_volume_name(&self.name) {
            return broken("name", message);
        }
        for (path, size) in
            [("capacity", self.capacity), ("allocation", self.allocation), ("physical", self.physical)]
        {
            if size.is_some_and(|size| size.0 > CAPACITY_MAX) {
                return broken(path, "a volume has 8 EiB less one byte at most");
            }
        }
        if let Some(compat) = &self.target.compat
            && !["0.10", "1.1"].contains(&compat.as_str())
        {
            return broken("target.compat", format!("compat '{compat}' is neither '0.10' nor '1.1'"));
        }
        if let Some(size) = self.target.cluster_size
            && (!size.0.is_power_of_two() || !(512..=2 << 20).contains(&size.0))
        {
            return broken("target.clusterSize", "a cluster is a power of two, 512 bytes to 2 MiB");
        }
        if let Some(backing) = &self.backing {
            if backing.path.is_empty() || backing.path.contains(char::is_control) {
                return broken("backingStore.path", "the path is empty or has control characters in it");
            }
            check_permissions("backingStore.permissions", backing.permissions.as_ref())?;
        }
        check_permissions("target.permissions", self.target.permissions.as_ref())
    }
}

/// Why a text can't be the name of a volume. A name is one step below its pool, and names with a dot first are the host's own.
pub fn check_volume_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.len() > 255 {
        return Err("a volume needs a name of 1 to 255 bytes".to_owned());
    }
    let shown: String = name.chars().take(64).collect();
    if name.contains('/') || name.contains(char::is_control) {
        return Err(format!(
            "'{}' can't name a volume: a name has no '/' and no control characters",
            shown.escape_debug()
        ));
    }
    if name.starts_with('.') {
        return Err(format!("'{shown}' can't name a volume: names with '.' first are the host's own"));
    }
    if name.starts_with('-') {
        return Err(format!("'{shown}' can't name a volume: a name does not begin with '-'"));
    }
    Ok(())
}

fn check_host(place: &str, name: &str) -> Result<(), StorageViolation> {
    let unlike = |c: char| !(c.is_ascii_alphanumeric() || "._-:%[]".contains(c));
    match name.is_empty() || name.len() > 255 || name.starts_with('-') || name.contains(unlike) {
        true => broken(place, format!("'{}' is neither a host name nor an address", name.escape_debug())),
        false => Ok(()),
    }
}

fn check_path(place: &str, path: &str) -> Result<(), StorageViolation> {
    if !path.starts_with('/') {
        return broken(place, format!("'{path}' is not an absolute path"));
    }
    if path.len() > 4095 || path.contains(char::is_control) {
        return broken(place, "the path is too long or has control characters in it");
    }
    if path.split('/').any(|step| step == "..") {
        return broken(place, format!("'{path}' goes up with '..'; write where it leads"));
    }
    Ok(())
}

fn check_permissions(place: &str, permissions: Option<&Permissions>) -> Result<(), StorageViolation> {
    match permissions.and_then(|permissions| permissions.mode) {
        Some(mode) if mode > 0o7777 => broken(format!("{place}.mode"), "a mode is 0 to 07777, octal"),
        _ => Ok(()),
    }
}

/// `iqn.yyyy-mm.reversed.domain:anything`, without blanks (guide 12.5.1).
fn check_iqn(place: &str, name: &str) -> Result<(), StorageViolation> {
    let fits = name.len() <= 223
        && ["iqn.", "eui.", "naa."].iter().any(|prefix| name.starts_with(prefix))
        && name.chars().all(|c| c.is_alphanumeric() || ".:-_".contains(c));
    match fits {
        true => Ok(()),
        false => broken(
            place,
            format!("'{name}' is no iSCSI name such as iqn.2010-05.com.example.server1:iscsirhel6guest"),
        ),
    }
}

fn is_lvm_name(name: &str) -> bool {
    (1..=127).contains(&name.len())
        && !name.starts_with('-')
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+_.-".contains(&byte))
}
