//! A raw image: the bytes of the disk and nothing else.

use crate::create::Preallocation;
use crate::error::ImageError;
use crate::file::ImageFile;

/// An open raw image.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) file: ImageFile,
    pub(crate) size: u64,
}

impl Raw {
    pub(crate) fn open(file: ImageFile) -> Result<Self, ImageError> {
        Ok(Self { size: file.len()?, file })
    }

    pub(crate) fn resize(&mut self, size: u64, preallocation: Preallocation) -> Result<(), ImageError> {
        if self.file.is_block() {
            return Err(self
                .file
                .refused("resized", "the size of a block device is not the image's to change"));
        }
        let old = self.size;
        self.file.set_len(size)?;
        self.size = size;
        let grown = size.saturating_sub(old);
        let taken = match preallocation {
            Preallocation::Off | Preallocation::Metadata => Ok(()),
            Preallocation::Falloc => self.file.reserve(old, grown),
            Preallocation::Full => self.file.write_zeros(old, grown),
        };
        if taken.is_err() {
            // The space is given back; the error that matters is the first.
            let _ = self.file.set_len(old);
            self.size = old;
        }
        taken
    }
}
