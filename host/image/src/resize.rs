//! Another size of the disk.

use crate::create::{Preallocation, SECTOR};
use crate::error::ImageError;
use crate::image::{Below, Driver, Image, read_below};

/// How an image is resized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResizeOptions {
    /// Bytes behind the new size may be lost.
    pub shrink: bool,
    /// Space taken at once for what is new.
    pub preallocation: Preallocation,
}

impl Image {
    /// Gives the disk another size, rounded up to 512 bytes. What is new reads as zeros. An image with a backing file must be open
    /// with it to grow.
    pub fn resize(&mut self, size: u64, options: ResizeOptions) -> Result<(), ImageError> {
        let refused = |image: &Self, reason: &str| Err(image.file().refused("resized", reason));
        let old = self.size();
        let Some(size) = size.checked_next_multiple_of(SECTOR).filter(|size| *size <= i64::MAX as u64) else {
            return refused(self, "that is larger than any disk");
        };
        if size < old && !options.shrink {
            return refused(
                self,
                "it would be smaller and lose what is behind its new end; say 'shrink' to allow that",
            );
        }
        if size > old && matches!(self.below, Below::Closed) {
            return refused(self, "its backing file is not open");
        }
        let backed = self.below().map_or(0, Image::size);
        let below = &self.below;
        match &mut self.driver {
            Driver::Raw(raw) if options.preallocation == Preallocation::Metadata => Err(raw
                .file
                .refused("resized", "raw images have no metadata to preallocate; use falloc or full")),
            Driver::Raw(raw) => raw.resize(size, options.preallocation),
            Driver::Qcow2(image) if !image.writable => {
                Err(image.file.refused("resized", "it is open for reading only"))
            }
            Driver::Qcow2(image) => {
                image.resize(size, backed, &|part: &mut [u8], at| read_below(below, part, at))?;
                match options.preallocation {
                    Preallocation::Off => Ok(()),
                    Preallocation::Metadata => image.prepare(old, false, false),
                    Preallocation::Falloc => image.prepare(old, true, false),
                    Preallocation::Full => image.prepare(old, true, true),
                }
            }
        }?;
        self.sync()
    }
}

/// A size as `resize` takes it: absolute, or a change of the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewSize {
    /// So many bytes.
    Bytes(u64),
    /// So many more.
    Grow(u64),
    /// So many less.
    Shrink(u64),
}

impl NewSize {
    /// The size it means for a disk that has `size` now; none when there is no such size.
    pub fn of(self, size: u64) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Grow(bytes) => size.checked_add(bytes),
            Self::Shrink(bytes) => size.checked_sub(bytes),
        }
    }
}
