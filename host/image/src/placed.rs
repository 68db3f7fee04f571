//! Where in which file a range of the disk lies, for who reads it without the image.

use std::fs::File;

use crate::error::ImageError;
use crate::image::{Image, Source};
use crate::qcow2::Entry;

/// A range of the disk that one file of the chain has as it is.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The file.
    pub file: &'a File,
    /// Where the range begins in it.
    pub offset: u64,
}

impl Image {
    /// Where a range of the disk can be read from its file. None where it lies in several places, is compressed, or is in no file. It holds
    /// until something of its clusters is written, zeroed or cut off, a snapshot goes, or another image takes the place of one of the chain.
    pub fn placed(&self, offset: u64, length: u64) -> Result<Option<Placed<'_>>, ImageError> {
        let located = self.locate(offset, length)?;
        if located.length < length {
            return Ok(None);
        }
        let (file, offset) = match located.source {
            Source::Raw(raw, host) => (&raw.file, host),
            Source::Qcow2(image, Entry::Data { host }) if image.is_whole(host..host + length) => {
                (&*image.file, host)
            }
            Source::Qcow2(..) | Source::Nowhere => return Ok(None),
        };
        Ok(Some(Placed { file: file.file(), offset }))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::{Access, BackingReference, CreateOptions, Format, ImageFile, create, open_alone, open_chain};

    const SIZE: u64 = 1 << 20;
    const CLUSTER: u64 = 64 << 10;

    fn named(file: &File) -> ImageFile {
        ImageFile::new(file.try_clone().unwrap(), "image").unwrap()
    }

    /// A base whose bytes are 7, and an overlay with a cluster of 8 and one of zeros.
    fn chain() -> (File, Image) {
        let (base, top) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        base.write_all_at(&vec![7; SIZE as usize], 0).unwrap();
        let mut options = CreateOptions::new(Format::Qcow2, SIZE);
        options.qcow2.backing = Some(BackingReference::new("base", Format::Raw));
        create(named(&top), &options).unwrap();
        let files = vec![(named(&top), Format::Qcow2), (named(&base), Format::Raw)];
        let mut image = open_chain(files, Access::Write).unwrap();
        image.write(&vec![8; 2 * CLUSTER as usize], 2 * CLUSTER).unwrap();
        image.zero(6 * CLUSTER, CLUSTER).unwrap();
        (top, image)
    }

    fn shown(placed: Placed<'_>) -> [u8; 512] {
        let mut bytes = [0; 512];
        placed.file.read_exact_at(&mut bytes, placed.offset).unwrap();
        bytes
    }

    #[test]
    fn a_range_that_one_file_has_is_found_there() {
        let (_, image) = chain();
        for (offset, byte) in [(0, 7), (2 * CLUSTER - 512, 7), (2 * CLUSTER, 8), (2 * CLUSTER + 512, 8)] {
            let placed = image.placed(offset, 512).unwrap();
            assert_eq!(placed.map(shown), Some([byte; 512]), "at {offset}");
        }
        let over_both = image.placed(2 * CLUSTER + 512, CLUSTER).unwrap();
        assert_eq!(over_both.map(shown), Some([8; 512]), "two clusters that follow each other are one place");
    }

    #[test]
    fn a_range_of_several_places_or_of_none_is_not() {
        let (_, image) = chain();
        for (offset, length) in
            [(2 * CLUSTER - 512, 1024), (6 * CLUSTER, 512), (SIZE - 512, 1024), (SIZE, 512)]
        {
            assert!(image.placed(offset, length).unwrap().is_none(), "{length} bytes at {offset}");
        }
    }

    #[test]
    fn what_lies_behind_the_end_of_a_file_is_not() {
        let file = tempfile::tempfile().unwrap();
        create(named(&file), &CreateOptions::new(Format::Qcow2, SIZE)).unwrap();
        let mut image = open_alone(named(&file), Format::Qcow2, Access::Write).unwrap();
        image.write(&[9; 512], 0).unwrap();
        drop(image);
        let length = file.metadata().unwrap().len();
        file.set_len(length - CLUSTER + 512).unwrap();
        let image = open_alone(named(&file), Format::Qcow2, Access::Read).unwrap();
        assert!(image.placed(0, 1024).unwrap().is_none());
        let mut bytes = [0; 1024];
        image.read(&mut bytes, 0).unwrap();
        assert_eq!((bytes[511], bytes[512]), (9, 0), "there are zeros behind it");
    }
}
