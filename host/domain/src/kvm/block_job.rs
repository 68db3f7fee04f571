//! Jobs on the images of disks: who opens what, and what the disk is called afterwards. The worker moves the data.
//!
//! What only the daemon can know of a job (what takes the place of the image, which files are in nobody's way then) goes with it to the
//! worker as a tag and comes back, so that a daemon that starts again knows it too.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use reeve_image::{BackingReference, CreateOptions, Directories, Format, ImageFile, create};
use reeve_model::Bytes;
use reeve_model::block_job::{BlockJob, BlockJobKind, BlockJobState, BlockJobWork};
use reeve_model::domain::{Disk, DiskSource};
use reeve_sys::open::{self, ImageAccess, Sharing};
use reeve_vmm::config::{BackingConfig, FdIndex};
use reeve_vmm::protocol::{self, BlockJobBase, BlockJobOrder};
use serde::{Deserialize, Serialize};

use super::images;
use crate::driver::{BlockJobReport, DriverError};

/// A file for reading that nobody locks.
const LOOK: ImageAccess =
    ImageAccess { readonly: true, direct: false, sharing: Sharing::Later, follow: true };
/// A file for writing that its worker locks.
const BORROW: ImageAccess = ImageAccess { readonly: false, ..LOOK };
/// Nobody but the owner reads the image of a disk.
const MODE: u32 = 0o600;

/// What comes back with a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Tag {
    kind: BlockJobKind,
    /// Where the disk is after a pivot.
    successor: Option<(DiskSource, Option<String>)>,
    /// Files that nobody needs once the job has completed.
    remove: Vec<PathBuf>,
}

/// A job as its worker takes it.
pub(super) struct Start {
    pub work: protocol::BlockJobWork,
    pub tag: String,
    pub fds: Vec<OwnedFd>,
    /// A file that was made for it.
    made: Option<PathBuf>,
}

impl Start {
    /// Removes what was made for a job that did not begin.
    pub fn undo(made: Option<&Path>) {
        if let Some(path) = made {
            // It was empty when it was made; one that stays is in nobody's way.
            let _ = std::fs::remove_file(path);
        }
    }

    /// The file that was made for it.
    pub fn made(&self) -> Option<PathBuf> {
        self.made.clone()
    }
}

/// One image of the chain of a disk.
struct Layer {
    path: PathBuf,
    file: File,
    format: Format,
}

/// The chain of a disk, from the image that is written down.
struct Chain<'a> {
    disk: &'a Disk,
    layers: Vec<Layer>,
}

/// Opens what a job needs.
pub(super) fn open(disk: &Disk, work: &BlockJobWork) -> Result<Start, DriverError> {
    let chain = Chain::find(disk)?;
    match work {
        BlockJobWork::Pull { base } => chain.pull(base.as_deref()),
        BlockJobWork::Commit { top, base, shallow, active, delete } => {
            let top = top.as_deref().map_or(Ok(0), |top| chain.depth(top))?;
            let base = match base.as_deref() {
                Some(_) if *shallow => {
                    Err(refused("a commit goes into a base, or with shallow one image down"))
                }
                Some(base) => chain.depth(base),
                None if *shallow => Ok(top + 1),
                None => Ok(chain.layers.len() - 1),
            }?;
            if top == 0 && !active {
                return Err(refused(&format!(
                    "'{}' is the active image of disk '{}': give --active to commit it too",
                    chain.layers[0].path.display(),
                    disk.target
                )));
            }
            chain.commit(top, base, *delete)
        }
        BlockJobWork::Copy { destination, block_device, format, shallow, reuse_external } => {
            let format = format.as_deref().map(str::parse::<Format>).transpose();
            let format = format.map_err(|unknown| refused(&unknown.to_string()))?;
            let into = Path::new(destination);
            if !into.is_absolute() {
                return Err(refused(&format!("'{destination}' is not an absolute path")));
            }
            chain.copy(into, *block_device, format, *shallow, *reuse_external)
        }
    }
}

/// What a worker says of a job.
pub(super) fn report(status: protocol::BlockJobStatus, target: &str) -> Result<BlockJobReport, DriverError> {
    let tag: Tag = serde_json::from_str(&status.tag)
        .map_err(|error| DriverError::Worker(format!("its worker forgot what a block job is: {error}")))?;
    let state = match status.state {
        protocol::BlockJobState::Running => BlockJobState::Running,
        protocol::BlockJobState::Ready => BlockJobState::Ready,
        protocol::BlockJobState::Completed => BlockJobState::Completed,
        protocol::BlockJobState::Failed => BlockJobState::Failed,
        protocol::BlockJobState::Cancelled => BlockJobState::Cancelled,
    };
    let path = |source: &DiskSource| source.path().map(str::to_owned);
    let job = BlockJob {
        disk: target.to_owned(),
        kind: tag.kind,
        state,
        error: status.error,
        done: Bytes(status.done),
        total: Bytes(status.total),
        bandwidth: Bytes(status.bandwidth),
        successor: tag.successor.as_ref().and_then(|(source, _)| path(source)),
        successor_format: tag.successor.as_ref().and_then(|(_, format)| format.clone()),
        pivoted: status.pivoted,
    };
    Ok(BlockJobReport {
        job,
        alias: status.alias,
        settled: status.settled,
        successor: tag.successor.filter(|_| status.pivoted),
        remove: tag.remove,
    })
}

/// Removes the files that nobody needs after a job; what can't be removed is only in the way.
pub(super) fn clear(report: &BlockJobReport) {
    let ended = report.job.state == BlockJobState::Completed
        && (report.job.kind == BlockJobKind::Commit || report.job.pivoted);
    for path in report.remove.iter().filter(|_| ended) {
        let is_file = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        if is_file && let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "an image that was committed could not be removed");
        }
    }
}

impl<'a> Chain<'a> {
    fn find(disk: &'a Disk) -> Result<Self, DriverError> {
        let what = format!("disk {}", disk.target);
        if disk.readonly || disk.shareable || matches!(disk.device.as_str(), "cdrom" | "floppy") {
            return Err(refused(&format!(
                "disk '{}' is read-only or shared: its images are not worked on",
                disk.target
            )));
        }
        let path = disk.source.path().ok_or_else(|| refused(&format!("disk '{}' is empty", disk.target)))?;
        let format = disk.driver.format.as_deref().unwrap_or("raw").parse::<Format>();
        let format = format.map_err(|unknown| refused(&unknown.to_string()))?;
        let failed = |source| DriverError::Open { what: what.clone(), path: path.to_owned(), source };
        let bad = |error| failed(io::Error::new(io::ErrorKind::InvalidInput, error));
        let file = open::image(Path::new(path), LOOK)
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
        let directories = Directories::new().allow_path(directory, directory).map_err(failed)?;
        let image = ImageFile::new(file.into(), path).map_err(bad)?;
        let chain = reeve_image::chain(image, format, &directories).map_err(bad)?;
        let layers = chain.into_iter().map(|(file, format)| {
            let path = PathBuf::from(file.name());
            Layer { path, file: file.into_file(), format }
        });
        Ok(Self { disk, layers: layers.collect() })
    }

    /// The depth of the image that a path or `TARGET[DEPTH]` means.
    fn depth(&self, name: &str) -> Result<usize, DriverError> {
        let target = &self.disk.target;
        let number = name.strip_prefix(target.as_str()).and_then(|rest| rest.strip_prefix('['));
        if let Some(number) = number.and_then(|rest| rest.strip_suffix(']')) {
            let depth = number.parse().ok().filter(|depth| *depth < self.layers.len());
            return depth.ok_or_else(|| self.unknown(name));
        }
        let wanted = std::fs::metadata(name).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        let is_it = |layer: &Layer| {
            let found = layer.file.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
            layer.path == Path::new(name) || wanted.is_some() && wanted == found
        };
        self.layers.iter().position(is_it).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> DriverError {
        let names: Vec<_> = self.layers.iter().map(|layer| layer.path.display().to_string()).collect();
        let chain = names.join("' on '");
        refused(&format!("'{name}' is no image of disk '{}', which is '{chain}'", self.disk.target))
    }

    fn pull(self, base: Option<&str>) -> Result<Start, DriverError> {
        let base = base.map(|base| self.depth(base)).transpose()?;
        if base == Some(0) {
            return Err(refused("the active image can't be its own backing file"));
        }
        if self.layers.len() == 1 {
            return Err(refused(&format!("disk '{}' has no backing file to pull", self.disk.target)));
        }
        let base = base.map(|base| self.base(0, base));
        self.start(BlockJobKind::Pull, protocol::BlockJobWork::Pull { base }, Vec::new(), Vec::new())
    }

    fn commit(self, top: usize, base: usize, delete: bool) -> Result<Start, DriverError> {
        if base >= self.layers.len() {
            let path = self.layers[top].path.display();
            return Err(refused(&format!("'{path}' has no backing file to be committed into")));
        }
        if base <= top {
            let (top, base) = (self.layers[top].path.display(), self.layers[base].path.display());
            return Err(refused(&format!("'{base}' is not below '{top}'")));
        }
        let writable = [Some(base), top.checked_sub(1).filter(|above| *above > 0)];
        let fds = writable.into_iter().flatten().map(|depth| self.borrow(depth));
        let fds = fds.collect::<Result<Vec<_>, _>>()?;
        let work = protocol::BlockJobWork::Commit {
            top: top as u32,
            base: self.base(top.saturating_sub(1), base),
            fds: (0..fds.len() as u32).map(FdIndex).collect(),
        };
        let removed = self.layers[top..base].iter().map(|layer| layer.path.clone());
        let remove = if delete { removed.collect() } else { Vec::new() };
        let kind = if top == 0 { BlockJobKind::ActiveCommit } else { BlockJobKind::Commit };
        let successor = (top == 0).then(|| (self.layers[base].path.clone(), self.layers[base].format));
        let mut start = self.start(kind, work, fds, remove)?;
        if let Some((path, format)) = successor {
            start.succeed(&path, format)?;
        }
        Ok(start)
    }

    fn copy(
        self,
        into: &Path,
        block_device: bool,
        format: Option<Format>,
        shallow: bool,
        reuse: bool,
    ) -> Result<Start, DriverError> {
        let active = &self.layers[0];
        let format = format.unwrap_or(active.format);
        let backing = match (shallow, self.layers.get(1)) {
            (false, _) => None,
            (true, Some(_)) if format == Format::Raw => {
                return Err(refused("a raw copy has no backing file: it can't be shallow"));
            }
            (true, Some(below)) => Some(below),
            (true, None) => {
                let message = format!("disk '{}' has no backing file for a shallow copy", self.disk.target);
                return Err(refused(&message));
            }
        };
        let there = std::fs::metadata(into).ok();
        let is_device = there.as_ref().is_some_and(|metadata| metadata.file_type().is_block_device());
        if block_device && !is_device {
            return Err(refused(&format!("'{}' is no block device", into.display())));
        }
        let is_new = !reuse && !is_device;
        if is_new && there.as_ref().is_some_and(|metadata| !metadata.is_file() || metadata.len() > 0) {
            return Err(refused(&format!(
                "'{}' is there already: name another, or give --reuse-external for one that was made for this",
                into.display()
            )));
        }
        let fail = |source| DriverError::Open {
            what: "the copy".to_owned(),
            path: into.display().to_string(),
            source,
        };
        let bad = |error: reeve_image::ImageError| fail(io::Error::new(io::ErrorKind::InvalidInput, error));
        let mut made = None;
        if is_new || is_device && !reuse && format == Format::Qcow2 {
            let size = self.size()?;
            let reference = backing.map(|below| reference(into, &below.path, below.format));
            if is_new && there.is_none() {
                made = Some(into.to_owned());
            }
            let written = make(into, size, format, reference);
            if let Err(error) = written {
                Start::undo(made.as_deref());
                return Err(match error {
                    Made::File(error) => fail(error),
                    Made::Image(error) => bad(error),
                });
            }
        }
        let access =
            ImageAccess { readonly: false, direct: false, sharing: Sharing::Exclusive, follow: true };
        let opened = images::open("the copy", into, access, format);
        let (top, below) = opened.inspect_err(|_| Start::undo(made.as_deref()))?;
        let mut fds = vec![top];
        let backing = below.into_iter().map(|(fd, format)| {
            fds.push(fd);
            BackingConfig { fd: FdIndex(fds.len() as u32 - 1), format }
        });
        let backing = backing.collect();
        let blank = is_new || is_device && !reuse && format == Format::Qcow2;
        let work = protocol::BlockJobWork::Copy { fd: FdIndex(0), format, backing, shallow, blank };
        let mut start = self.start(BlockJobKind::Copy, work, fds, Vec::new())?;
        start.made = made;
        start.succeed(into, format)?;
        Ok(start)
    }

    fn start(
        &self,
        kind: BlockJobKind,
        work: protocol::BlockJobWork,
        fds: Vec<OwnedFd>,
        remove: Vec<PathBuf>,
    ) -> Result<Start, DriverError> {
        let tag = Tag { kind, successor: None, remove };
        Ok(Start { work, tag: text(&tag)?, fds, made: None })
    }

    /// How the image at one depth names the one at another.
    fn base(&self, upper: usize, lower: usize) -> BlockJobBase {
        let (upper, below) = (&self.layers[upper], &self.layers[lower]);
        let named = reference(&upper.path, &below.path, below.format);
        BlockJobBase { depth: lower as u32, name: named.name, format: below.format }
    }

    /// The same file for writing: what was opened for the chain, and nothing that took its name since.
    fn borrow(&self, depth: usize) -> Result<OwnedFd, DriverError> {
        let Layer { path, file, .. } = &self.layers[depth];
        let same = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        open::image(&same, BORROW).map_err(|error| DriverError::Open {
            what: format!("backing file of disk {}", self.disk.target),
            path: path.display().to_string(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })
    }

    /// Bytes of the disk.
    fn size(&self) -> Result<u64, DriverError> {
        let Layer { path, file, format } = &self.layers[0];
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| DriverError::Open {
            what: format!("disk {}", self.disk.target),
            path: path.display().to_string(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        };
        let file = file.try_clone().map_err(|error| failed(error.into()))?;
        let size = ImageFile::new(file, path.display().to_string())
            .and_then(|file| reeve_image::disk_size(&file, *format));
        size.map_err(|error| failed(error.into()))
    }
}

impl Start {
    /// Notes what takes the place of the disk's image with a pivot.
    fn succeed(&mut self, path: &Path, format: Format) -> Result<(), DriverError> {
        let is_device = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_block_device());
        let path = Some(path.display().to_string());
        let source = if is_device { DiskSource::Block { path } } else { DiskSource::File { path } };
        let mut tag: Tag = serde_json::from_str(&self.tag).map_err(|error| refused(&error.to_string()))?;
        tag.successor = Some((source, Some(format.name().to_owned())));
        self.tag = text(&tag)?;
        Ok(())
    }
}

enum Made {
    File(io::Error),
    Image(reeve_image::ImageError),
}

/// Makes the image that a disk is copied into.
fn make(path: &Path, size: u64, format: Format, backing: Option<BackingReference>) -> Result<(), Made> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(MODE).open(path);
    let file = file.map_err(Made::File)?;
    let mut options = CreateOptions::new(format, size);
    options.qcow2.backing = backing;
    let file = ImageFile::new(file, path.display().to_string()).map_err(Made::Image)?;
    create(file, &options).map_err(Made::Image)
}

/// How one image names another: by a path from its own directory where the other is there or below, so that both can be moved together.
fn reference(upper: &Path, lower: &Path, format: Format) -> BackingReference {
    let directory = upper.parent().unwrap_or(Path::new("/"));
    let name = lower.strip_prefix(directory).unwrap_or(lower);
    BackingReference::new(name.display().to_string(), format)
}

fn text(tag: &Tag) -> Result<String, DriverError> {
    serde_json::to_string(tag).map_err(|error| refused(&error.to_string()))
}

fn refused(sentence: &str) -> DriverError {
    DriverError::Rejected(sentence.to_owned())
}

/// What the worker is asked for a job that goes on.
pub(super) fn order(demand: &crate::driver::BlockJobDemand) -> BlockJobOrder {
    use crate::driver::BlockJobDemand as Demand;
    match demand {
        Demand::Limit(bandwidth) => BlockJobOrder::Limit { bandwidth: bandwidth.0 },
        Demand::Cancel => BlockJobOrder::Cancel,
        Demand::Pivot => BlockJobOrder::Pivot,
        Demand::Settle => BlockJobOrder::Settle,
    }
}
