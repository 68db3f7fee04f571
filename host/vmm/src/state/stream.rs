//! Files and sockets as streams of state, in large blocks. A file that was opened to bypass the page cache (O_DIRECT) wants
//! aligned memory, places and lengths, so what goes to it passes through a buffer, and its end is filled up with zeroes.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::fs::OFlags;

use crate::aligned::AlignedBuffer;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 1 << 20;
/// What any disk is content with.
const ALIGNMENT: usize = 4096;

/// A buffer of one block.
pub(crate) fn block() -> AlignedBuffer {
    AlignedBuffer::new(BLOCK, ALIGNMENT)
}

fn is_direct(file: &File) -> io::Result<bool> {
    Ok(rustix::fs::fcntl_getfl(file)?.contains(OFlags::DIRECT))
}

/// Writes to a descriptor that is at the right place.
pub struct StreamWriter {
    file: File,
    buffer: AlignedBuffer,
    filled: usize,
    direct: bool,
}

impl StreamWriter {
    /// A writer to a file, pipe or socket.
    pub fn new(file: File) -> io::Result<Self> {
        let direct = is_direct(&file)?;
        Ok(Self { file, buffer: block(), filled: 0, direct })
    }

    /// Writes what is left in the buffer.
    pub fn finish(mut self) -> io::Result<()> {
        if self.direct {
            let end = self.filled.next_multiple_of(ALIGNMENT);
            self.buffer.bytes()[self.filled..end].fill(0);
            self.filled = end;
        }
        self.flush()
    }
}

impl Write for StreamWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.direct && bytes.len() >= BLOCK / 2 {
            self.flush()?;
            return self.file.write(bytes);
        }
        let count = bytes.len().min(BLOCK - self.filled);
        self.buffer.bytes()[self.filled..self.filled + count].copy_from_slice(&bytes[..count]);
        self.filled += count;
        if self.filled == BLOCK {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        self.file.write_all(&self.buffer.bytes()[..filled])
    }
}

/// Reads from a descriptor that is at the right place. May read more from it than it gives out.
pub struct StreamReader {
    file: File,
    buffer: AlignedBuffer,
    /// What of the buffer was not given out yet.
    rest: std::ops::Range<usize>,
    direct: bool,
}

impl StreamReader {
    /// A reader of a file, pipe or socket.
    pub fn new(file: File) -> io::Result<Self> {
        let direct = is_direct(&file)?;
        Ok(Self { file, buffer: block(), rest: 0..0, direct })
    }
}

impl Read for StreamReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            if !self.direct && bytes.len() >= BLOCK / 2 {
                return self.file.read(bytes);
            }
            self.rest = 0..self.file.read(self.buffer.bytes())?;
        }
        let count = bytes.len().min(self.rest.len());
        let from = self.rest.start;
        bytes[..count].copy_from_slice(&self.buffer.bytes()[from..from + count]);
        self.rest.start += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{Seek, SeekFrom};
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    fn what_is_written_is_read_with_and_without_the_page_cache() {
        let pieces = [3, 5000, BLOCK / 2, 7, BLOCK + 1, 4096];
        let all: Vec<u8> = (0..pieces.iter().sum::<usize>()).map(|at| ((at * 31) >> 3) as u8).collect();
        // A directory of the disk: file systems in memory may not know O_DIRECT.
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        for flags in [0, libc::O_DIRECT] {
            let path = directory.path().join(flags.to_string());
            let open = || {
                let mut options = OpenOptions::new();
                options.read(true).write(true).create(true).truncate(false).custom_flags(flags);
                options.open(&path).unwrap()
            };
            let mut file = open();
            file.seek(SeekFrom::Start(4096)).unwrap();
            let mut writer = StreamWriter::new(file).unwrap();
            let mut rest = all.as_slice();
            for piece in pieces {
                writer.write_all(&rest[..piece]).unwrap();
                rest = &rest[piece..];
            }
            writer.finish().unwrap();
            assert!(flags == 0 || std::fs::metadata(&path).unwrap().len().is_multiple_of(4096));
            let mut file = open();
            file.seek(SeekFrom::Start(4096)).unwrap();
            let mut reader = StreamReader::new(file).unwrap();
            let mut read = vec![0; all.len()];
            let (small, large) = read.split_at_mut(5003);
            reader.read_exact(small).unwrap();
            reader.read_exact(large).unwrap();
            assert!(read == all, "flags {flags}");
        }
    }
}
