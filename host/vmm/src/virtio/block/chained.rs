//! A disk in an image with a format of its own: what the guest wants goes through the image, piece by piece.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reeve_image::{Image, ImageError, ResizeOptions, Snapshot};
use time::OffsetDateTime;

use super::disk::BOUNCE_SIZE;

/// The image with the backing files below it. The device's thread and the control plane take turns.
#[derive(Debug)]
pub(super) struct Chained(Mutex<Turn>);

#[derive(Debug)]
struct Turn {
    image: Image,
    /// What lies between the image and guest memory; as long as the longest piece so far.
    bounce: Vec<u8>,
}

impl Chained {
    pub(super) fn new(image: Image) -> Self {
        Self(Mutex::new(Turn { image, bounce: Vec::new() }))
    }

    /// Bytes of the disk.
    pub(super) fn size(&self) -> u64 {
        self.turn().image.size()
    }

    /// Reads a range; `take` gets it piece by piece, in order.
    pub(super) fn read(&self, offset: u64, length: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        self.pieces(offset, length, |image, piece, at| {
            image.read(piece, at)?;
            take(piece);
            Ok(())
        })
    }

    /// Writes a range; `fill` gives it piece by piece, in order.
    pub(super) fn write(&self, offset: u64, length: u64, mut fill: impl FnMut(&mut [u8])) -> io::Result<()> {
        self.pieces(offset, length, |image, piece, at| {
            fill(piece);
            image.write(piece, at)
        })
    }

    /// Makes a range read as zeros; the space of whole clusters is given back.
    pub(super) fn zero(&self, offset: u64, length: u64) -> io::Result<()> {
        self.turn().image.zero(offset, length).map_err(io::Error::other)
    }

    /// Gives the disk another size.
    pub(super) fn resize(&self, size: u64, shrink: bool) -> Result<(), ImageError> {
        self.turn().image.resize(size, ResizeOptions { shrink, ..ResizeOptions::default() })
    }

    /// Everything written is on the disk when this returns.
    pub(super) fn sync(&self) -> Result<(), ImageError> {
        self.turn().image.sync()
    }

    /// Makes a snapshot within the image.
    pub(super) fn snapshot(&self, name: &str, taken: OffsetDateTime) -> Result<(), ImageError> {
        let image = &mut self.turn().image;
        image.create_snapshot(name, taken)?;
        image.sync()
    }

    /// Deletes the snapshot of a name and time within the image, if it has one.
    pub(super) fn drop_snapshot(&self, name: &str, taken: OffsetDateTime) -> Result<(), ImageError> {
        let image = &mut self.turn().image;
        let is_it = |snapshot: &Snapshot| snapshot.name == name && snapshot.taken == taken;
        let found = image.snapshots()?.into_iter().find(is_it);
        found.map_or(Ok(()), |snapshot| image.delete_snapshot(&snapshot.id))
    }

    /// Calls `step` with (image, buffer, offset) for a range, in pieces, however much a guest asks for.
    fn pieces(
        &self,
        offset: u64,
        length: u64,
        mut step: impl FnMut(&mut Image, &mut [u8], u64) -> Result<(), ImageError>,
    ) -> io::Result<()> {
        let mut done = 0;
        while done < length {
            let size = (length - done).min(BOUNCE_SIZE);
            let mut turn = self.turn();
            let Turn { image, bounce } = &mut *turn;
            if bounce.len() < size as usize {
                bounce.resize(size as usize, 0);
            }
            step(image, &mut bounce[..size as usize], offset + done).map_err(io::Error::other)?;
            done += size;
        }
        Ok(())
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
