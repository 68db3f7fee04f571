//! Cache modes: whether transfers of a file go by the host's page cache, and when a write is on the disk (guide 10.1, `-t`).

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::{PoisonError, RwLock};

use rustix::fs::{AtFlags, OFlags, StatxFlags};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};

/// Alignment assumed where the kernel does not say.
const DEFAULT_ALIGNMENT: u64 = 4096;
/// The most that is moved through an aligned buffer at once.
const BOUNCE: u64 = 1 << 20;

/// When what is written is where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cache {
    /// By the page cache, and on the disk when it is synced.
    #[default]
    Writeback,
    /// By the page cache, and on the disk before a write is done.
    Writethrough,
    /// Past the page cache, and on the disk when it is synced.
    None,
    /// Past the page cache, and on the disk before a write is done.
    Directsync,
    /// By the page cache, and on the disk whenever the host likes.
    Unsafe,
}

impl Cache {
    /// Every mode.
    pub const ALL: [Self; 5] =
        [Self::None, Self::Writeback, Self::Writethrough, Self::Directsync, Self::Unsafe];

    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Writeback => "writeback",
            Self::Writethrough => "writethrough",
            Self::Directsync => "directsync",
            Self::Unsafe => "unsafe",
        }
    }

    pub(crate) fn bypasses(self) -> bool {
        matches!(self, Self::None | Self::Directsync)
    }

    pub(crate) fn is_durable(self) -> bool {
        matches!(self, Self::Writethrough | Self::Directsync)
    }
}

/// Writes all of it; `durable` waits until it is on the disk.
pub(crate) fn write_all(file: &File, mut data: &[u8], mut offset: u64, durable: bool) -> io::Result<()> {
    if !durable {
        return file.write_all_at(data, offset);
    }
    while !data.is_empty() {
        match pwritev2(file, &[IoSlice::new(data)], offset, ReadWriteFlags::DSYNC) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                data = &data[count..];
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Transfers of any place and length past the page cache, which takes whole blocks from aligned memory only.
#[derive(Debug)]
pub(crate) struct Direct {
    memory: usize,
    block: u64,
    /// Held alone by who reads a block, changes a part of it and writes it back.
    edges: RwLock<()>,
}

impl Direct {
    /// Makes a file one whose transfers bypass the page cache, for all who have this open file.
    pub(crate) fn new(file: &File) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(file)?;
        rustix::fs::fcntl_setfl(file, flags | OFlags::DIRECT).map_err(|errno| match errno {
            Errno::INVAL => {
                let text = "its file system can't bypass the page cache; take another cache mode";
                io::Error::new(ErrorKind::Unsupported, text)
            }
            other => other.into(),
        })?;
        let told = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN);
        let told = told.map(|stat| (u64::from(stat.stx_dio_mem_align), u64::from(stat.stx_dio_offset_align)));
        let (memory, block) = match told {
            Ok((memory, block)) if memory.is_power_of_two() && block.is_power_of_two() => (memory, block),
            _ => (DEFAULT_ALIGNMENT, DEFAULT_ALIGNMENT),
        };
        let memory = usize::try_from(memory.max(block)).map_err(|_| ErrorKind::Unsupported)?;
        Ok(Self { memory, block, edges: RwLock::new(()) })
    }

    /// Reads up to the end of the file; how much that was.
    pub(crate) fn read(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        let mut bounce = self.bounce(buffer.len());
        while done < buffer.len() {
            let (start, skip, length) = self.blocks(offset + done as u64, buffer.len() - done);
            let there = read_some(file, &mut bounce.bytes()[..length], start, self.block)?;
            let Some(got) = there.checked_sub(skip).filter(|got| *got > 0) else { break };
            let part = got.min(buffer.len() - done);
            buffer[done..done + part].copy_from_slice(&bounce.bytes()[skip..skip + part]);
            done += part;
            if there < length {
                break;
            }
        }
        Ok(done)
    }

    /// Writes all of it. A file grows by no more than that.
    pub(crate) fn write(&self, file: &File, data: &[u8], offset: u64, durable: bool) -> io::Result<()> {
        let is_whole =
            |place: u64, length: usize| (place | length as u64).is_multiple_of(self.block) && length > 0;
        let mut bounce = self.bounce(data.len());
        let mut done = 0;
        while done < data.len() {
            let place = offset + done as u64;
            let (start, skip, length) = self.blocks(place, data.len() - done);
            let part = (length - skip).min(data.len() - done);
            let (from, to) = (&data[done..done + part], &mut bounce.bytes()[..length]);
            if is_whole(place, part) {
                let _shared = self.edges.read().unwrap_or_else(PoisonError::into_inner);
                to.copy_from_slice(from);
                write_all(file, to, start, durable)?;
            } else {
                let _alone = self.edges.write().unwrap_or_else(PoisonError::into_inner);
                let there = read_some(file, to, start, self.block)?;
                to[there..].fill(0);
                to[skip..skip + part].copy_from_slice(from);
                write_all(file, to, start, durable)?;
                let end = (start + there as u64).max(place + part as u64);
                if there < length && file.metadata()?.is_file() && end < start + length as u64 {
                    file.set_len(end)?;
                }
            }
            done += part;
        }
        Ok(())
    }

    /// The whole blocks around a range, as many as are moved at once: their offset, where in them the range begins, their length.
    fn blocks(&self, offset: u64, length: usize) -> (u64, usize, usize) {
        let start = offset / self.block * self.block;
        let end = (offset + length as u64).next_multiple_of(self.block);
        let most = BOUNCE.max(self.block);
        (start, (offset - start) as usize, (end - start).min(most) as usize)
    }

    fn bounce(&self, length: usize) -> Aligned {
        let length = (length as u64).min(BOUNCE) + 2 * self.block;
        Aligned::new(length as usize, self.memory)
    }
}

/// Reads whole blocks until the buffer is full or the file ends.
fn read_some(file: &File, buffer: &mut [u8], offset: u64, block: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => {
                done += count;
                // Less than whole blocks is the end of the file; there is no going on from there.
                if !(count as u64).is_multiple_of(block) {
                    break;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Memory that begins where O_DIRECT wants it.
struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    fn new(length: usize, alignment: usize) -> Self {
        let bytes = vec![0; length + alignment];
        let start = bytes.as_ptr().align_offset(alignment).min(alignment);
        Self { bytes, start, length }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    /// A file on a file system that can bypass the page cache: where it is in memory there is nothing else.
    fn file() -> tempfile::NamedTempFile {
        tempfile::NamedTempFile::new_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")).unwrap()
    }

    #[test]
    fn what_is_past_the_page_cache_is_in_the_file_and_no_longer_than_it_was_written() {
        let file = file();
        file.as_file().write_all_at(&[9; 1000], 0).unwrap();
        let direct = Direct::new(file.as_file()).unwrap();
        assert!(rustix::fs::fcntl_getfl(file.as_file()).unwrap().contains(OFlags::DIRECT));
        direct.write(file.as_file(), &[1; 10], 995, true).unwrap();
        direct.write(file.as_file(), &[2; 5], 9000, false).unwrap();
        let expected = [vec![9; 995], vec![1; 10], vec![0; 7995], vec![2; 5]].concat();
        assert_eq!(fs::read(file.path()).unwrap(), expected);
        let mut read = vec![7; 5000];
        assert_eq!(direct.read(file.as_file(), &mut read, 8500).unwrap(), 505);
        assert_eq!(read[500..505], [2; 5]);
        assert_eq!(direct.read(file.as_file(), &mut read, 20_000).unwrap(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn direct_transfers_are_those_of_the_cache(
            steps in prop::collection::vec((0_u64..3 << 20, 1_usize..2 << 20, any::<u8>(), any::<bool>()), 1..8)
        ) {
            let file = file();
            let direct = Direct::new(file.as_file()).unwrap();
            let mut model = Vec::new();
            for (offset, length, byte, durable) in steps {
                let data: Vec<u8> = (0..length).map(|at| byte.wrapping_add(at as u8)).collect();
                direct.write(file.as_file(), &data, offset, durable).unwrap();
                let end = offset as usize + length;
                model.resize(model.len().max(end), 0);
                model[offset as usize..end].copy_from_slice(&data);
                let mut read = vec![0; length + 100];
                let got = direct.read(file.as_file(), &mut read, offset).unwrap();
                prop_assert_eq!(&read[..got], &model[offset as usize..model.len().min(end + 100)]);
            }
            prop_assert!(fs::read(file.path()).unwrap() == model);
        }
    }
}
