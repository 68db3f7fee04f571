//! Other images for the disks of a running machine: opened here, put in place by its worker.

use std::os::fd::OwnedFd;

use reeve_model::domain::Disk;
use reeve_vmm::config::{BackingConfig, BlockConfig, DeviceKind, FdIndex};
use reeve_vmm::protocol::{Answer, Call, DiskSwitch, MAX_FDS};

use super::client::Client;
use super::plan::{Source, Sources};
use super::{devices, images, launch};
use crate::driver::DriverError;

/// Opens what `new` disks have. A file that is in the chain of an `old` one comes without a lock: its worker has it.
pub(super) fn open(old: &[Disk], new: &[Disk]) -> Result<(Vec<DiskSwitch>, Vec<OwnedFd>), DriverError> {
    let mut held = Vec::new();
    for disk in old {
        let (_, Source::Image { what, path, format, .. }) = image(disk)? else { continue };
        held.extend(images::held(&what, &path, format)?);
    }
    let (mut switches, mut fds) = (Vec::new(), Vec::new());
    for disk in new {
        let (alias, Source::Image { what, path, access, format }) = image(disk)? else { continue };
        let (top, below) = images::open_beside(&what, &path, access, format, &held)?;
        let mut add = |fd| {
            fds.push(fd);
            FdIndex(fds.len() as u32 - 1)
        };
        let fd = add(top);
        let backing = below.into_iter().map(|(fd, format)| BackingConfig { fd: add(fd), format }).collect();
        switches.push(DiskSwitch { alias, fd, format, backing });
    }
    if fds.len() > MAX_FDS {
        let sentence = format!(
            "the images with their backing files are {} files, and a worker is given {MAX_FDS} at once",
            fds.len()
        );
        return Err(DriverError::Unsupported(sentence));
    }
    Ok((switches, fds))
}

/// Opens another medium for a drive.
pub(super) fn open_medium(drive: &Disk) -> Result<(DiskSwitch, Vec<OwnedFd>), DriverError> {
    let mut sources = Sources::default();
    let mut device = devices::disk(drive, &mut sources).map_err(DriverError::Unsupported)?;
    if sources.0.iter().any(|source| matches!(source, Source::Key { .. })) {
        let sentence =
            format!("the medium of disk '{}' is encrypted and can't be changed while it runs", drive.target);
        return Err(DriverError::Unsupported(sentence));
    }
    let fds = launch::open_all(&sources, std::slice::from_mut(&mut device), launch::Given::default())?;
    match device.kind {
        DeviceKind::Block(BlockConfig { fd, format, backing, .. }) => {
            Ok((DiskSwitch { alias: device.alias, fd, format, backing }, fds))
        }
        _ => unreachable!("a disk is a block device"),
    }
}

/// The alias of a disk and what it is to be opened from.
fn image(disk: &Disk) -> Result<(String, Source), DriverError> {
    let mut sources = Sources::default();
    let device = devices::disk(disk, &mut sources).map_err(DriverError::Unsupported)?;
    let refused = |why: &str| {
        let sentence = format!("disk '{}' {why}, so nothing can take the place of its image", disk.target);
        Err(DriverError::Unsupported(sentence))
    };
    match (device.kind, sources.0.pop()) {
        (DeviceKind::Block(block), _) if block.readonly => refused("is read-only"),
        (DeviceKind::Block(block), _) if block.encryption.is_some() => refused("is encrypted"),
        (_, Some(_)) if disk.shareable => refused("is shared with other domains"),
        (_, Some(source)) => Ok((device.alias, source)),
        (_, None) => refused("has no image"),
    }
}

/// Aliases of disks.
pub(super) fn aliases(disks: &[Disk]) -> Vec<String> {
    disks.iter().map(|disk| devices::alias(&disk.common)).collect()
}

/// How many backing files each disk of a worker has, by alias.
pub(super) async fn depths(client: &Client) -> Result<Vec<(String, usize)>, DriverError> {
    let config = match client.call(Call::Config, Vec::new()).await? {
        (Answer::Config(config), _) => config,
        (other, _) => return Err(DriverError::Worker(format!("its worker answers Config with {other:?}"))),
    };
    let depth = |device: reeve_vmm::config::DeviceConfig| match device.kind {
        DeviceKind::Block(block) => Some((device.alias, block.backing.len())),
        _ => None,
    };
    Ok(config.devices.into_iter().filter_map(depth).collect())
}
