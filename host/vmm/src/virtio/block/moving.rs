//! Disks that go with their guest to another worker: read here while the guest writes them, and written there before it has them.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use reeve_image::{Access, Image, ImageError, ImageFile, Shown};
use reeve_migrate::{DiskShape, GuestError, MAX_BLOCK, Piece};
use reeve_sys::sparse;
use rustix::fs::OFlags;

use super::device::BlockControl;
use super::disk::{Disk, SECTOR, bypass_cache};
use super::disk_error::whole;
use crate::config::BlockConfig;
use crate::machine::FdTable;

/// Most bytes that are looked at once, however much of them is alike.
const MOST: u64 = 1 << 30;

/// A disk that is read while its guest runs. What the guest writes is noted from [`LeavingDisk::track`] on, as long as this is there.
pub(crate) struct LeavingDisk {
    name: String,
    disk: Arc<Disk>,
    /// Only what the image that is written has itself.
    shallow: bool,
    /// Who takes the note of what is written.
    taker: Option<u64>,
}

impl LeavingDisk {
    /// The disk as it is now; nothing may take its place meanwhile.
    pub fn new(control: &BlockControl, name: &str, shallow: bool) -> Self {
        Self { name: name.to_owned(), disk: control.disk(), shallow, taker: None }
    }

    pub fn shape(&self) -> DiskShape {
        DiskShape { name: self.name.clone(), size: self.disk.capacity() }
    }

    pub fn track(&mut self) {
        self.taker = Some(self.disk.written().begin(self.disk.capacity()));
    }

    pub fn take_written(&self) -> Vec<Range<u64>> {
        self.disk.written().take()
    }

    /// What is at the beginning of a range within it.
    pub fn piece(&self, range: Range<u64>) -> Result<Piece, GuestError> {
        self.read(range).map_err(|error| GuestError(format!("disk '{}' can't be read: {error}", self.name)))
    }

    fn read(&self, range: Range<u64>) -> io::Result<Piece> {
        let (at, left) = (range.start, (range.end - range.start).min(MOST));
        if let Some(chained) = self.disk.image() {
            let turn = chained.turn_for_job();
            let (shown, length) = turn.image.shown(at, self.shallow).map_err(image_error)?;
            // What ends within a sector is read with what follows it.
            let sectors = length.min(left) / SECTOR * SECTOR;
            match shown {
                Shown::Below if sectors > 0 => return Ok(Piece::Absent(sectors)),
                Shown::Zero if sectors > 0 => return Ok(Piece::Zero(sectors)),
                _ => {}
            }
            let mut bytes = vec![0; piece_length(length, left)];
            turn.image.read(&mut bytes, at).map_err(image_error)?;
            return Ok(piece_of(bytes));
        }
        let mut length = left;
        if self.disk.frees_to_zeros() {
            let stretch = sparse::stretch(self.disk.file(), at, at + left);
            let sectors = stretch.length.min(left) / SECTOR * SECTOR;
            if !stretch.data && sectors > 0 {
                return Ok(Piece::Zero(sectors));
            }
            length = stretch.length;
        }
        let length = piece_length(length, left);
        let mut bytes = Vec::with_capacity(length);
        self.disk.read_around(at, length as u64, |part| bytes.extend_from_slice(part))?;
        Ok(piece_of(bytes))
    }
}

impl Drop for LeavingDisk {
    fn drop(&mut self) {
        // Another migration may have begun before the thread of this one is at its end.
        self.taker.into_iter().for_each(|taker| self.disk.written().end(taker));
    }
}

/// Bytes that are read at once, of `length` that are alike and `left` that are wanted.
fn piece_length(length: u64, left: u64) -> usize {
    length.clamp(1, MAX_BLOCK).next_multiple_of(SECTOR).min(left) as usize
}

fn piece_of(bytes: Vec<u8>) -> Piece {
    if bytes.iter().all(|byte| *byte == 0) { Piece::Zero(bytes.len() as u64) } else { Piece::Data(bytes) }
}

fn image_error(error: ImageError) -> io::Error {
    io::Error::other(whole(&error))
}

/// A disk that is written before its guest is here. Its file is this worker's alone.
pub(crate) struct ArrivingDisk {
    name: String,
    /// Closed when all of it is here: the device opens it then.
    image: Option<Image>,
    size: u64,
    /// The file that bypasses the page cache at other times.
    direct: Option<File>,
}

impl ArrivingDisk {
    /// Opens what the disk of a configuration is in.
    pub fn open(name: &str, block: &BlockConfig, fds: &FdTable) -> Result<Self, GuestError> {
        let failed = |cause: &dyn std::fmt::Display| GuestError(format!("disk '{name}' can't come: {cause}"));
        if block.readonly || block.encryption.is_some() {
            return Err(failed(&"it is read-only or encrypted"));
        }
        let file = fds.file(block.fd).map_err(|error| failed(&error))?;
        let flags = rustix::fs::fcntl_getfl(&file).map_err(|error| failed(&error))?;
        let mut direct = None;
        if flags.contains(OFlags::DIRECT) {
            bypass_cache(&file, false).map_err(|error| failed(&error))?;
            direct = Some(file.try_clone().map_err(|error| failed(&error))?);
        }
        let open =
            |file: File, name: String| ImageFile::new(file, name).map_err(|error| failed(&whole(&error)));
        let mut chain = vec![(open(file, name.to_owned())?, block.format)];
        for (number, below) in (1..).zip(&block.backing) {
            let file = fds.file(below.fd).map_err(|error| failed(&error))?;
            chain.push((open(file, format!("backing file {number} of {name}"))?, below.format));
        }
        let image = reeve_image::open_chain(chain, Access::Write).map_err(|error| failed(&whole(&error)))?;
        let size = image.size();
        Ok(Self { name: name.to_owned(), image: Some(image), size, direct })
    }

    pub fn shape(&self) -> DiskShape {
        DiskShape { name: self.name.clone(), size: self.size }
    }

    pub fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), GuestError> {
        self.change(|image| image.write(bytes, offset))
    }

    /// Makes a range zeros. What shows zeros already stays as it is, and takes no space.
    pub fn zero(&mut self, range: Range<u64>) -> Result<(), GuestError> {
        self.change(|image| {
            let mut at = range.start;
            while at < range.end {
                let (shown, length) = image.shown(at, false)?;
                let length = length.clamp(1, range.end - at);
                if shown != Shown::Zero {
                    image.zero(at, length)?;
                }
                at += length;
            }
            Ok(())
        })
    }

    pub fn sync(&mut self) -> Result<(), GuestError> {
        self.change(|image| image.sync())
    }

    /// All of it is here and on the medium; it is as it was opened.
    pub fn settle(&mut self) -> Result<(), GuestError> {
        self.sync()?;
        self.image = None;
        match &self.direct {
            Some(file) => bypass_cache(file, true).map_err(|error| self.failed(&error)),
            None => Ok(()),
        }
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut Image) -> Result<(), ImageError>,
    ) -> Result<(), GuestError> {
        let Some(image) = &mut self.image else { return Err(self.failed(&"all of it has come")) };
        change(image).map_err(|error| self.failed(&whole(&error)))
    }

    fn failed(&self, cause: &dyn std::fmt::Display) -> GuestError {
        GuestError(format!("disk '{}' can't be written at the destination: {cause}", self.name))
    }
}
