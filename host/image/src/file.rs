//! One open file or block device, with the name that errors call it by.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use reeve_sys::sparse::Stretch;
use rustix::fs::{FallocateFlags, FileType, SeekFrom, fallocate, fstat, seek};
use rustix::io::Errno;

use crate::cache::{self, Cache, Direct};
use crate::error::ImageError;

/// A file that the caller opened. Its position in the file means nothing; it must not be open with O_APPEND or O_DIRECT, unless
/// [`ImageFile::with_cache`] made it so.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    name: String,
    block: bool,
    cache: Cache,
    direct: Option<Direct>,
    #[cfg(test)]
    log: Option<Log>,
}

/// What was done to a file, for who wants to know what it is after a loss of power.
#[cfg(test)]
pub(crate) type Log = std::sync::Arc<std::sync::Mutex<Vec<Done>>>;

/// One thing that was done to a file.
#[cfg(test)]
#[derive(Debug)]
pub(crate) enum Done {
    Written(u64, Vec<u8>),
    Resized(u64),
    Punched(std::ops::Range<u64>),
    Synced,
}

impl ImageFile {
    /// Takes an ordinary file or a block device. `name` is what errors call it, usually its path.
    pub fn new(file: File, name: impl Into<String>) -> Result<Self, ImageError> {
        let name = name.into();
        let refused = |source| ImageError::Io { image: name.clone(), doing: "opened", source };
        let kind = fstat(&file).map_err(|errno| refused(errno.into()))?.st_mode;
        let block = match FileType::from_raw_mode(kind) {
            FileType::RegularFile => false,
            FileType::BlockDevice => true,
            _ => {
                let text = "it is neither a file nor a block device";
                return Err(refused(io::Error::new(io::ErrorKind::InvalidInput, text)));
            }
        };
        Ok(Self {
            file,
            name,
            block,
            cache: Cache::default(),
            direct: None,
            #[cfg(test)]
            log: None,
        })
    }

    /// The same file, read and written as a cache mode says. Whoever has the same open file bypasses the page cache too where this does.
    pub fn with_cache(self, cache: Cache) -> Result<Self, ImageError> {
        let direct = cache.bypasses().then(|| Direct::new(&self.file)).transpose();
        let direct = direct.map_err(|error| self.io("opened past the page cache", error))?;
        Ok(Self { cache, direct, ..self })
    }

    /// The same file, with what is done to it written down.
    #[cfg(test)]
    pub(crate) fn with_log(self, log: &Log) -> Self {
        Self { log: Some(Log::clone(log)), ..self }
    }

    #[cfg(test)]
    fn note(&self, done: Done) {
        if let Some(log) = &self.log {
            log.lock().unwrap().push(done);
        }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file itself, to hand it on.
    pub fn into_file(self) -> File {
        self.file
    }

    /// Whether what is written is on the disk before a write is done.
    pub(crate) fn is_durable(&self) -> bool {
        self.cache.is_durable()
    }

    /// True for a block device, whose length can't be changed.
    pub fn is_block(&self) -> bool {
        self.block
    }

    /// Length in bytes.
    pub fn len(&self) -> Result<u64, ImageError> {
        // A device says its length to seek only.
        let length = if self.block {
            seek(&self.file, SeekFrom::End(0))
        } else {
            fstat(&self.file).map(|stat| stat.st_size.cast_unsigned())
        };
        length.map_err(|errno| self.io("measured", errno.into()))
    }

    /// True when there is not one byte in it.
    pub fn is_empty(&self) -> Result<bool, ImageError> {
        Ok(self.len()? == 0)
    }

    /// Bytes it takes on its file system; 0 for a device.
    pub fn allocated(&self) -> Result<u64, ImageError> {
        let stat = fstat(&self.file).map_err(|errno| self.io("measured", errno.into()))?;
        Ok(stat.st_blocks.cast_unsigned().saturating_mul(512))
    }

    /// What tells this file from every other on the machine.
    pub(crate) fn identity(&self) -> Result<(u64, u64, u64), ImageError> {
        let stat = fstat(&self.file).map_err(|errno| self.io("measured", errno.into()))?;
        let device = if self.block { stat.st_rdev } else { 0 };
        Ok(if self.block { (0, 0, device) } else { (stat.st_dev, stat.st_ino, device) })
    }

    /// Fills the buffer from the file, and with zeros behind its end.
    pub(crate) fn read_padded(&self, buffer: &mut [u8], offset: u64) -> Result<(), ImageError> {
        if let Some(direct) = &self.direct {
            let done = direct.read(&self.file, buffer, offset).map_err(|error| self.io("read", error))?;
            buffer[done..].fill(0);
            return Ok(());
        }
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.io("read", error)),
            }
        }
        buffer[done..].fill(0);
        Ok(())
    }

    /// Writes all of it.
    pub(crate) fn write(&self, data: &[u8], offset: u64) -> Result<(), ImageError> {
        #[cfg(test)]
        self.note(Done::Written(offset, data.to_vec()));
        let durable = self.cache.is_durable();
        let written = match &self.direct {
            Some(direct) => direct.write(&self.file, data, offset, durable),
            None => cache::write_all(&self.file, data, offset, durable),
        };
        written.map_err(|error| self.io("written", error))
    }

    /// Cuts it off or makes it longer by a hole. A device keeps its length; it must have that much.
    pub(crate) fn set_len(&self, length: u64) -> Result<(), ImageError> {
        if self.block {
            let has = self.len()?;
            return if has >= length {
                Ok(())
            } else {
                Err(self.refused("written", format!("the device has {has} bytes and {length} are needed")))
            };
        }
        self.file.set_len(length).map_err(|error| self.io("resized", error))?;
        #[cfg(test)]
        self.note(Done::Resized(length));
        self.settle()
    }

    /// Makes a range read as zeros, and gives its space back where the file system can. The length stays.
    pub(crate) fn punch(&self, offset: u64, length: u64) -> Result<(), ImageError> {
        if length == 0 {
            return Ok(());
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.file, flags, offset, length) {
            Ok(()) => {
                #[cfg(test)]
                self.note(Done::Punched(offset..offset + length));
                self.settle()
            }
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self.write_zeros(offset, length),
            Err(errno) => Err(self.io("written", errno.into())),
        }
    }

    /// Reserves space for a range, which makes the file longer where it ends behind it. Writes zeros where the file system can't.
    pub(crate) fn reserve(&self, offset: u64, length: u64) -> Result<(), ImageError> {
        if length == 0 || self.block {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::empty(), offset, length) {
            Ok(()) => self.settle(),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros(offset, length),
            Err(errno) => Err(self.io("written", errno.into())),
        }
    }

    /// Writes zeros, byte for byte, within the file or behind its end.
    pub(crate) fn write_zeros(&self, offset: u64, length: u64) -> Result<(), ImageError> {
        let zeros = vec![0; length.min(1 << 20) as usize];
        let mut done = 0;
        while done < length {
            let part = (length - done).min(zeros.len() as u64);
            self.write(&zeros[..part as usize], offset + done)?;
            done += part;
        }
        Ok(())
    }

    /// Everything written is on the disk when this returns, unless its cache mode has given that up.
    pub fn sync(&self) -> Result<(), ImageError> {
        if self.cache == Cache::Unsafe {
            return Ok(());
        }
        self.file.sync_data().map_err(|error| self.io("written", error))?;
        #[cfg(test)]
        self.note(Done::Synced);
        Ok(())
    }

    /// After a change that is no write: where it must, it is on the disk before it is done.
    fn settle(&self) -> Result<(), ImageError> {
        if self.cache.is_durable() { self.sync() } else { Ok(()) }
    }

    /// Whether there is data at `offset`, and how far that holds, at most to `end`.
    pub(crate) fn stretch(&self, offset: u64, end: u64) -> Stretch {
        reeve_sys::sparse::stretch(&self.file, offset, end)
    }

    pub(crate) fn io(&self, doing: &'static str, source: io::Error) -> ImageError {
        ImageError::Io { image: self.name.clone(), doing, source }
    }

    pub(crate) fn damaged(&self, problem: impl Into<String>) -> ImageError {
        ImageError::Damaged { image: self.name.clone(), problem: problem.into() }
    }

    pub(crate) fn unsupported(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Unsupported { image: self.name.clone(), reason: reason.into() }
    }

    pub(crate) fn refused(&self, doing: &'static str, reason: impl Into<String>) -> ImageError {
        ImageError::Refused { image: self.name.clone(), doing, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_seen_and_made() {
        let file = ImageFile::new(tempfile::tempfile().unwrap(), "disk").unwrap();
        file.set_len(3 << 20).unwrap();
        assert_eq!(file.stretch(0, 3 << 20), Stretch { data: false, length: 3 << 20 });
        file.write(&[7; 1 << 20], 1 << 20).unwrap();
        assert_eq!(file.stretch(0, 3 << 20), Stretch { data: false, length: 1 << 20 });
        assert_eq!(file.stretch(1 << 20, 3 << 20), Stretch { data: true, length: 1 << 20 });
        let before = file.allocated().unwrap();
        file.punch(1 << 20, 1 << 20).unwrap();
        assert!(file.allocated().unwrap() < before);
        let mut read = [1; 8];
        file.read_padded(&mut read, (3 << 20) - 4).unwrap();
        assert_eq!(read, [0; 8]);
    }

    #[test]
    fn a_pipe_is_no_image() {
        let (pipe, _other) = rustix::pipe::pipe().unwrap();
        let refused = ImageFile::new(pipe.into(), "pipe").unwrap_err();
        assert!(std::error::Error::source(&refused).unwrap().to_string().contains("neither"));
    }
}
