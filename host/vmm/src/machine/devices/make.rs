//! Devices from their configuration and the descriptors that came with it.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use reeve_image::{Access, Format, ImageFile, LuksCipher};
use zeroize::Zeroizing;

use super::{Board, DeviceCause, Handle};
use crate::config::{
    BackingConfig, BalloonConfig, BlockConfig, ConsoleConfig, DeviceConfig, DeviceKind, EncryptionConfig,
    FdIndex, FilesystemConfig, NetBackend, NetConfig, PluggableConfig, VsockConfig,
};
use crate::machine::FdTable;
use crate::machine::function::Function;
use crate::pci::{Panic, PanicFunction, Watchdog, WatchdogFunction};
use crate::virtio::balloon::Balloon;
use crate::virtio::block::{Block, Disk, DiskError, DiskOptions};
use crate::virtio::console::{ConsoleDevice, ConsolePort};
use crate::virtio::fs::{self, Filesystem};
use crate::virtio::mem::Mem;
use crate::virtio::net::{Backend, Net, NetOptions};
use crate::virtio::rng::Rng;
use crate::virtio::vsock::Vsock;
use crate::virtio::{PciTransport, VirtioDevice};

type Virtio = (Box<dyn VirtioDevice>, Handle);

/// The function of a device, and how it is reached.
pub(super) fn make(board: &Board<'_>, device: &DeviceConfig) -> Result<(Function, Handle), DeviceCause> {
    let (made, handle) = match &device.kind {
        DeviceKind::Block(config) => block(board, &device.alias, config),
        DeviceKind::Console(config) => Ok((virtio_console(board, config)?, Handle::Other)),
        DeviceKind::Net(config) => net(board, config),
        DeviceKind::Rng(config) => {
            let rng = Rng::new(board.fds.file(config.fd)?, config.rate);
            Ok::<Virtio, DeviceCause>((Box::new(rng), Handle::Other))
        }
        DeviceKind::Balloon(config) => balloon(board, config),
        DeviceKind::Vsock(config) => vsock(board, config),
        DeviceKind::Filesystem(config) => filesystem(board, config),
        DeviceKind::Memory(config) => memory(board, &device.alias, config),
        DeviceKind::Watchdog(_) => {
            let watchdog = Watchdog::new()?;
            let function = Arc::new(Mutex::new(WatchdogFunction::new(Arc::clone(&watchdog))));
            return Ok((Function::Watchdog(function), Handle::Watchdog(watchdog)));
        }
        DeviceKind::Panic => {
            let (chassis, signals) = (Arc::clone(board.chassis), Arc::clone(board.signals));
            let told = move |panic| match panic {
                Panic::Final => chassis.crash("the guest has panicked".to_owned()),
                Panic::Handled => signals.panic_handled(),
            };
            let function = Arc::new(Mutex::new(PanicFunction::new(Box::new(told))));
            return Ok((Function::Panic(function), Handle::Other));
        }
    }?;
    let transport = PciTransport::new(made, board.memory.clone(), board.vm.as_ref(), board.vm.clone())?;
    let transport = if device.event_idx { transport } else { transport.without_event_idx() };
    Ok((Function::Virtio(Arc::new(Mutex::new(transport))), handle))
}

fn block(board: &Board<'_>, alias: &str, config: &BlockConfig) -> Result<Virtio, DeviceCause> {
    let options = DiskOptions {
        readonly: config.readonly,
        removable: config.removable,
        serial: config.serial.clone().unwrap_or_default(),
        cache: config.cache,
        discard: config.discard,
        errors: config.errors,
        io: config.io,
        shape: config.shape.as_deref().copied().unwrap_or_default(),
        copy_on_read: config.copy_on_read,
    };
    let disk = match config.encryption {
        None => disk(board.fds, alias, config.fd, config.format, &config.backing, options)?,
        Some(encryption) => {
            let cipher = cipher(board.fds, encryption)?;
            Disk::encrypted(board.fds.file(config.fd)?, cipher, encryption.payload, options)?
        }
    };
    let served_by = config.iothread.map(|id| board.iothreads.get(id).ok_or(DeviceCause::NoIothread(id)));
    let block = Block::new(disk, &config.limits)?.served_by(served_by.transpose()?);
    let signals = Arc::clone(board.signals);
    block.control().watch(Arc::new(move || signals.disk_stopped()));
    let handle = Handle::Disk(block.metrics(), block.control());
    Ok((Box::new(block), handle))
}

/// The cipher of an encrypted disk. Its key is cleared from memory when the cipher has it.
fn cipher(fds: &FdTable, encryption: EncryptionConfig) -> Result<LuksCipher, DeviceCause> {
    let mut key = Zeroizing::new([0; LuksCipher::KEY_MAX + 1]);
    let mut length = 0;
    let mut pipe = fds.file(encryption.key)?;
    while length < key.len() {
        match pipe.read(&mut key[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DiskError::Key(error).into()),
        }
    }
    let wrong = || DiskError::Key(io::Error::new(io::ErrorKind::InvalidData, "it has another length"));
    Ok(LuksCipher::new(&key[..length]).ok_or_else(wrong)?)
}

/// A raw file or an image on its backing files. The worker knows no paths: errors call them by the disk's alias.
pub(super) fn disk(
    fds: &FdTable,
    alias: &str,
    fd: FdIndex,
    format: Format,
    backing: &[BackingConfig],
    options: DiskOptions,
) -> Result<Disk, DeviceCause> {
    if format == Format::Raw {
        return Ok(Disk::new(fds.file(fd)?, options)?);
    }
    let file = |fd, name| Ok::<_, DeviceCause>(ImageFile::new(fds.file(fd)?, name).map_err(DiskError::from)?);
    let mut chain = vec![(file(fd, alias.to_owned())?, format)];
    for (number, below) in (1..).zip(backing) {
        chain.push((file(below.fd, format!("backing file {number} of {alias}"))?, below.format));
    }
    let access = if options.readonly { Access::Read } else { Access::Write };
    let image = reeve_image::open_chain(chain, access).map_err(DiskError::from)?;
    Ok(Disk::in_image(image, options)?)
}

fn net(board: &Board<'_>, config: &NetConfig) -> Result<Virtio, DeviceCause> {
    let NetConfig { mac, mtu, link_up, offloads, .. } = *config;
    let options = NetOptions { mac, mtu, link_up, offloads };
    let net = match &config.backend {
        NetBackend::Tap { fd, more } => {
            let open = |fd: &FdIndex| Ok::<_, DeviceCause>(Backend::tap(board.fds.file(*fd)?)?);
            let taps = std::iter::once(fd).chain(more).map(open).collect::<Result<_, _>>()?;
            Net::with_queues(taps, options)?
        }
        NetBackend::Multicast { receive, send } => {
            Net::new(Backend::multicast(board.fds.get(*receive)?, board.fds.get(*send)?)?, options)?
        }
        NetBackend::Client { fd } => Net::new(Backend::client(board.fds.get(*fd)?)?, options)?,
        NetBackend::Server { fd } => Net::new(Backend::server(board.fds.get(*fd)?)?, options)?,
    };
    let handle = Handle::Interface(net.metrics(), net.control());
    Ok((Box::new(net), handle))
}

fn balloon(board: &Board<'_>, config: &BalloonConfig) -> Result<Virtio, DeviceCause> {
    let signals = Arc::clone(board.signals);
    let on_change = Box::new(move |bytes| signals.balloon(bytes));
    let balloon = Balloon::new(board.config.memory.bytes, config.target, config.stats, on_change)?;
    let balloon = balloon.offering(config.deflate_on_oom, config.reporting);
    let control = balloon.control();
    control.set_period(config.stats_period.unwrap_or(0));
    Ok((Box::new(balloon), Handle::Balloon(control)))
}

fn memory(board: &Board<'_>, alias: &str, config: &PluggableConfig) -> Result<Virtio, DeviceCause> {
    let mut devices =
        board.config.devices.iter().filter(|device| matches!(device.kind, DeviceKind::Memory(_)));
    let number = devices.position(|device| device.alias == alias);
    let blocks = number.and_then(|number| board.vm.blocks().get(number)).ok_or(DeviceCause::NoRegion)?;
    let node = (!board.config.memory.cells.is_empty()).then(|| config.node.unwrap_or(0));
    let memory = Mem::new(Arc::clone(blocks), config.requested, node);
    let control = memory.control();
    Ok((Box::new(memory), Handle::Memory(control)))
}

fn vsock(board: &Board<'_>, config: &VsockConfig) -> Result<Virtio, DeviceCause> {
    let signals = Arc::clone(board.signals);
    let told = Box::new(move || signals.dialed());
    let vsock = Vsock::new(config.cid.into(), board.fds.get(config.fd)?, told)?;
    let handle = Handle::Vsock(vsock.control());
    Ok((Box::new(vsock), handle))
}

fn filesystem(board: &Board<'_>, config: &FilesystemConfig) -> Result<Virtio, DeviceCause> {
    let signals = Arc::clone(board.signals);
    let told = Box::new(move || signals.backend_lost());
    let options = fs::Options { tag: config.tag.clone(), queue_size: config.queue_size };
    let filesystem = Filesystem::new(&options, board.fds.get(config.fd)?, told)?;
    let handle = Handle::Filesystem(filesystem.control());
    Ok((Box::new(filesystem), handle))
}

fn virtio_console(board: &Board<'_>, config: &ConsoleConfig) -> Result<Box<dyn VirtioDevice>, DeviceCause> {
    let ports = config.ports.iter().filter_map(|port| {
        let console = board.consoles.get(&port.alias)?;
        Some(ConsolePort { console: Arc::clone(console), name: port.name.clone() })
    });
    Ok(Box::new(ConsoleDevice::new(ports.collect())?))
}
