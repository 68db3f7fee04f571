//! The block device as transport and machine see it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reeve_image::Format;
use time::OffsetDateTime;
use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_GEOMETRY, VIRTIO_BLK_F_RO,
    VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_WRITE_ZEROES,
};
use virtio_bindings::virtio_ids::VIRTIO_ID_BLOCK;
use virtio_queue::Queue;

use super::disk::{Disk, SECTOR};
use super::disk_error::{DiskError, ResizeError};
use super::engine::Engine;
use super::job::{BlockJob, JobError, Task};
use super::metrics::BlockMetrics;
use super::queue::BlockHandler;
use super::request::{MAX_RANGE_SECTORS, MAX_RANGES, Request};
use super::throttle::Limiter;
use super::trouble::Trouble;
use super::waiting::Waiting;
use crate::config::{CacheMode, DiskLimits, IoEngine};
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice, read_bytes};
use crate::virtio::interrupt::ConfigNotifier;
use crate::virtio::worker::{Worker, WorkerThread};

const QUEUE_SIZE: u16 = 256;
/// Buffers of one request: a ring without header and status.
const MAX_SEGMENTS: u32 = QUEUE_SIZE as u32 - 2;

/// Offsets in struct virtio_blk_config.
const CAPACITY: usize = 0;
const CAPACITY_END: usize = 8;
const SEG_MAX: usize = 12;
const CYLINDERS: usize = 16;
const HEADS: usize = 18;
const SECTORS: usize = 19;
const BLK_SIZE: usize = 20;
const PHYSICAL_BLOCK_EXP: usize = 24;
const NUM_QUEUES: usize = 34;
const MAX_DISCARD_SECTORS: usize = 36;
const MAX_DISCARD_SEG: usize = 40;
const DISCARD_ALIGNMENT: usize = 44;
const MAX_WRITE_ZEROES_SECTORS: usize = 48;
const MAX_WRITE_ZEROES_SEG: usize = 52;
const WRITE_ZEROES_MAY_UNMAP: usize = 56;
const CONFIG_SIZE: usize = 60;

/// What the control plane does with a running disk.
pub struct BlockControl {
    /// Changes only while the device is stopped.
    disk: Mutex<Arc<Disk>>,
    limiter: Arc<Limiter>,
    notifier: ConfigNotifier,
    /// The driver is to be told of a change when the device goes on.
    changed: AtomicBool,
    trouble: Arc<Trouble>,
}

impl BlockControl {
    /// Gives the disk another capacity and tells the driver, as [`Disk::resize`] does.
    pub fn resize(&self, bytes: u64, shrink: bool) -> Result<(), ResizeError> {
        self.disk().resize(bytes, shrink)?;
        if !self.notifier.config_changed() {
            self.changed.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// The disk it has now.
    pub fn disk(&self) -> Arc<Disk> {
        Arc::clone(&self.disk.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes all of the disk last a crash of the host. The device must be stopped.
    pub fn settle(&self) -> Result<(), DiskError> {
        self.disk().settle()
    }

    /// Whether `new` can take the place of the disk, which has settled. The device must be stopped.
    pub fn check_successor(&self, new: &Disk) -> Result<(), DiskError> {
        self.disk().check_successor(new)
    }

    /// Whether it is a drive that can have another medium.
    pub fn check_drive(&self) -> Result<(), DiskError> {
        self.disk().check_drive()
    }

    /// Puts `new` in the place of the disk. The device must be stopped; when it goes on the driver is told of another capacity, and of
    /// another medium whatever its capacity.
    pub fn replace(&self, new: Disk) {
        let is_other = new.options().removable || new.capacity() != self.disk().capacity();
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        self.changed.fetch_or(is_other, Ordering::AcqRel);
    }

    /// Who is told when the disk comes to stand on an error.
    pub fn watch(&self, told: Arc<dyn Fn() + Send + Sync>) {
        self.trouble.watch(told);
    }

    /// The error that the disk stands on.
    pub fn error(&self) -> Option<String> {
        self.trouble.error()
    }

    /// Makes the requests once more that failed before the machine stood still.
    pub fn go_on(&self) {
        self.trouble.go_on();
    }

    /// Begins a job on the images of the disk. The device must be stopped.
    pub fn begin_job(
        &self,
        alias: &str,
        task: Task,
        bandwidth: u64,
        told: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<BlockJob, JobError> {
        let (disk, chained) = self.disk().for_job(alias)?;
        self.replace(disk);
        let begun = BlockJob::start(chained, task, bandwidth, told);
        if begun.is_err() {
            self.end_job()?;
        }
        begun
    }

    /// Puts the disk where the job has left it. The device must be stopped.
    pub fn end_job(&self) -> Result<(), JobError> {
        let disk = self.disk().after_job()?;
        self.replace(disk);
        Ok(())
    }

    /// The files of the disk with their formats, from the one that is written down.
    pub fn files(&self) -> Result<Vec<(OwnedFd, Format)>, DiskError> {
        self.disk().files()
    }

    /// Makes a snapshot within the image of the disk.
    pub fn snapshot(&self, name: &str, taken: OffsetDateTime) -> Result<(), DiskError> {
        self.disk().snapshot(name, taken)
    }

    /// Deletes the snapshot of a name and time within the image of the disk, if it has one.
    pub fn drop_snapshot(&self, name: &str, taken: OffsetDateTime) -> Result<(), DiskError> {
        self.disk().drop_snapshot(name, taken)
    }

    /// Gives the disk other limits; they hold at once.
    pub fn limit(&self, limits: &DiskLimits) {
        self.limiter.set(limits);
    }
}

/// A disk.
pub struct Block {
    control: Arc<BlockControl>,
    metrics: Arc<BlockMetrics>,
    config: [u8; CONFIG_SIZE],
    engine: Option<Engine>,
    worker: Option<Worker<BlockHandler>>,
    /// The thread that it shares with others.
    shared: Option<Arc<WorkerThread>>,
    /// Requests of a disk that stands on an error, while it has no thread.
    held: VecDeque<Request>,
}

impl Block {
    /// A block device for `disk`. io_uring is set up here, before the process locks itself in.
    pub fn new(disk: Disk, limits: &DiskLimits) -> io::Result<Self> {
        let config = config(&disk);
        let engine = Some(engine(&disk));
        let limiter = Arc::new(Limiter::new(limits)?);
        let disk = Mutex::new(Arc::new(disk));
        let trouble = Arc::new(Trouble::new()?);
        let notifier = ConfigNotifier::default();
        let control = BlockControl { disk, limiter, notifier, changed: AtomicBool::new(false), trouble };
        Ok(Self {
            control: Arc::new(control),
            metrics: Arc::default(),
            config,
            engine,
            worker: None,
            shared: None,
            held: VecDeque::new(),
        })
    }

    /// The same, served by a thread that others may be on.
    pub fn served_by(self, shared: Option<Arc<WorkerThread>>) -> Self {
        Self { shared, ..self }
    }

    /// The same, without io_uring.
    #[cfg(test)]
    pub(super) fn without_ring(disk: Disk) -> io::Result<Self> {
        Ok(Self { engine: Some(Engine::Blocking), ..Self::new(disk, &DiskLimits::default())? })
    }

    /// The control plane's handle, shared with the running device.
    pub fn control(&self) -> Arc<BlockControl> {
        Arc::clone(&self.control)
    }

    /// The counters, shared with the running device.
    pub fn metrics(&self) -> Arc<BlockMetrics> {
        Arc::clone(&self.metrics)
    }
}

fn engine(disk: &Disk) -> Engine {
    match disk.options().io {
        IoEngine::Ring => Engine::new(QUEUE_SIZE),
        IoEngine::Thread => Engine::Blocking,
    }
}

fn config(disk: &Disk) -> [u8; CONFIG_SIZE] {
    let mut config = [0; CONFIG_SIZE];
    let mut put = |at: usize, bytes: &[u8]| config[at..at + bytes.len()].copy_from_slice(bytes);
    put(SEG_MAX, &MAX_SEGMENTS.to_le_bytes());
    let shape = disk.options().shape;
    let logical = shape.logical.unwrap_or(disk.block_size() as u32);
    put(BLK_SIZE, &logical.to_le_bytes());
    // Both are powers of two.
    let physical = shape.physical.unwrap_or(logical).max(logical);
    put(PHYSICAL_BLOCK_EXP, &[(physical / logical).trailing_zeros() as u8]);
    if let Some(geometry) = shape.geometry {
        put(CYLINDERS, &geometry.cylinders.to_le_bytes());
        put(HEADS, &[geometry.heads]);
        put(SECTORS, &[geometry.sectors]);
    }
    put(NUM_QUEUES, &1u16.to_le_bytes());
    put(MAX_DISCARD_SECTORS, &MAX_RANGE_SECTORS.to_le_bytes());
    put(MAX_DISCARD_SEG, &MAX_RANGES.to_le_bytes());
    let discard = shape.discard.unwrap_or(logical).max(disk.block_size() as u32);
    put(DISCARD_ALIGNMENT, &(discard / SECTOR as u32).to_le_bytes());
    put(MAX_WRITE_ZEROES_SECTORS, &MAX_RANGE_SECTORS.to_le_bytes());
    put(MAX_WRITE_ZEROES_SEG, &MAX_RANGES.to_le_bytes());
    put(WRITE_ZEROES_MAY_UNMAP, &[u8::from(disk.options().discard)]);
    config
}

impl VirtioDevice for Block {
    fn id(&self) -> u16 {
        VIRTIO_ID_BLOCK as u16
    }

    fn pci_class(&self) -> u32 {
        0x01_8000
    }

    /// FLUSH is offered when writes may be cached; without it a driver takes every write as done for good.
    fn features(&self) -> u64 {
        let disk = self.control.disk();
        let options = disk.options();
        let mut features = 1 << VIRTIO_BLK_F_SEG_MAX | 1 << VIRTIO_BLK_F_BLK_SIZE;
        if options.shape.physical.is_some() {
            features |= 1 << VIRTIO_BLK_F_TOPOLOGY;
        }
        if options.shape.geometry.is_some() {
            features |= 1 << VIRTIO_BLK_F_GEOMETRY;
        }
        if options.readonly {
            return features | 1 << VIRTIO_BLK_F_RO;
        }
        features |= 1 << VIRTIO_BLK_F_WRITE_ZEROES;
        if !matches!(options.cache, CacheMode::Writethrough | CacheMode::Directsync) {
            features |= 1 << VIRTIO_BLK_F_FLUSH;
        }
        if options.discard {
            features |= 1 << VIRTIO_BLK_F_DISCARD;
        }
        features
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE]
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        let mut config = self.config;
        let sectors = self.control.disk().capacity() / SECTOR;
        config[CAPACITY..CAPACITY_END].copy_from_slice(&sectors.to_le_bytes());
        read_bytes(&config, offset, data);
    }

    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        let Some(queue) = activation.take_queue(0) else { return Ok(()) };
        let engine = self.engine.take().unwrap_or_else(|| engine(&self.control.disk()));
        let (disk, metrics) = (self.control.disk(), Arc::clone(&self.metrics));
        let waiting = Waiting::new(Arc::clone(&self.control.limiter))?;
        let trouble = Arc::clone(&self.control.trouble);
        let mut handler =
            BlockHandler::new(queue, engine, disk, activation.memory, metrics, waiting, trouble);
        handler.held = std::mem::take(&mut self.held);
        let interrupt = Arc::clone(&activation.interrupt);
        let (worker, started) = match &self.shared {
            Some(shared) => Worker::start_on(Arc::clone(shared), handler, interrupt),
            None => Worker::start("virtio-blk", handler, interrupt),
        };
        self.worker = Some(worker);
        started?;
        self.control.notifier.connect(Some(activation.interrupt));
        if self.control.changed.swap(false, Ordering::AcqRel) {
            self.control.notifier.config_changed();
        }
        Ok(())
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        self.control.notifier.connect(None);
        let Some(handler) = self.worker.take().and_then(Worker::stop) else { return Vec::new() };
        self.engine = Some(handler.engine);
        self.held = handler.held;
        vec![handler.queue.into_queue()]
    }

    fn state(&self) -> OwnState {
        OwnState::Block { capacity: self.control.disk().capacity() }
    }

    /// A disk that grew meanwhile is as one that grew while the guest ran, and another medium as one that was changed then: the driver is
    /// told.
    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        let disk = self.control.disk();
        let now = disk.capacity();
        match *state {
            OwnState::Block { capacity: then } if then > now && !disk.options().removable => {
                Err(OwnStateError::Smaller { now, then })
            }
            OwnState::Block { .. } => Ok(()),
            _ => Err(OwnStateError::Kind),
        }
    }

    fn reset(&mut self) {
        self.held.clear();
        self.control.changed.store(false, Ordering::Release);
        self.control.trouble.forget();
    }
}
