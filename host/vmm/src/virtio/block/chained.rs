//! A disk in an image with a format of its own: what the guest wants goes through the image, piece by piece.

use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use reeve_image::{Image, ImageError, ResizeOptions, Snapshot};
use time::OffsetDateTime;

use super::disk::BOUNCE_SIZE;
use super::engine::Place;
use super::mirror::Mirror;

/// How long a job lets who waits for the image go first, before it looks again.
const STEP_ASIDE: Duration = Duration::from_micros(50);

/// The image with the backing files below it. The device's thread, block jobs and the control plane take turns.
#[derive(Debug)]
pub(super) struct Chained {
    turn: Mutex<Turn>,
    /// How many wait for a turn that are no jobs.
    waiting: AtomicUsize,
}

#[derive(Debug)]
pub(super) struct Turn {
    pub image: Image,
    /// Where else writes go.
    pub mirror: Option<Mirror>,
    /// What lies between the image and guest memory; as long as the longest piece so far.
    bounce: Vec<u8>,
}

/// Whose turn it is.
pub(super) struct Held<'a>(MutexGuard<'a, Turn>);

impl Deref for Held<'_> {
    type Target = Turn;

    fn deref(&self) -> &Turn {
        &self.0
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Turn {
        &mut self.0
    }
}

impl Chained {
    pub(super) fn new(image: Image) -> Self {
        let turn = Turn { image, mirror: None, bounce: Vec::new() };
        Self { turn: Mutex::new(turn), waiting: AtomicUsize::new(0) }
    }

    /// Bytes of the disk.
    pub(super) fn size(&self) -> u64 {
        self.turn().image.size()
    }

    /// Where a whole range of the disk lies as it is in one file. That file is open until a job changes the chain.
    pub(super) fn place(&self, offset: u64, length: u64) -> Option<Place> {
        let turn = self.turn();
        // An image that is damaged says so when it is read.
        let placed = turn.image.placed(offset, length).ok()??;
        Some(Place { file: placed.file.as_raw_fd(), offset: placed.offset })
    }

    /// Reads a range; `take` gets it piece by piece, in order. With `keep` what came of images below stays in this one; where that can't
    /// be, the range was read all the same, and is read below the next time too.
    pub(super) fn read(
        &self,
        offset: u64,
        length: u64,
        keep: bool,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        self.pieces(offset, length, |image, _, piece, at| {
            image.read(piece, at)?;
            take(piece);
            if keep {
                let _ = image.keep(piece, at);
            }
            Ok(())
        })
    }

    /// Writes a range; `fill` gives it piece by piece, in order.
    pub(super) fn write(&self, offset: u64, length: u64, mut fill: impl FnMut(&mut [u8])) -> io::Result<()> {
        self.pieces(offset, length, |image, mirror, piece, at| {
            fill(piece);
            let written = image.write(piece, at);
            if let Some(mirror) = mirror {
                mirror.follow_write(image, piece, at, written.is_ok());
            }
            written
        })
    }

    /// Makes a range read as zeros; the space of whole clusters is given back.
    pub(super) fn zero(&self, offset: u64, length: u64) -> io::Result<()> {
        let mut turn = self.turn();
        let Turn { image, mirror, .. } = &mut *turn;
        let zeroed = image.zero(offset, length);
        if let Some(mirror) = mirror {
            mirror.follow_zero(image, offset, length, zeroed.is_ok());
        }
        zeroed.map_err(io_error)
    }

    /// Gives the disk another size.
    pub(super) fn resize(&self, size: u64, shrink: bool) -> Result<(), ImageError> {
        self.turn().image.resize(size, ResizeOptions { shrink, ..ResizeOptions::default() })
    }

    /// Everything written is on the disk when this returns.
    pub(super) fn sync(&self) -> Result<(), ImageError> {
        self.turn().image.sync()
    }

    /// The same, for who serves a guest.
    pub(super) fn make_last(&self) -> io::Result<()> {
        self.sync().map_err(io_error)
    }

    /// Whether a flush of its file is all that it takes to make it last.
    pub(super) fn is_settled(&self) -> bool {
        self.turn().image.is_settled()
    }

    /// Whoever opens the file next finds everything that was written; with `last` a crash of the host finds it too, or an error says why not.
    pub(super) fn put_down(&self, last: bool) -> io::Result<()> {
        let image = &mut self.turn().image;
        if image.is_settled() {
            return Ok(());
        }
        image.put_down(last).map_err(io_error)
    }

    /// Makes a snapshot within the image.
    pub(super) fn snapshot(&self, name: &str, taken: OffsetDateTime) -> Result<(), ImageError> {
        let image = &mut self.turn().image;
        image.create_snapshot(name, taken)?;
        image.sync()
    }

    /// Deletes the snapshot of a name and time within the image, if it has one.
    pub(super) fn drop_snapshot(&self, name: &str, taken: OffsetDateTime) -> Result<(), ImageError> {
        let image = &mut self.turn().image;
        let is_it = |snapshot: &Snapshot| snapshot.name == name && snapshot.taken == taken;
        let found = image.snapshots()?.into_iter().find(is_it);
        found.map_or(Ok(()), |snapshot| image.delete_snapshot(&snapshot.id))
    }

    /// Calls `step` with (image, mirror, buffer, offset) for a range, in pieces, however much a guest asks for.
    fn pieces(
        &self,
        offset: u64,
        length: u64,
        mut step: impl FnMut(&mut Image, Option<&mut Mirror>, &mut [u8], u64) -> Result<(), ImageError>,
    ) -> io::Result<()> {
        let mut done = 0;
        while done < length {
            let size = (length - done).min(BOUNCE_SIZE);
            let mut turn = self.turn();
            let Turn { image, mirror, bounce } = &mut *turn;
            if bounce.len() < size as usize {
                bounce.resize(size as usize, 0);
            }
            step(image, mirror.as_mut(), &mut bounce[..size as usize], offset + done).map_err(io_error)?;
            done += size;
        }
        Ok(())
    }

    pub(super) fn turn(&self) -> Held<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Held(turn)
    }

    /// A turn for a job, which comes after everybody else: one that takes turn after turn would starve them.
    pub(super) fn turn_for_job(&self) -> Held<'_> {
        while self.waiting.load(Ordering::SeqCst) > 0 {
            thread::park_timeout(STEP_ASIDE);
        }
        Held(self.turn.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The kernel's word where there is one, so that who asks can tell a full disk from a broken one.
fn io_error(error: ImageError) -> io::Error {
    match error {
        ImageError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}
