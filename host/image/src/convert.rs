//! A copy of a disk in another image: read, looked through for zeros and written by several threads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::create::{CreateOptions, SECTOR, make_raw};
use crate::error::ImageError;
use crate::file::ImageFile;
use crate::format::Format;
use crate::image::{Driver, Image};
use crate::qcow2::{Compressor, Fresh};
use crate::rebase::Progress;
use crate::zero::is_zero;

/// How a disk is converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertOptions {
    /// The new image; its size is that of the disk, whatever is said here, and it stands alone.
    pub create: CreateOptions,
    /// Compress clusters; qcow2 only.
    pub compress: bool,
    /// So many zero bytes in a row are left out of a raw image, a multiple of 512; 0 writes all. A qcow2 image leaves out whole clusters,
    /// unless this is 0.
    pub sparse: u64,
}

/// What is read at once: small enough to stay in the processor's cache until it is written.
const CHUNK: u64 = 512 << 10;
/// How far ahead the disk is looked through for data at once.
const LOOK_AHEAD: u64 = 64 << 20;
/// Zero bytes that become a hole unless told otherwise.
pub const SPARSE: u64 = 4096;
/// Most threads that copy; more only wait for the same disk.
const COPIERS: usize = 4;
/// Most threads that compress.
const COMPRESSORS: usize = 16;

/// What is written to.
enum Target {
    Raw { file: ImageFile, sparse: usize },
    Qcow2 { fresh: Box<Fresh>, detect: bool, compress: bool },
}

/// Copies what the disk shows into a new image, in a file that is empty or on a block device. The file is whole when it comes back, and
/// not yet on the disk: [`ImageFile::sync`] waits for that. After an error the caller removes the file. `progress` is told bytes of
/// the disk, from any thread.
pub fn convert(
    source: &Image,
    target: ImageFile,
    options: &ConvertOptions,
    progress: Progress<'_>,
) -> Result<ImageFile, ImageError> {
    let create = CreateOptions { size: source.size(), ..options.create.clone() };
    let complaint = create.complaint().or_else(|| options.complaint());
    if let Some(complaint) = complaint {
        return Err(target.refused("created", complaint));
    }
    if !target.is_block() && !target.is_empty()? {
        return Err(target.refused("created", "the file is not empty"));
    }
    let size = source.size();
    let (target, align) = match create.format {
        Format::Raw => {
            if cloned(source, &target, options) {
                progress(size, size);
                return Ok(target);
            }
            make_raw(&target, size.next_multiple_of(SECTOR), create.preallocation)?;
            if target.is_block() {
                target.punch(0, size)?;
            }
            (Target::Raw { file: target, sparse: options.sparse as usize }, SPARSE)
        }
        Format::Qcow2 => {
            let plan = create.plan().map_err(|complaint| target.refused("created", complaint))?;
            let fresh = Fresh::new(target, &plan)?;
            let cluster = fresh.geometry.cluster();
            (
                Target::Qcow2 {
                    fresh: Box::new(fresh),
                    detect: options.sparse > 0,
                    compress: options.compress,
                },
                cluster,
            )
        }
    };
    let plan = Plan { source, next: Mutex::new(0), align, everything: options.sparse == 0 };
    copy(&plan, &target, options.compress, progress)?;
    match target {
        Target::Raw { file, .. } => Ok(file),
        Target::Qcow2 { fresh, .. } => fresh.finish(),
    }
}

impl ConvertOptions {
    /// A plain copy in a format.
    pub fn new(format: Format) -> Self {
        Self { create: CreateOptions::new(format, 0), compress: false, sparse: SPARSE }
    }

    fn complaint(&self) -> Option<String> {
        if self.compress && self.create.format == Format::Raw {
            return Some("raw images can't be compressed; convert to qcow2".to_owned());
        }
        if self.compress && self.create.preallocation != crate::create::Preallocation::Off {
            return Some("an image is either compressed or preallocated".to_owned());
        }
        if self.compress && self.create.qcow2.extended_l2 {
            return Some("an image is either compressed or has extended L2 entries".to_owned());
        }
        if self.create.qcow2.backing.is_some() {
            return Some("a converted image stands alone; give it a backing file with 'rebase'".to_owned());
        }
        (!self.sparse.is_multiple_of(SECTOR) || self.sparse > 1 << 30)
            .then(|| format!("holes have a multiple of {SECTOR} bytes, at most 1 GiB, not {}", self.sparse))
    }
}

/// Lets both files share their space, where the file system can do that.
fn cloned(source: &Image, target: &ImageFile, options: &ConvertOptions) -> bool {
    let plain = *options == ConvertOptions { sparse: options.sparse, ..ConvertOptions::new(Format::Raw) };
    match &source.driver {
        Driver::Raw(raw) if plain && options.sparse > 0 && raw.size.is_multiple_of(SECTOR) => {
            rustix::fs::ioctl_ficlone(target.file(), raw.file.file()).is_ok()
        }
        _ => false,
    }
}

/// What is still to be copied.
struct Plan<'a> {
    source: &'a Image,
    /// Everything before is taken or known to be zeros.
    next: Mutex<u64>,
    align: u64,
    /// Zeros are copied too.
    everything: bool,
}

impl Plan<'_> {
    /// The next piece to copy, from a multiple of `align` on; `quiet` is told what needs no copying.
    fn next(&self, quiet: impl Fn(u64)) -> Result<Option<(u64, u64)>, ImageError> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let size = self.source.size();
        let chunk = CHUNK.max(self.align);
        let from = *next;
        let mut at = *next;
        while at < size {
            let extent = self.source.extent(at, size.min(at + LOOK_AHEAD))?;
            if extent.zero && !self.everything {
                at += extent.length;
                continue;
            }
            let start = (at / self.align * self.align).max(from);
            let end = if self.everything {
                size
            } else {
                (at + extent.length).next_multiple_of(self.align).min(size)
            };
            let end = end.min(start + chunk);
            quiet(start - from);
            *next = end;
            return Ok(Some((start, end)));
        }
        quiet(size - from);
        *next = size;
        Ok(None)
    }
}

fn copy(plan: &Plan<'_>, target: &Target, compress: bool, progress: Progress<'_>) -> Result<(), ImageError> {
    let size = plan.source.size();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(if compress { COMPRESSORS } else { COPIERS });
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let tell = |bytes: u64| {
        if bytes > 0 {
            progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, size);
        }
    };
    let work = || -> Result<(), ImageError> {
        let mut buffer = vec![0; CHUNK.max(plan.align) as usize];
        let mut compressor = match target {
            Target::Qcow2 { fresh, compress: true, .. } => Some(Compressor::new(fresh.geometry.cluster())),
            _ => None,
        };
        while let Some((start, end)) = plan.next(tell)? {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let piece = &mut buffer[..(end - start) as usize];
            plan.source.read(piece, start)?;
            target.write(start, piece, compressor.as_mut())?;
            tell(end - start);
        }
        Ok(())
    };
    let work = || work().inspect_err(|_| stop.store(true, Ordering::Relaxed));
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let first = work();
        let others = others.into_iter().map(|other| match other.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        others.fold(first, Result::and)
    })
}

impl Target {
    fn write(&self, offset: u64, data: &[u8], compressor: Option<&mut Compressor>) -> Result<(), ImageError> {
        match self {
            Self::Raw { file, sparse: 0 } => file.write(data, offset),
            Self::Raw { file, sparse } => write_sparse(file, offset, data, *sparse),
            Self::Qcow2 { fresh, detect, .. } => match compressor {
                Some(compressor) => write_compressed(fresh, offset, data, compressor),
                None => fresh.write(offset, data, *detect),
            },
        }
    }
}

/// Writes what is not zeros; blocks that are and follow each other are left out together.
fn write_sparse(file: &ImageFile, offset: u64, data: &[u8], block: usize) -> Result<(), ImageError> {
    let mut start = 0;
    while start < data.len() {
        let quiet = |at: usize| is_zero(&data[at..(at + block).min(data.len())]);
        if quiet(start) {
            start += block;
            continue;
        }
        let mut end = start + block;
        while end < data.len() && !quiet(end) {
            end += block;
        }
        file.write(&data[start..end.min(data.len())], offset + start as u64)?;
        start = end;
    }
    Ok(())
}

fn write_compressed(
    fresh: &Fresh,
    offset: u64,
    data: &[u8],
    compressor: &mut Compressor,
) -> Result<(), ImageError> {
    let cluster = fresh.geometry.cluster() as usize;
    for (number, bytes) in data.chunks(cluster).enumerate() {
        let at = offset + (number * cluster) as u64;
        if is_zero(bytes) {
            continue;
        }
        // The last cluster of the disk may be short; its rest reads as zeros.
        let padded = (bytes.len() < cluster).then(|| {
            let mut whole = bytes.to_vec();
            whole.resize(cluster, 0);
            whole
        });
        match compressor.compress(padded.as_deref().unwrap_or(bytes)) {
            Some(packed) => fresh.write_compressed(at, packed)?,
            None => fresh.write(at, bytes, true)?,
        }
    }
    Ok(())
}
