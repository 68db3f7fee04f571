//! Block devices: their size, and telling the kernel of their partitions.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FileType;

use crate::open::kernel_node;

/// `_IO(0x12, 105)` of linux/blkpg.h.
const BLKPG: libc::Ioctl = 0x1269;
/// `_IO(0x12, 119)` of linux/fs.h.
const BLKDISCARD: libc::Ioctl = 0x1277;
/// `_IO(0x12, 127)` of linux/fs.h.
const BLKZEROOUT: libc::Ioctl = 0x127f;
/// `_IOR(0x12, 114, size_t)` of linux/fs.h.
const BLKGETSIZE64: libc::Ioctl = 0x8008_1272u32 as libc::Ioctl;

/// What is told about a partition.
#[derive(Debug, Clone, Copy)]
enum Told {
    Add = 1,
    Remove = 2,
    Resize = 3,
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct Argument {
    op: libc::c_int,
    flags: libc::c_int,
    length: libc::c_int,
    data: *mut Partition,
}

/// `struct blkpg_partition`.
#[repr(C)]
struct Partition {
    start: i64,
    length: i64,
    number: libc::c_int,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// Opens a block device, at the node at which all who lock it do. `alone` fails while it is mounted or part of another device, and keeps it
/// from becoming so.
pub fn open(path: &Path, write: bool, alone: bool) -> io::Result<File> {
    let found = rustix::fs::stat(path)?;
    let is_block = FileType::from_raw_mode(found.st_mode) == FileType::BlockDevice;
    let node = is_block.then(|| kernel_node(&found)).flatten();
    let path = node.as_deref().unwrap_or(path);
    let exclusive = if alone { libc::O_EXCL } else { 0 };
    let mut options = File::options();
    let file = options
        .read(true)
        .write(write)
        .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK | exclusive)
        .open(path)?;
    match file.metadata()?.file_type().is_block_device() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a block device")),
    }
}

/// Size of a device in bytes.
pub fn size(device: impl AsFd) -> io::Result<u64> {
    let mut size = 0_u64;
    // SAFETY: BLKGETSIZE64 writes one 64-bit number to the address, which is `size`.
    let done = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), BLKGETSIZE64, &raw mut size) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(size) }
}

/// Bytes of a sector, as partition tables count them.
pub fn sector_size(device: impl AsFd) -> io::Result<u32> {
    Ok(rustix::fs::ioctl_blksszget(device)?)
}

/// Gives the blocks of a stretch back; what is read there afterwards is not defined.
pub fn discard(device: impl AsFd, start: u64, length: u64) -> io::Result<()> {
    stretch(device, BLKDISCARD, start, length)
}

/// Makes a stretch read as zeroes.
pub fn zero(device: impl AsFd, start: u64, length: u64) -> io::Result<()> {
    stretch(device, BLKZEROOUT, start, length)
}

fn stretch(device: impl AsFd, request: libc::Ioctl, start: u64, length: u64) -> io::Result<()> {
    let range = [start, length];
    // SAFETY: both requests read two 64-bit numbers from the address, which are `range`.
    let done = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), request, range.as_ptr()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Tells the kernel of a new partition, in bytes. Its device node is there afterwards.
pub fn add_partition(device: impl AsFd, number: u32, start: u64, length: u64) -> io::Result<()> {
    tell(device, Told::Add, number, start, length)
}

/// Tells the kernel that a partition is gone; fails while it is in use. No error when it knows of none.
pub fn remove_partition(device: impl AsFd, number: u32) -> io::Result<()> {
    match tell(device, Told::Remove, number, 0, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(()),
        told => told,
    }
}

/// Tells the kernel of another length of a partition, in bytes.
pub fn resize_partition(device: impl AsFd, number: u32, start: u64, length: u64) -> io::Result<()> {
    tell(device, Told::Resize, number, start, length)
}

/// Partitions of a device that the kernel knows: number, start and length in bytes. `name` is the device's own, as `sda`.
pub fn partitions(name: &str) -> io::Result<Vec<(u32, u64, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new("/sys/class/block").join(name))? {
        let path = entry?.path();
        let number = |file: &str| std::fs::read_to_string(path.join(file)).ok()?.trim().parse::<u64>().ok();
        let (Some(partition), Some(start), Some(size)) =
            (number("partition"), number("start"), number("size"))
        else {
            continue;
        };
        // The kernel counts in sectors of 512 bytes there, whatever the device has.
        let bytes = |sectors: u64| sectors.saturating_mul(512);
        found.extend(u32::try_from(partition).ok().map(|partition| (partition, bytes(start), bytes(size))));
    }
    found.sort_unstable();
    Ok(found)
}

fn tell(device: impl AsFd, told: Told, number: u32, start: u64, length: u64) -> io::Result<()> {
    let fits = |number: u64| i64::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
    let mut partition = Partition {
        start: fits(start)?,
        length: fits(length)?,
        number: libc::c_int::try_from(number).map_err(|_| io::ErrorKind::InvalidInput)?,
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let mut argument = Argument {
        op: told as libc::c_int,
        flags: 0,
        length: size_of::<Partition>() as libc::c_int,
        data: &raw mut partition,
    };
    // SAFETY: BLKPG reads the two structures, which outlive the call and are laid out as linux/blkpg.h says.
    let done = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), BLKPG, &raw mut argument) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_block_devices_are_opened() {
        let error = open(Path::new("/dev/null"), false, false).unwrap_err();
        assert_eq!(error.to_string(), "it is not a block device");
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(open(file.path(), false, false).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(size(file.as_file()).is_err(), "a file told the size of a device");
    }
}
