//! The file or image behind a disk, and what can be done with it while one waits for it.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reeve_image::{Access, Format, Image, ImageFile, LuksCipher};
use rustix::fs::{AtFlags, FallocateFlags, OFlags, StatxFlags};
use time::OffsetDateTime;

use super::chained::Chained;
use super::disk_error::{DiskError, ResizeError};
use super::engine::{Direction, Place};
use super::written::Written;
use crate::aligned::AlignedBuffer;
use crate::config::{BlockShape, CacheMode, ErrorPolicy, IoEngine};

/// Bytes of a sector in the virtio protocol, whatever the disk's block size.
pub(super) const SECTOR: u64 = 512;
/// Buffer for transfers that cannot go straight to guest memory.
pub(super) const BOUNCE_SIZE: u64 = 1 << 20;
/// Alignment assumed for O_DIRECT where the kernel does not say.
const DEFAULT_ALIGNMENT: u64 = 4096;
const DATA_SYNC: i32 = libc::RWF_DSYNC;

/// How a disk is presented.
#[derive(Debug, Clone, Default)]
pub struct DiskOptions {
    /// The guest cannot write.
    pub readonly: bool,
    /// It is a drive whose medium can be changed; one without a byte is none.
    pub removable: bool,
    /// Serial number, at most 20 bytes.
    pub serial: String,
    /// When a write is done.
    pub cache: CacheMode,
    /// DISCARD frees space in the image.
    pub discard: bool,
    /// What becomes of requests that fail.
    pub errors: ErrorPolicy,
    /// How transfers of a raw image are done.
    pub io: IoEngine,
    /// What the guest is told of its blocks.
    pub shape: BlockShape,
    /// What is read of backing files is kept in the image.
    pub copy_on_read: bool,
}

/// What O_DIRECT wants of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Alignment {
    memory: u64,
    offset: u64,
}

/// A disk in a LUKS container.
#[derive(Debug)]
struct Encryption {
    cipher: LuksCipher,
    /// Where the disk begins in the file.
    payload: u64,
}

/// A raw image or block device, encrypted or not, or an image with a format of its own. All transfers are within the capacity: whoever calls checked that.
#[derive(Debug)]
pub struct Disk {
    /// The disk byte for byte, unless there is an image.
    file: File,
    /// The disk where it is not raw; `file` is the image's own then, for flushes.
    image: Option<Arc<Chained>>,
    /// A job works on the image too.
    job: bool,
    /// What makes the bytes of the file those of the disk, where they are encrypted.
    encryption: Option<Encryption>,
    capacity: AtomicU64,
    block_size: u64,
    direct: Option<Alignment>,
    options: DiskOptions,
    /// What was written since somebody looked.
    written: Written,
    /// How often it was made to last.
    #[cfg(test)]
    pub(super) lasted: Arc<AtomicU64>,
}

impl Disk {
    /// A disk on `file`, which was opened for writing unless the disk is read-only, and with O_DIRECT for the cache
    /// modes that bypass the page cache. A tail shorter than a block is not part of the disk.
    pub fn new(file: File, options: DiskOptions) -> Result<Self, DiskError> {
        let length = (&file).seek(SeekFrom::End(0)).map_err(DiskError::Size)?;
        let flags = rustix::fs::fcntl_getfl(&file).map_err(|error| DiskError::Flags(error.into()))?;
        let direct = flags.contains(OFlags::DIRECT).then(|| alignment(&file)).transpose();
        let direct = direct.map_err(DiskError::Flags)?;
        let block_size = direct.map_or(SECTOR, |alignment| alignment.offset.max(SECTOR));
        let unit = whole_blocks(block_size, &options);
        let capacity = length / unit * unit;
        if capacity == 0 && !(options.removable && length == 0) {
            return Err(DiskError::Empty(length));
        }
        let capacity = AtomicU64::new(capacity);
        let written = Written::default();
        Ok(Self {
            file,
            image: None,
            job: false,
            encryption: None,
            capacity,
            block_size,
            direct,
            options,
            written,
            #[cfg(test)]
            lasted: Arc::default(),
        })
    }

    /// The disk in a LUKS container, whose bytes begin at `payload`. Whole sectors are encrypted, so transfers never go straight to the
    /// file.
    pub fn encrypted(
        file: File,
        cipher: LuksCipher,
        payload: u64,
        options: DiskOptions,
    ) -> Result<Self, DiskError> {
        let disk = Self::new(file, options)?;
        let length = disk.capacity();
        if !payload.is_multiple_of(disk.block_size) {
            return Err(DiskError::Payload(payload));
        }
        let unit = disk.unit();
        let capacity = length.checked_sub(payload).map(|capacity| capacity / unit * unit);
        let capacity = capacity.filter(|capacity| *capacity > 0);
        let capacity = AtomicU64::new(capacity.ok_or(DiskError::Empty(length))?);
        Ok(Self { encryption: Some(Encryption { cipher, payload }), capacity, ..disk })
    }

    /// A disk in an image, which was opened for writing unless the disk is read-only. The page cache is never bypassed.
    pub fn in_image(image: Image, options: DiskOptions) -> Result<Self, DiskError> {
        let unit = whole_blocks(SECTOR, &options);
        let capacity = image.size() / unit * unit;
        if capacity == 0 {
            return Err(DiskError::Empty(image.size()));
        }
        let file = image.file().file().try_clone().map_err(DiskError::Share)?;
        let capacity = AtomicU64::new(capacity);
        Ok(Self {
            file,
            image: Some(Arc::new(Chained::new(image))),
            job: false,
            encryption: None,
            capacity,
            block_size: SECTOR,
            direct: None,
            options,
            written: Written::default(),
            #[cfg(test)]
            lasted: Arc::default(),
        })
    }

    /// Size in bytes, a multiple of the block size.
    pub fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Acquire)
    }

    /// Gives it another capacity, rounded up to whole blocks. A file gets that length; a device must have it. What lies beyond the new
    /// end of a smaller disk is lost.
    pub fn resize(&self, bytes: u64, shrink: bool) -> Result<(), ResizeError> {
        let whole = bytes.checked_next_multiple_of(self.unit());
        let possible = whole.filter(|capacity| {
            let end = capacity.checked_add(self.place(0));
            *capacity > 0 && end.is_some_and(|end| i64::try_from(end).is_ok())
        });
        let capacity = possible.ok_or(ResizeError::Size(bytes))?;
        let before = self.capacity();
        if self.options.readonly {
            return Err(ResizeError::Readonly);
        }
        if capacity < before && !shrink {
            return Err(ResizeError::Smaller(before));
        }
        if let Some(image) = &self.image {
            self.capacity.fetch_min(capacity, Ordering::AcqRel);
            if let Err(error) = image.resize(capacity, shrink) {
                self.capacity.store(image.size() / self.unit() * self.unit(), Ordering::Release);
                return Err(error.into());
            }
        } else if self.file.metadata()?.is_file() {
            // A guest must not reach what goes, nor what is not there yet.
            self.capacity.fetch_min(capacity, Ordering::AcqRel);
            if let Err(error) = self.file.set_len(self.place(capacity)) {
                self.capacity.store(before, Ordering::Release);
                return Err(error.into());
            }
        } else {
            let length = (&self.file).seek(SeekFrom::End(0))?;
            if self.place(capacity) > length {
                return Err(ResizeError::Device(length));
            }
        }
        self.capacity.store(capacity, Ordering::Release);
        Ok(())
    }

    /// Whether `new` can take its place: nothing of it is missing there.
    pub(super) fn check_successor(&self, new: &Self) -> Result<(), DiskError> {
        let (old, new) = (self.capacity(), new.capacity());
        if self.options.readonly {
            return Err(DiskError::Readonly);
        }
        if self.encryption.is_some() {
            return Err(DiskError::Encrypted);
        }
        if new < old { Err(DiskError::Shorter { old, new }) } else { Ok(()) }
    }

    /// Whether it can have another medium.
    pub(super) fn check_drive(&self) -> Result<(), DiskError> {
        if !self.options.removable {
            return Err(DiskError::Fixed);
        }
        if self.encryption.is_some() { Err(DiskError::Encrypted) } else { Ok(()) }
    }

    /// Makes all of it last a crash of the host, whatever its cache mode. Nothing may be in flight.
    pub(super) fn settle(&self) -> Result<(), DiskError> {
        match &self.image {
            Some(image) => Ok(image.sync()?),
            None => self.file.sync_data().map_err(DiskError::Sync),
        }
    }

    /// The same disk with its bytes behind an image, raw ones too: so a job can work on them between two requests. Nothing may be in flight.
    pub(super) fn for_job(&self, alias: &str) -> Result<(Self, Arc<Chained>), DiskError> {
        if self.encryption.is_some() {
            return Err(DiskError::Encrypted);
        }
        let chained = match &self.image {
            Some(image) => Arc::clone(image),
            None => {
                let file = self.file.try_clone().map_err(DiskError::Share)?;
                bypass_cache(&file, false).map_err(DiskError::Flags)?;
                let access = if self.options.readonly { Access::Read } else { Access::Write };
                let image = reeve_image::open_alone(ImageFile::new(file, alias)?, Format::Raw, access)?;
                Arc::new(Chained::new(image))
            }
        };
        let disk = self.on(self.file.try_clone().map_err(DiskError::Share)?, Some(Arc::clone(&chained)));
        Ok((Self { job: true, ..disk }, chained))
    }

    /// The same disk as it is after a job: in the image that the job left, or byte for byte in its file. Nothing may be in flight.
    pub(super) fn after_job(&self) -> Result<Self, DiskError> {
        let Some(chained) = &self.image else {
            return Ok(self.on(self.file.try_clone().map_err(DiskError::Share)?, None));
        };
        let turn = chained.turn();
        let file = turn.image.file().file().try_clone().map_err(DiskError::Share)?;
        if turn.image.format() != Format::Raw {
            drop(turn);
            return Ok(self.on(file, Some(Arc::clone(chained))));
        }
        drop(turn);
        let bypasses = matches!(self.options.cache, CacheMode::None | CacheMode::Directsync);
        // A file system that wants larger blocks than the guest was told of, or can't do without its cache, keeps it.
        let wants = alignment(&file).ok().filter(|wants| bypasses && wants.offset <= self.block_size);
        let direct = wants.filter(|_| bypass_cache(&file, true).is_ok());
        Ok(Self { direct, ..self.on(file, None) })
    }

    fn on(&self, file: File, image: Option<Arc<Chained>>) -> Self {
        let capacity = AtomicU64::new(self.capacity());
        let direct = self.direct.filter(|_| image.is_none());
        let (block_size, options, written) = (self.block_size, self.options.clone(), Written::default());
        Self {
            file,
            image,
            job: false,
            encryption: None,
            capacity,
            block_size,
            direct,
            options,
            written,
            #[cfg(test)]
            lasted: Arc::clone(&self.lasted),
        }
    }

    /// Its files with their formats, from the one that is written down.
    pub(super) fn files(&self) -> Result<Vec<(OwnedFd, Format)>, DiskError> {
        let copy = |file: &File| file.try_clone().map(OwnedFd::from).map_err(DiskError::Share);
        let Some(chained) = &self.image else { return Ok(vec![(copy(&self.file)?, Format::Raw)]) };
        let turn = chained.turn();
        let layers = std::iter::successors(Some(&turn.image), |image| image.below());
        layers.map(|image| Ok((copy(image.file().file())?, image.format()))).collect()
    }

    /// Makes a snapshot within its image.
    pub(super) fn snapshot(&self, name: &str, taken: OffsetDateTime) -> Result<(), DiskError> {
        Ok(self.image.as_ref().ok_or(DiskError::Raw)?.snapshot(name, taken)?)
    }

    /// Deletes the snapshot of a name and time within its image, if it has one.
    pub(super) fn drop_snapshot(&self, name: &str, taken: OffsetDateTime) -> Result<(), DiskError> {
        Ok(self.image.as_ref().ok_or(DiskError::Raw)?.drop_snapshot(name, taken)?)
    }

    /// Smallest transfer the disk does without reading around it, in bytes.
    pub fn block_size(&self) -> u64 {
        self.block_size
    }

    /// What its capacity is whole pieces of, and where the guest was told so, every transfer too.
    pub(super) fn unit(&self) -> u64 {
        whole_blocks(self.block_size, &self.options)
    }

    /// Least that the guest may read or write at once: of blocks that it was not told of by the document it may have parts.
    pub(super) fn granule(&self) -> u64 {
        self.options.shape.logical.map_or(SECTOR, u64::from)
    }

    /// How it is presented.
    pub fn options(&self) -> &DiskOptions {
        &self.options
    }

    /// Where in the file an offset of the disk is.
    fn place(&self, offset: u64) -> u64 {
        offset + self.encryption.as_ref().map_or(0, |encryption| encryption.payload)
    }

    /// Reads whole blocks.
    fn read_blocks(&self, blocks: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(blocks, self.place(offset))?;
        if let Some(encryption) = &self.encryption {
            encryption.cipher.decrypt(blocks, offset / SECTOR);
        }
        Ok(())
    }

    /// Whether what is freed reads as zeros. In an encrypted disk it reads as noise.
    pub(super) fn frees_to_zeros(&self) -> bool {
        self.encryption.is_none()
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The image, where it is not raw.
    pub(super) fn image(&self) -> Option<&Chained> {
        self.image.as_deref()
    }

    /// What was written to it, for who wants to know. Transfers that an engine made are noted by who gets their completion.
    pub(super) fn written(&self) -> &Written {
        &self.written
    }

    /// Whether every write reaches the disk before it is done.
    pub(super) fn write_flags(&self) -> i32 {
        match self.options.cache {
            CacheMode::Writethrough | CacheMode::Directsync => DATA_SYNC,
            CacheMode::None | CacheMode::Writeback | CacheMode::Unsafe => 0,
        }
    }

    /// Whether flushes do anything.
    pub(super) fn flushes(&self) -> bool {
        self.options.cache != CacheMode::Unsafe
    }

    /// Where a transfer between these buffers and a range of the disk can go straight. None where the bytes must be made or gathered on the
    /// way.
    pub(super) fn place_of(
        &self,
        direction: Direction,
        buffers: &[libc::iovec],
        offset: u64,
        length: u64,
    ) -> Option<Place> {
        if let Some(image) = &self.image {
            // What a write needs first is the image's business, as is a read that leaves a copy; what a job moves is not in one place for long.
            let may = direction == Direction::Read && !self.job && !self.options.copy_on_read;
            return if may { image.place(offset, length) } else { None };
        }
        if self.encryption.is_some() {
            return None;
        }
        let fits = |alignment: Alignment| {
            let fits = |buffer: &libc::iovec| {
                (buffer.iov_base as u64).is_multiple_of(alignment.memory)
                    && (buffer.iov_len as u64).is_multiple_of(alignment.offset)
            };
            offset.is_multiple_of(alignment.offset) && buffers.iter().all(fits)
        };
        self.direct.is_none_or(fits).then(|| self.in_file(offset))
    }

    /// A place in its own file.
    pub(super) fn in_file(&self, offset: u64) -> Place {
        Place { file: self.file.as_raw_fd(), offset }
    }

    /// Whether a transfer that goes no straight way must have the disk for itself: it writes back what it only wanted to read.
    pub(super) fn bounces_alone(&self) -> bool {
        self.image.is_none()
    }

    /// Makes what was written to an image last a crash of the host, where it takes more than a flush of its file. None where that does.
    pub(super) fn flush_image(&self) -> Option<io::Result<()>> {
        let image = self.image.as_ref().filter(|image| !image.is_settled())?;
        Some(image.make_last())
    }

    /// Lets whoever opens its image next find all that was written, before it stands still or goes.
    pub(super) fn put_down(&self) -> io::Result<()> {
        self.image.as_ref().map_or(Ok(()), |image| image.put_down(self.flushes()))
    }

    /// Makes what was written last a crash of the host.
    pub(super) fn flush(&self) -> io::Result<()> {
        if self.flushes() { self.file.sync_data() } else { Ok(()) }
    }

    /// Frees a range: it reads as zero afterwards, where [`Self::frees_to_zeros`].
    pub(super) fn punch(&self, offset: u64, length: u64) -> io::Result<()> {
        if self.image.is_some() {
            return self.zero(offset, length);
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let punched = rustix::fs::fallocate(&self.file, flags, self.place(offset), length);
        self.written.note(offset, length);
        punched?;
        self.make_last()
    }

    /// Makes a range read as zero and keeps it allocated, by whatever way the file has.
    pub(super) fn zero(&self, offset: u64, length: u64) -> io::Result<()> {
        let zeroed = self.make_zero(offset, length);
        self.written.note(offset, length);
        zeroed
    }

    fn make_zero(&self, offset: u64, length: u64) -> io::Result<()> {
        if let Some(image) = &self.image {
            return image.zero(offset, length).and_then(|()| self.make_last());
        }
        if self.encryption.is_some() {
            return self.write_around(offset, length, |data| data.fill(0));
        }
        let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, flags, offset, length) {
            Ok(()) => self.make_last(),
            Err(rustix::io::Errno::OPNOTSUPP) => self.write_around(offset, length, |data| data.fill(0)),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a range that is not aligned as O_DIRECT wants; `take` gets the data piece by piece, in order.
    pub(super) fn read_around(
        &self,
        offset: u64,
        length: u64,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        if let Some(image) = &self.image {
            return image.read(offset, length, self.options.copy_on_read, take);
        }
        self.around(offset, length, |covered, start, part| {
            self.read_blocks(covered, start)?;
            take(&covered[part]);
            Ok(())
        })
    }

    /// Writes a range that is not aligned as O_DIRECT wants; `fill` gives the data piece by piece, in order. What
    /// shares a block with the range is read and written back: no other request may be in flight.
    pub(super) fn write_around(
        &self,
        offset: u64,
        length: u64,
        fill: impl FnMut(&mut [u8]),
    ) -> io::Result<()> {
        let wrote = self.put_around(offset, length, fill);
        self.written.note(offset, length);
        wrote
    }

    fn put_around(&self, offset: u64, length: u64, mut fill: impl FnMut(&mut [u8])) -> io::Result<()> {
        if let Some(image) = &self.image {
            return image.write(offset, length, fill).and_then(|()| self.make_last());
        }
        self.around(offset, length, |covered, start, part| {
            if part != (0..covered.len()) {
                self.read_blocks(covered, start)?;
            }
            fill(&mut covered[part]);
            self.write_back(covered, start)
        })
    }

    /// Calls `step` with (buffer for whole blocks, their offset, the part of the buffer that is in the range).
    fn around(
        &self,
        offset: u64,
        length: u64,
        mut step: impl FnMut(&mut [u8], u64, std::ops::Range<usize>) -> io::Result<()>,
    ) -> io::Result<()> {
        let end = offset + length;
        let mut at = offset / self.block_size * self.block_size;
        let covered_end = end.next_multiple_of(self.block_size);
        let memory = self.direct.map_or(1, |alignment| alignment.memory);
        let mut bounce = AlignedBuffer::new((covered_end - at).min(BOUNCE_SIZE) as usize, memory as usize);
        while at < covered_end {
            let size = (covered_end - at).min(BOUNCE_SIZE);
            let first = offset.saturating_sub(at);
            let last = (end - at).min(size);
            step(&mut bounce.bytes()[..size as usize], at, first as usize..last as usize)?;
            at += size;
        }
        Ok(())
    }

    /// Writes whole blocks; encrypted ones are encrypted in place.
    fn write_back(&self, blocks: &mut [u8], offset: u64) -> io::Result<()> {
        if let Some(encryption) = &self.encryption {
            encryption.cipher.encrypt(blocks, offset / SECTOR);
        }
        self.file.write_all_at(blocks, self.place(offset))?;
        self.make_last()
    }

    /// After every write: where it must, it is on the disk before it is done.
    fn make_last(&self) -> io::Result<()> {
        if self.write_flags() != DATA_SYNC {
            return Ok(());
        }
        #[cfg(test)]
        self.lasted.fetch_add(1, Ordering::SeqCst);
        match &self.image {
            Some(image) => image.make_last(),
            None => self.file.sync_data(),
        }
    }

    /// Reads into guest memory; like preadv(2), perhaps less than asked for.
    pub(super) fn read_vectored(&self, buffers: &[libc::iovec], place: Place) -> io::Result<usize> {
        // SAFETY: the buffers are guest memory that is mapped as long as the caller holds its Memory; the kernel
        // writes only within them, and guest memory is never seen as a Rust reference.
        let result =
            unsafe { libc::preadv(place.file, buffers.as_ptr(), buffers.len() as i32, place.offset as i64) };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }

    /// Writes from guest memory; like pwritev(2), perhaps less than asked for.
    pub(super) fn write_vectored(&self, buffers: &[libc::iovec], place: Place) -> io::Result<usize> {
        // SAFETY: the buffers are guest memory that is mapped as long as the caller holds its Memory; the kernel
        // only reads them.
        let result = unsafe {
            let count = buffers.len() as i32;
            libc::pwritev2(place.file, buffers.as_ptr(), count, place.offset as i64, self.write_flags())
        };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }
}

/// What a capacity is whole pieces of: blocks of the file, or those that the guest is told of.
fn whole_blocks(block_size: u64, options: &DiskOptions) -> u64 {
    block_size.max(options.shape.logical.map_or(0, u64::from))
}

/// Whether transfers go by the host's page cache, for who has this file open.
pub(super) fn bypass_cache(file: &File, bypass: bool) -> io::Result<()> {
    let mut flags = rustix::fs::fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, bypass);
    Ok(rustix::fs::fcntl_setfl(file, flags)?)
}

/// What O_DIRECT wants of this file.
fn alignment(file: &File) -> io::Result<Alignment> {
    let default = Alignment { memory: DEFAULT_ALIGNMENT, offset: DEFAULT_ALIGNMENT };
    match rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) {
        Ok(stat)
            if stat.stx_dio_offset_align.is_power_of_two() && stat.stx_dio_mem_align.is_power_of_two() =>
        {
            Ok(Alignment { memory: stat.stx_dio_mem_align.into(), offset: stat.stx_dio_offset_align.into() })
        }
        Ok(_) => Ok(default),
        Err(error) if matches!(io::Error::from(error).kind(), ErrorKind::Unsupported) => Ok(default),
        Err(error) => Err(error.into()),
    }
}
