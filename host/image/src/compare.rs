//! Do two images show the same disk.

use crate::error::ImageError;
use crate::image::Image;

/// How two images differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The first byte that differs is there.
    Content {
        /// Offset on the disk.
        offset: u64,
    },
    /// The sizes of the disks differ, which only a strict comparison minds.
    Size,
}

/// Bytes that are compared at once.
const CHUNK: u64 = 1 << 20;

impl Image {
    /// Compares with another image; none when both show the same. What one has behind the end of the other must be zeros, and with
    /// `strict` there must be nothing.
    pub fn difference(&self, other: &Image, strict: bool) -> Result<Option<Difference>, ImageError> {
        if strict && self.size() != other.size() {
            return Ok(Some(Difference::Size));
        }
        let end = self.size().max(other.size());
        let (mut one, mut two) = (vec![0; CHUNK as usize], vec![0; CHUNK as usize]);
        let mut at = 0;
        while at < end {
            let quiet = self.zeros(at, end)?.min(other.zeros(at, end)?);
            if quiet > 0 {
                at += quiet;
                continue;
            }
            let length = (end - at).min(CHUNK) as usize;
            let (one, two) = (&mut one[..length], &mut two[..length]);
            self.read(one, at)?;
            other.read(two, at)?;
            if one != two {
                let place = one.iter().zip(two.iter()).position(|(one, two)| one != two).unwrap_or(0);
                return Ok(Some(Difference::Content { offset: at + place as u64 }));
            }
            at += length as u64;
        }
        Ok(None)
    }

    /// For how many bytes from an offset on it is known that they are zeros.
    pub(crate) fn zeros(&self, offset: u64, end: u64) -> Result<u64, ImageError> {
        if offset >= self.size() {
            return Ok(end - offset);
        }
        let extent = self.extent(offset, end)?;
        Ok(if extent.zero { extent.length } else { 0 })
    }
}
