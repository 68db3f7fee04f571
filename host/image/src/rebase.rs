//! Another backing file, and the way back into it.

use crate::backing::{BackingReference, BackingResolver};
use crate::error::ImageError;
use crate::image::{Access, Image, open};
use crate::qcow2::Entry;
use crate::resize::ResizeOptions;
use crate::zero::is_zero;

/// Told how many bytes of how many are done.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// Bytes that are moved at once.
const CHUNK: u64 = 1 << 20;

impl Image {
    /// Opens an image as it is with another backing file, to rebase onto it.
    pub fn open_backing(
        &self,
        reference: &BackingReference,
        resolver: &dyn BackingResolver,
    ) -> Result<Image, ImageError> {
        let (file, format) = reference.resolve(self.file(), resolver, false)?;
        if file.identity()? == self.file().identity()? {
            return Err(self.file().refused("rebased", "it would be its own backing file"));
        }
        open(file, format, Access::Read, resolver)
    }

    /// Writes another backing file into the header and nothing else: right only where it has the same content. None makes the image
    /// stand alone. The format is recorded as it is given.
    pub fn set_backing(&mut self, backing: Option<BackingReference>) -> Result<(), ImageError> {
        let image = self.qcow2_mut("rebased")?;
        if let Some(complaint) = backing.as_ref().and_then(BackingReference::complaint) {
            return Err(image.file.refused("rebased", complaint));
        }
        let before = std::mem::replace(&mut image.header.backing, backing);
        let written = image.header.write(&image.file);
        if written.is_err() {
            image.header.backing = before;
        }
        written?;
        image.sync()
    }

    /// Moves the image onto another backing file, given open with its reference, or onto none, and keeps what the disk shows: where the
    /// old chain and the new one differ, the old content goes into the image first. The image must be open with its backing file.
    pub fn rebase(
        &mut self,
        new: Option<(&BackingReference, &Image)>,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        self.qcow2_mut("rebased")?;
        let geometry = self.qcow2("rebased")?.geometry;
        let cluster = geometry.cluster();
        // Otherwise zeros are what is not there, and would show the new file.
        let can_zero = self.backing().is_some() && geometry.zero_flag;
        let chunk = CHUNK.max(cluster);
        let size = self.size();
        let (mut old_bytes, mut new_bytes) = (vec![0; chunk as usize], vec![0; chunk as usize]);
        let mut at = 0;
        while at < size {
            let quiet =
                self.zeros(at, size)?.min(new.map_or(Ok(size - at), |(_, image)| image.zeros(at, size))?);
            if quiet >= cluster || quiet == size - at {
                at += if quiet == size - at { quiet } else { quiet / cluster * cluster };
                progress(at, size);
                continue;
            }
            let length = chunk.min(size - at) as usize;
            let (old_part, new_part) = (&mut old_bytes[..length], &mut new_bytes[..length]);
            self.read(old_part, at)?;
            match new {
                Some((_, image)) => image.read(new_part, at)?,
                None => new_part.fill(0),
            }
            let clusters = old_part.chunks(cluster as usize).zip(new_part.chunks(cluster as usize));
            for (number, (old, new)) in clusters.enumerate() {
                let place = at + number as u64 * cluster;
                // What the image has itself stays its own; what is equal needs nothing.
                if old == new || self.has_itself(place, old.len() as u64)? {
                    continue;
                }
                if can_zero && is_zero(old) {
                    self.zero(place, old.len() as u64)?;
                } else {
                    self.write(old, place)?;
                }
            }
            at += length as u64;
            progress(at, size);
        }
        self.sync()?;
        self.set_backing(new.map(|(reference, _)| reference.clone()))
    }

    /// Writes what this image has itself into its backing file, which is opened for writing and made larger where it must be. The image
    /// is opened alone. With `empty` it has nothing of its own afterwards.
    pub fn commit(
        &mut self,
        resolver: &dyn BackingResolver,
        empty: bool,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        const DOING: &str = "committed";
        self.qcow2_mut(DOING)?;
        let Some(reference) = self.backing().cloned() else {
            return Err(self.file().refused(DOING, "it has no backing file"));
        };
        let (file, format) = reference.resolve(self.file(), resolver, true)?;
        if file.identity()? == self.file().identity()? {
            return Err(self.file().refused(DOING, "it is its own backing file"));
        }
        let mut base = open(file, format, Access::Write, resolver)?;
        let size = self.size();
        if base.size() < size {
            base.resize(size, ResizeOptions::default())?;
        }
        let top = self.qcow2(DOING)?;
        let mut bytes = vec![0; CHUNK as usize];
        let mut at = 0;
        while at < size {
            let run = top.run(at, size - at)?;
            let length = match run.entry {
                Entry::Unallocated => run.length,
                Entry::Zero { .. } => {
                    base.zero(at, run.length)?;
                    run.length
                }
                entry => {
                    let length = run.length.min(CHUNK);
                    let part = &mut bytes[..length as usize];
                    top.fill(entry, part, at)?;
                    base.write(part, at)?;
                    length
                }
            };
            at += length;
            progress(at, size);
        }
        base.sync()?;
        if empty {
            let top = self.qcow2_mut(DOING)?;
            top.empty()?;
            top.sync()?;
        }
        Ok(())
    }

    /// True when no byte of a range comes from the backing file.
    fn has_itself(&self, offset: u64, length: u64) -> Result<bool, ImageError> {
        let run = self.qcow2("rebased")?.run(offset, length)?;
        Ok(run.entry != Entry::Unallocated && run.length == length)
    }
}
