//! What is where: the disk as stretches.

use serde::Serialize;

use crate::error::ImageError;
use crate::image::{Image, Source};
use crate::qcow2::Entry;

/// A stretch of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Offset on the disk.
    pub start: u64,
    /// Bytes.
    pub length: u64,
    /// How far down the chain the image is that has it: 0 is the top.
    pub depth: usize,
    /// An image of the chain says something about it.
    pub present: bool,
    /// It reads as zeros, and that is known without reading.
    pub zero: bool,
    /// It is stored.
    pub data: bool,
    /// It is stored compressed.
    pub compressed: bool,
    /// Where in that image's file, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl Image {
    /// The stretch at an offset within the disk, at most to `end`; it has no length behind the end of the disk.
    pub fn extent(&self, offset: u64, end: u64) -> Result<Extent, ImageError> {
        let located = self.locate(offset, end.min(self.size()).saturating_sub(offset))?;
        let mut extent = Extent {
            start: offset,
            length: located.length,
            depth: located.depth,
            present: true,
            zero: true,
            data: false,
            compressed: false,
            offset: None,
        };
        match located.source {
            Source::Nowhere | Source::Qcow2(_, Entry::Unallocated) => extent.present = false,
            Source::Raw(raw, host) => {
                let stretch = raw.file.stretch(host, host + located.length);
                extent.length = stretch.length;
                (extent.zero, extent.data, extent.offset) = (!stretch.data, stretch.data, Some(host));
            }
            Source::Qcow2(_, Entry::Zero { host }) => extent.offset = host,
            Source::Qcow2(_, Entry::Data { host }) => {
                (extent.zero, extent.data, extent.offset) = (false, true, Some(host));
            }
            Source::Qcow2(_, Entry::Compressed { .. }) => {
                (extent.zero, extent.data, extent.compressed) = (false, true, true);
            }
        }
        Ok(extent)
    }

    /// Visits the disk from its start to its end; stretches that are alike and follow each other are one.
    pub fn map<E: From<ImageError>>(&self, mut visit: impl FnMut(Extent) -> Result<(), E>) -> Result<(), E> {
        let mut pending: Option<Extent> = None;
        let mut at = 0;
        while at < self.size() {
            let next = self.extent(at, self.size())?;
            at += next.length;
            match &mut pending {
                Some(before) if before.goes_on(&next) => before.length += next.length,
                _ => {
                    if let Some(before) = pending.replace(next) {
                        visit(before)?;
                    }
                }
            }
        }
        pending.map_or(Ok(()), visit)
    }

    /// The name of the image at a depth of the chain.
    pub fn name_at(&self, depth: usize) -> Option<&str> {
        std::iter::successors(Some(self), |image| image.below()).nth(depth).map(Image::name)
    }
}

impl Extent {
    fn goes_on(&self, next: &Self) -> bool {
        let alike =
            |extent: &Self| (extent.depth, extent.present, extent.zero, extent.data, extent.compressed);
        alike(self) == alike(next) && self.offset.map(|offset| offset + self.length) == next.offset
    }
}
