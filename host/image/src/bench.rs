//! How fast an image is read or written, one request after the other.

use std::time::{Duration, Instant};

use crate::error::ImageError;
use crate::image::Image;

/// The requests that are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BenchOptions {
    /// How many.
    pub count: u64,
    /// Bytes of each.
    pub buffer: u64,
    /// Where the first begins.
    pub offset: u64,
    /// From the start of one to the start of the next.
    pub step: u64,
    /// Write this byte instead of reading.
    pub write: Option<u8>,
    /// After so many writes wait until they are on the disk; 0 never.
    pub flush_interval: u64,
}

/// Most bytes of a request.
const MOST: u64 = 64 << 20;

impl Image {
    /// Times requests; those that would pass the end of the disk go on at its start.
    pub fn bench(&mut self, options: &BenchOptions) -> Result<Duration, ImageError> {
        let refused = |image: &Self, reason: String| Err(image.file().refused("timed", reason));
        if options.buffer == 0 || options.buffer > MOST || options.buffer > self.size() {
            let most = MOST.min(self.size());
            return refused(self, format!("a request has 1 to {most} bytes, not {}", options.buffer));
        }
        let last = self.size() - options.buffer;
        if options.offset > last {
            return refused(self, format!("a request at {} passes the end of the disk", options.offset));
        }
        let mut buffer = vec![options.write.unwrap_or(0); options.buffer as usize];
        let mut at = options.offset;
        let before = Instant::now();
        for number in 1..=options.count {
            match options.write {
                Some(_) => self.write(&buffer, at)?,
                None => self.read(&mut buffer, at)?,
            }
            if options.write.is_some()
                && options.flush_interval > 0
                && number.is_multiple_of(options.flush_interval)
            {
                self.sync()?;
            }
            at = at.checked_add(options.step).filter(|next| *next <= last).unwrap_or(0);
        }
        Ok(before.elapsed())
    }
}
