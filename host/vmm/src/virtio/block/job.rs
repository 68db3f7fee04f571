//! Jobs on the images of a disk: data moves between them in a thread of its own while the guest reads and writes.
//!
//! ```text
//!   running ── all is moved ──> completed                 pull, commit below the active image
//!      │     └─────────────────> ready ── pivot ──> completed     commit of the active image, copy: writes go to both now
//!      │                           └──── cancel ──> completed (a copy, which is whole) or cancelled
//!      └── cancel ──> cancelled, an error ──> failed       the disk is as it was
//! ```
//!
//! A job takes the image for one step at a time, so whoever is killed leaves a chain that shows what the disk was. What a step makes of
//! the images is said in `reeve_image::layers`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reeve_image::{Access, BackingReference, Image, ImageError, ImageFile, ResizeOptions, Step};

use super::chained::{Chained, Turn};
use super::disk_error::{DiskError, whole};
use super::mirror::{Follower, Mirror};
use crate::protocol::BlockJobState;
use crate::sandbox::{self, ThreadRole};

/// What a job does. Images of the chain are named by their depth, 0 for the one that is written.
pub enum Task {
    /// Brings what is above `base` into the active image, which then needs nothing between; none for a base is all there is.
    Pull {
        /// What stays its backing file.
        base: Option<usize>,
        /// How its header names that.
        reference: Option<BackingReference>,
    },
    /// Brings the images from `top` to the one above `base` into that one.
    Commit {
        /// The first of them; 0 for the active image, which the base takes the place of.
        top: usize,
        /// Where all goes.
        base: usize,
        /// How the header of the image above `top` names the base then.
        reference: Option<BackingReference>,
        /// Images of the chain, opened anew for writing: the base, and what is above `top` where that is not the active image.
        writable: Vec<ImageFile>,
    },
    /// Brings the disk into another image, which may take its place.
    Copy {
        /// The image.
        target: Box<Image>,
        /// Only what the active image has itself.
        shallow: bool,
        /// The target shows zeros where nothing is put.
        blank: bool,
    },
}

/// Why a job can't be done.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The disk can't be had for it.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// An image refused.
    #[error("{}", whole(.0))]
    Image(#[from] ImageError),
    /// It has no thread.
    #[error("its job has no thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The chain has no such image.
    #[error("its chain has {0} images")]
    Depth(usize),
    /// What it is copied into has too few bytes.
    #[error("its copy has {target} bytes, and it has {disk}")]
    Small {
        /// Bytes of the target.
        target: u64,
        /// Bytes of the disk.
        disk: u64,
    },
    /// There is no second image to change over to, or not yet.
    #[error("its job is not ready to change over")]
    NotReady,
}

/// A job that was begun.
pub struct BlockJob {
    shared: Arc<Shared>,
    chained: Arc<Chained>,
    thread: Option<JoinHandle<()>>,
    /// How images were open that are open for writing meanwhile.
    before: Vec<ImageFile>,
    /// A copy counts without a pivot too.
    is_copy: bool,
}

/// What a job and its thread share.
struct Shared {
    control: Mutex<Control>,
    changed: Condvar,
    done: AtomicU64,
    total: u64,
    told: Arc<dyn Fn() + Send + Sync>,
}

struct Control {
    state: BlockJobState,
    error: Option<String>,
    cancelled: bool,
    pivoted: bool,
    /// Bytes a second; 0 for any number.
    bandwidth: u64,
    /// Since when the bandwidth holds, and how many bytes were moved since.
    since: Instant,
    moved: u64,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What it does.
    pub state: BlockJobState,
    /// Why it failed.
    pub error: Option<String>,
    /// Bytes of the disk that are looked after.
    pub done: u64,
    /// Bytes of the disk.
    pub total: u64,
    /// Bytes a second at most; 0 for any number.
    pub bandwidth: u64,
    /// The disk has another active image now.
    pub pivoted: bool,
}

/// What the thread does, without what is open.
enum Work {
    Pull { base: Option<usize>, reference: Option<BackingReference> },
    Commit { top: usize, base: usize, reference: Option<BackingReference> },
    Copy { shallow: bool, blank: bool },
}

impl BlockJob {
    /// Begins a job. The device must be stopped for that moment. `told` is called when the job comes to another state by itself.
    pub(super) fn start(
        chained: Arc<Chained>,
        task: Task,
        bandwidth: u64,
        told: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, JobError> {
        let is_copy = matches!(task, Task::Copy { .. });
        let mut before = Vec::new();
        let mut turn = chained.turn();
        let prepared = prepare(&mut turn, task, &mut before, &told);
        if prepared.is_err() {
            restore(&mut turn, &mut before)?;
        }
        let (work, total) = prepared?;
        drop(turn);
        let control = Control {
            state: BlockJobState::Running,
            error: None,
            cancelled: false,
            pivoted: false,
            bandwidth,
            since: Instant::now(),
            moved: 0,
        };
        let (control, changed) = (Mutex::new(control), Condvar::new());
        let shared = Arc::new(Shared { control, changed, done: AtomicU64::new(0), total, told });
        let (ours, image) = (Arc::clone(&shared), Arc::clone(&chained));
        let thread = sandbox::spawn("block-job", ThreadRole::Device, move || ours.run(&image, &work));
        match thread {
            Ok(thread) => Ok(Self { shared, chained, thread: Some(thread), before, is_copy }),
            Err(error) => {
                restore(&mut chained.turn(), &mut before)?;
                Err(JobError::Thread(error))
            }
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let control = self.shared.control();
        Progress {
            state: control.state,
            error: control.error.clone(),
            done: self.shared.done.load(Ordering::Relaxed),
            total: self.shared.total,
            bandwidth: control.bandwidth,
            pivoted: control.pivoted,
        }
    }

    /// Another bandwidth, in bytes a second; 0 for any number.
    pub fn limit(&self, bandwidth: u64) {
        let mut control = self.shared.control();
        (control.bandwidth, control.since, control.moved) = (bandwidth, Instant::now(), 0);
        self.shared.changed.notify_all();
    }

    /// Notices that writes reach the copy no more. True when it has just failed for that.
    pub fn look(&self) -> bool {
        let turn = self.chained.turn();
        let failure = turn.mirror.as_ref().and_then(Mirror::failure).map(whole);
        let mut control = self.shared.control();
        match failure {
            Some(error) if control.state == BlockJobState::Ready => {
                (control.state, control.error) = (BlockJobState::Failed, Some(error));
                true
            }
            _ => false,
        }
    }

    /// Lets the second image take the place of the disk's. The device must be stopped.
    pub fn pivot(&mut self) -> Result<(), JobError> {
        if self.look() || self.shared.control().state != BlockJobState::Ready {
            return Err(JobError::NotReady);
        }
        let mut turn = self.chained.turn();
        let Turn { image, mirror, .. } = &mut *turn;
        let follower = &mut mirror.as_mut().ok_or(JobError::NotReady)?.follower;
        match follower {
            Follower::Layer(depth) => image.layer_mut(*depth).ok_or(JobError::NotReady)?.sync()?,
            Follower::Image(target) => target.sync()?,
        }
        match mirror.take().map(|mirror| mirror.follower) {
            Some(Follower::Layer(depth)) => drop(image.descend(depth)),
            Some(Follower::Image(target)) => *image = *target,
            None => return Err(JobError::NotReady),
        }
        drop(turn);
        // The base stays open for writing: it is the active image.
        self.before.clear();
        let mut control = self.shared.control();
        (control.state, control.pivoted) = (BlockJobState::Completed, true);
        Ok(())
    }

    /// Gives it up; the disk stays as it is.
    pub fn cancel(&mut self) {
        {
            let mut control = self.shared.control();
            control.cancelled = true;
            self.shared.changed.notify_all();
        }
        self.join();
        let whole = self.is_copy && self.sync_copy();
        let mut control = self.shared.control();
        match control.state {
            BlockJobState::Ready if whole => control.state = BlockJobState::Completed,
            BlockJobState::Running | BlockJobState::Ready => control.state = BlockJobState::Cancelled,
            BlockJobState::Completed | BlockJobState::Failed | BlockJobState::Cancelled => {}
        }
    }

    fn sync_copy(&self) -> bool {
        let mut turn = self.chained.turn();
        let Some(mirror) = turn.mirror.as_mut().filter(|mirror| mirror.failure().is_none()) else {
            return false;
        };
        match &mut mirror.follower {
            Follower::Image(target) => target.sync().is_ok(),
            Follower::Layer(_) => false,
        }
    }

    /// Closes what only the job needed, after it has ended. The device must be stopped.
    pub fn put_away(&mut self) -> Result<(), JobError> {
        self.join();
        let mut turn = self.chained.turn();
        turn.mirror = None;
        Ok(restore(&mut turn, &mut self.before)?)
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            let mut control = self.shared.control();
            control.state = BlockJobState::Failed;
            control.error = Some("its thread failed".to_owned());
        }
    }
}

impl Drop for BlockJob {
    fn drop(&mut self) {
        self.shared.control().cancelled = true;
        self.shared.changed.notify_all();
        self.join();
    }
}

/// Opens what the job writes, and lets writes of the guest go where it is to be.
fn prepare(
    turn: &mut Turn,
    task: Task,
    before: &mut Vec<ImageFile>,
    told: &Arc<dyn Fn() + Send + Sync>,
) -> Result<(Work, u64), JobError> {
    let layers = turn.image.layers();
    let size = turn.image.size();
    match task {
        Task::Pull { base, .. } if base.is_some_and(|base| base == 0 || base >= layers) => {
            Err(JobError::Depth(layers))
        }
        Task::Pull { base, reference } => Ok((Work::Pull { base, reference }, size)),
        Task::Commit { top, base, .. } if base <= top || base >= layers => Err(JobError::Depth(layers)),
        Task::Commit { top, base, reference, writable } => {
            for file in writable {
                before.push(turn.image.reopen(file, Access::Write)?);
            }
            let needed = turn.image.layer(top).map_or(0, Image::size);
            let lower = turn.image.layer_mut(base).ok_or(JobError::Depth(layers))?;
            if lower.size() < needed {
                lower.resize(needed, ResizeOptions::default())?;
            }
            if top == 0 {
                turn.mirror = Some(Mirror::new(Follower::Layer(base), Arc::clone(told)));
            }
            let total = turn.image.commit_end(top, base);
            Ok((Work::Commit { top, base, reference }, total))
        }
        Task::Copy { target, .. } if target.size() < size => {
            Err(JobError::Small { target: target.size(), disk: size })
        }
        Task::Copy { target, shallow, blank } => {
            turn.mirror = Some(Mirror::new(Follower::Image(target), Arc::clone(told)));
            Ok((Work::Copy { shallow, blank }, size))
        }
    }
}

/// Opens images as they were open before; what is not in the chain any more is closed.
fn restore(turn: &mut Turn, before: &mut Vec<ImageFile>) -> Result<(), ImageError> {
    turn.mirror = None;
    before.drain(..).try_for_each(|file| turn.image.reopen(file, Access::Read).map(drop))
}

/// Why a thread stops.
enum Stop {
    Cancelled,
    Failed(ImageError),
}

impl From<ImageError> for Stop {
    fn from(error: ImageError) -> Self {
        Self::Failed(error)
    }
}

impl Shared {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, chained: &Chained, work: &Work) {
        let ended = self.move_all(chained, work).and_then(|()| Ok(work.end(&mut chained.turn_for_job())?));
        let mut control = self.control();
        match ended {
            Ok(state) => control.state = state,
            Err(Stop::Cancelled) => control.state = BlockJobState::Cancelled,
            Err(Stop::Failed(error)) => {
                (control.state, control.error) = (BlockJobState::Failed, Some(whole(&error)));
            }
        }
        drop(control);
        (self.told)();
    }

    fn move_all(&self, chained: &Chained, work: &Work) -> Result<(), Stop> {
        let mut at = 0;
        while at < self.total {
            self.pace()?;
            let Step { next, moved } = work.step(&mut chained.turn_for_job(), at)?;
            at = next.min(self.total);
            self.done.store(at, Ordering::Relaxed);
            self.control().moved += moved;
        }
        Ok(())
    }

    /// Waits until more may be moved.
    fn pace(&self) -> Result<(), Stop> {
        let mut control = self.control();
        loop {
            if control.cancelled {
                return Err(Stop::Cancelled);
            }
            if control.bandwidth == 0 {
                return Ok(());
            }
            let due = Duration::from_secs_f64(control.moved as f64 / control.bandwidth as f64);
            let wait = due.saturating_sub(control.since.elapsed());
            if wait.is_zero() {
                return Ok(());
            }
            let waited = self.changed.wait_timeout(control, wait);
            (control, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Work {
    fn step(&self, turn: &mut Turn, at: u64) -> Result<Step, ImageError> {
        let Turn { image, mirror, .. } = turn;
        let step = match (self, mirror.as_mut().map(|mirror| &mut mirror.follower)) {
            (Self::Pull { base, .. }, _) => image.pull_step(at, *base),
            (Self::Commit { top, base, .. }, _) => image.commit_step(at, *top, *base),
            (Self::Copy { shallow, blank }, Some(Follower::Image(to))) => {
                image.copy_step(at, to, *shallow, *blank)
            }
            (Self::Copy { .. }, _) => Err(ImageError::Refused {
                image: image.name().to_owned(),
                doing: "copied",
                reason: "there is nothing to copy it into".to_owned(),
            }),
        }?;
        match mirror {
            Some(mirror) => mirror.reached(step.next).map(|()| step),
            None => Ok(step),
        }
    }

    /// All is moved: makes it last, and counts from now on where it can.
    fn end(&self, turn: &mut Turn) -> Result<BlockJobState, ImageError> {
        let Turn { image, mirror, .. } = turn;
        if let Some(mirror) = mirror {
            mirror.reached(u64::MAX)?;
            match &mut mirror.follower {
                Follower::Image(target) => target.sync()?,
                Follower::Layer(depth) => image.layer_mut(*depth).map_or(Ok(()), Image::sync)?,
            }
            return Ok(BlockJobState::Ready);
        }
        match self {
            Self::Pull { base, reference } => drop(image.bypass(0, *base, reference.clone())?),
            Self::Commit { top, base, reference } => {
                image.layer_mut(*base).map_or(Ok(()), Image::sync)?;
                drop(image.bypass(*top - 1, Some(*base), reference.clone())?);
            }
            Self::Copy { .. } => {}
        }
        Ok(BlockJobState::Completed)
    }
}
