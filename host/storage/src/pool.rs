//! What a kind of pool does, and which kinds there are.

use std::fs::File;

use reeve_image::Directories;
use reeve_model::Bytes;
use reeve_model::secret::SecretValue;
use reeve_model::storage::{
    BuildMode, PoolConfig, PoolKind, PoolSpace, VolumeConfig, VolumeEncryption, VolumeKind,
};

use crate::details::Details;
use crate::kinds::{dir, disk, fs, iscsi, logical, netfs, scsi};
use crate::{Progress, StorageError};

/// The source of a pool: it is made, brought into reach, let go and removed.
pub(crate) trait Pool: Send + Sync {
    /// Makes the source.
    fn build(&self, mode: BuildMode) -> Result<(), StorageError>;

    /// Brings the source into reach. No error when it is there already, as after a restart of the daemon.
    fn start(&self) -> Result<Box<dyn Volumes>, StorageError>;

    /// As [`Self::start`], with the value of the secret that its document names.
    fn start_with(&self, _secret: &SecretValue) -> Result<Box<dyn Volumes>, StorageError> {
        self.start()
    }

    /// Lets the source go; no data is touched.
    fn stop(&self) -> Result<(), StorageError>;

    /// Removes the source for good.
    fn delete(&self) -> Result<(), StorageError>;
}

/// The volumes of a pool that runs.
pub(crate) trait Volumes: Send + Sync {
    /// Reads what there is; what did not change since is not looked at again. What interrupted operations left is removed.
    fn refresh(&self, progress: &Progress) -> Result<Vec<Volume>, StorageError>;

    /// What the pool holds.
    fn space(&self) -> Result<PoolSpace, StorageError>;

    /// Makes a volume, of zeroes or with a content that it has before anybody sees it.
    fn create(&self, volume: &VolumeConfig, content: Option<Content<'_>>) -> Result<Volume, StorageError>;

    /// Removes a volume.
    fn delete(&self, name: &str) -> Result<(), StorageError>;

    /// Gives a volume another capacity. Growth takes space at once where `allocate` says so.
    fn resize(&self, name: &str, capacity: u64, allocate: bool) -> Result<Volume, StorageError>;

    /// Opens a volume and keeps it, until it is closed, from who locks images too: from everybody to write, from writers to read.
    fn open(&self, name: &str, write: bool) -> Result<File, StorageError>;

    /// One volume, read anew.
    fn look(&self, name: &str) -> Result<Volume, StorageError>;

    /// What a document says of a volume beside that.
    fn describe(&self, name: &str) -> Result<Details, StorageError> {
        let path = self.look(name)?.path;
        Ok(Details::of(&std::fs::metadata(&path).map_err(StorageError::file(path, "looked at"))?))
    }

    /// Where the backing images of its volumes are found: in the directory of the pool, where there is one.
    fn chain(&self) -> Result<Directories, StorageError> {
        Ok(Directories::new())
    }
}

/// What a new volume begins with.
pub(crate) struct Content<'a> {
    /// Format of the image that it is.
    pub(crate) format: &'a str,
    /// Bytes of it.
    pub(crate) length: u64,
    /// Writes it; what is not written reads as zeroes.
    pub(crate) fill: &'a mut dyn FnMut(&File) -> Result<(), StorageError>,
}

/// A volume as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Name within its pool.
    pub name: String,
    /// Unique on the host.
    pub key: String,
    /// Where it is.
    pub path: String,
    /// What it is on the host.
    pub kind: VolumeKind,
    /// Format of the image.
    pub format: String,
    /// What a guest sees.
    pub capacity: Bytes,
    /// What it takes of its pool.
    pub allocation: Bytes,
    /// Size of the file or device.
    pub physical: Bytes,
    /// The image below an overlay, as the overlay names it.
    pub backing: Option<String>,
    /// How it is encrypted, if so.
    pub encryption: Option<VolumeEncryption>,
    /// Why it can't be used as it is, if so.
    pub fault: Option<String>,
}

/// The pool that a document describes; refused where its kind can't be served here.
pub(crate) fn of(config: &PoolConfig) -> Result<Box<dyn Pool>, StorageError> {
    Ok(match config.kind {
        PoolKind::Dir => Box::new(dir::DirPool::new(config)),
        PoolKind::Fs => Box::new(fs::FsPool::new(config)?),
        PoolKind::Netfs => Box::new(netfs::NetfsPool::new(config)?),
        PoolKind::Disk => Box::new(disk::DiskPool::new(config)?),
        PoolKind::Logical => Box::new(logical::LogicalPool::new(config)?),
        PoolKind::Iscsi => Box::new(iscsi::IscsiPool::new(config)?),
        PoolKind::Scsi => Box::new(scsi::ScsiPool::new(config)?),
        kind => return Err(StorageError::unsupported(subject(&config.name), refusal(kind))),
    })
}

/// Why a kind of pool is not served.
pub(crate) fn refusal(kind: PoolKind) -> String {
    let reason = match kind {
        PoolKind::IscsiDirect => {
            "needs an iSCSI initiator in the process of the guest, which this version has not; use a pool of type 'iscsi'"
        }
        PoolKind::Mpath => {
            "has no source to dedicate to it, and the guide advises against such pools (11.1); \
             use a pool of type 'disk' or 'fs' on the multipath device"
        }
        PoolKind::Gluster => {
            "is no pool (guide 12.7): mount the Gluster volume on the host and use a pool of type 'dir' there"
        }
        PoolKind::Rbd => {
            "needs a client library of Ceph, which this version is built without; map the image on the host ('rbd map') and give \
             the domain its device (<disk type='block'>)"
        }
        PoolKind::Zfs => {
            "needs the programs of ZFS to be driven, which this version does not; make volumes with 'zfs create -V' and give \
             domains their devices (<disk type='block'>, /dev/zvol/…), or use a pool of type 'dir' on a file system of it"
        }
        PoolKind::Vstorage => {
            "needs a client of Virtuozzo Storage, which this version has not; mount the cluster on the host and use a pool of type \
             'dir' there"
        }
        _ => {
            "needs a client library that this version is built without; connect the image on the host and give the domain its \
             device (<disk type='block'>)"
        }
    };
    format!("a pool of type '{kind}' {reason}")
}

pub(crate) fn subject(pool: &str) -> String {
    format!("storage pool '{pool}'")
}

pub(crate) fn volume_subject(name: &str, pool: &str) -> String {
    format!("volume '{name}' of pool '{pool}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_not_served_are_refused_with_a_reason() {
        let served = [
            PoolKind::Dir,
            PoolKind::Fs,
            PoolKind::Netfs,
            PoolKind::Disk,
            PoolKind::Logical,
            PoolKind::Iscsi,
            PoolKind::Scsi,
        ];
        for (kind, word) in PoolKind::ALL {
            if !served.contains(&kind) {
                let reason = refusal(kind);
                assert!(reason.starts_with(&format!("a pool of type '{word}' ")), "{reason}");
                assert!(reason.contains("needs") || reason.contains("guide"), "{reason}");
                let instead = ["use a pool of type", "give a domain", "give the domain", "give domains"];
                assert!(instead.iter().any(|way| reason.contains(way)), "{reason}");
            }
        }
    }
}
