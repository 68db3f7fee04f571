//! The balloon as transport and machine see it.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use virtio_bindings::virtio_ids::VIRTIO_ID_BALLOON;
use virtio_queue::Queue;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use vmm_sys_util::timerfd::TimerFd;

use super::queue::BalloonHandler;
use super::reclaim::PAGE;
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice, read_bytes};
use crate::virtio::interrupt::ConfigNotifier;
use crate::virtio::queue::DeviceQueue;
use crate::virtio::worker::Worker;

const F_STATS_VQ: u32 = 1;
const F_DEFLATE_ON_OOM: u32 = 2;
const F_REPORTING: u32 = 5;

const QUEUE_SIZE: u16 = 128;
/// Inflate, deflate, statistics, reporting; drivers number only those whose features they took.
const QUEUES: usize = 4;

/// Offset of the actual size in struct virtio_balloon_config; the wanted size is at 0.
const ACTUAL: u64 = 4;

/// Called with the bytes the guest keeps when they change.
pub type OnChange = Box<dyn Fn(u64) + Send + Sync>;

/// What device, thread and control plane share.
pub(super) struct Shared {
    memory_bytes: u64,
    /// Pages the guest shall give away.
    wanted: AtomicU32,
    /// Pages the guest gave away.
    actual: AtomicU32,
    statistics: Mutex<Vec<(u16, u64)>>,
    notifier: ConfigNotifier,
    refresh: EventFd,
    /// Seconds after which the guest is asked by itself, 0 for never.
    period: AtomicU32,
    on_change: OnChange,
}

impl Shared {
    pub(super) fn set_statistics(&self, statistics: Vec<(u16, u64)>) {
        *self.statistics.lock().unwrap_or_else(PoisonError::into_inner) = statistics;
    }

    pub(super) fn period(&self) -> u32 {
        self.period.load(Ordering::SeqCst)
    }

    fn kept(&self, given: u32) -> u64 {
        self.memory_bytes.saturating_sub(u64::from(given) * PAGE)
    }
}

/// What the control plane does with a balloon.
#[derive(Clone)]
pub struct BalloonControl(Arc<Shared>);

impl BalloonControl {
    /// Asks the guest to keep `bytes` of its memory. More than it has means all of it; less takes as long as the guest
    /// takes, and a guest without driver never does.
    pub fn set_target(&self, bytes: u64) {
        let pages = self.0.memory_bytes.saturating_sub(bytes) / PAGE;
        self.0.wanted.store(u32::try_from(pages).unwrap_or(u32::MAX), Ordering::SeqCst);
        self.0.notifier.config_changed();
    }

    /// Asks the guest for statistics every so many seconds; 0 for only when somebody wants them.
    pub fn set_period(&self, seconds: u32) {
        self.0.period.store(seconds, Ordering::SeqCst);
        // The thread looks at the period each time it is woken.
        let _ = self.0.refresh.write(1);
    }

    /// Bytes the guest shall keep.
    pub fn target(&self) -> u64 {
        self.0.kept(self.0.wanted.load(Ordering::SeqCst))
    }

    /// Bytes the guest keeps, as it says.
    pub fn actual(&self) -> u64 {
        self.0.kept(self.0.actual.load(Ordering::SeqCst))
    }

    /// What the guest said last about its memory, tag (virtio 1.2, 5.5.6.3) to value. It is asked again each time, so
    /// the next call sees the answer.
    pub fn statistics(&self) -> Vec<(u16, u64)> {
        // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
        let _ = self.0.refresh.write(1);
        self.0.statistics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A memory balloon.
pub struct Balloon {
    shared: Arc<Shared>,
    /// Its own features.
    features: u64,
    worker: Option<Worker<BalloonHandler>>,
}

impl Balloon {
    /// A balloon for a guest with `memory_bytes`, which shall keep `target` bytes. `stats` asks it for statistics.
    pub fn new(memory_bytes: u64, target: u64, stats: bool, on_change: OnChange) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            memory_bytes,
            wanted: AtomicU32::new(0),
            actual: AtomicU32::new(0),
            statistics: Mutex::default(),
            notifier: ConfigNotifier::default(),
            refresh: EventFd::new(EFD_NONBLOCK)?,
            period: AtomicU32::new(0),
            on_change,
        });
        BalloonControl(Arc::clone(&shared)).set_target(target);
        let stats = if stats { 1 << F_STATS_VQ } else { 0 };
        Ok(Self { shared, features: stats | 1 << F_DEFLATE_ON_OOM | 1 << F_REPORTING, worker: None })
    }

    /// Whether the guest may take memory back when it has none left, and tells of memory that is free. It does both by default.
    pub fn offering(mut self, deflate_on_oom: bool, reporting: bool) -> Self {
        for (offered, feature) in [(deflate_on_oom, F_DEFLATE_ON_OOM), (reporting, F_REPORTING)] {
            if !offered {
                self.features &= !(1 << feature);
            }
        }
        self
    }

    /// The control plane's handle, shared with the running device.
    pub fn control(&self) -> BalloonControl {
        BalloonControl(Arc::clone(&self.shared))
    }
}

impl VirtioDevice for Balloon {
    fn id(&self) -> u16 {
        VIRTIO_ID_BALLOON as u16
    }

    fn pci_class(&self) -> u32 {
        0xff_0000
    }

    fn features(&self) -> u64 {
        self.features
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; QUEUES]
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        let (wanted, actual) = (&self.shared.wanted, &self.shared.actual);
        let words =
            [wanted.load(Ordering::SeqCst).to_le_bytes(), actual.load(Ordering::SeqCst).to_le_bytes()];
        read_bytes(words.as_flattened(), offset, data);
    }

    fn write_config(&mut self, offset: u64, data: &[u8]) {
        if offset == ACTUAL
            && let Ok(bytes) = data.try_into()
        {
            let given = u32::from_le_bytes(bytes);
            if self.shared.actual.swap(given, Ordering::SeqCst) != given {
                (self.shared.on_change)(self.shared.kept(given));
            }
        }
    }

    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        let mut numbers = 2..;
        let mut optional = |feature: u32, activation: &mut Activation| {
            let number = activation.has(feature).then(|| numbers.next()).flatten()?;
            activation.take_queue(number)
        };
        let handler = BalloonHandler {
            inflate: activation.take_queue(0),
            deflate: activation.take_queue(1),
            stats: optional(F_STATS_VQ, &mut activation),
            reporting: optional(F_REPORTING, &mut activation),
            memory: activation.memory,
            shared: Arc::clone(&self.shared),
            refresh: self.shared.refresh.try_clone()?,
            timer: TimerFd::new()?,
            held: None,
        };
        let (worker, started) = Worker::start("virtio-balloon", handler, Arc::clone(&activation.interrupt));
        self.worker = Some(worker);
        started?;
        self.shared.notifier.connect(Some(activation.interrupt));
        Ok(())
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        self.shared.notifier.connect(None);
        let Some(handler) = self.worker.take().and_then(Worker::stop) else { return Vec::new() };
        let queues = [handler.inflate, handler.deflate, handler.stats, handler.reporting];
        queues.into_iter().flatten().map(DeviceQueue::into_queue).collect()
    }

    fn state(&self) -> OwnState {
        let load = |pages: &AtomicU32| pages.load(Ordering::SeqCst);
        OwnState::Balloon { wanted: load(&self.shared.wanted), actual: load(&self.shared.actual) }
    }

    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        let OwnState::Balloon { wanted, actual } = *state else { return Err(OwnStateError::Kind) };
        if u64::from(wanted) > self.shared.memory_bytes / PAGE {
            return Err(OwnStateError::Range("a balloon that is larger than the guest"));
        }
        self.shared.wanted.store(wanted, Ordering::SeqCst);
        self.shared.actual.store(actual, Ordering::SeqCst);
        (self.shared.on_change)(self.shared.kept(actual));
        Ok(())
    }

    /// A driver that starts again has all its memory.
    fn reset(&mut self) {
        self.write_config(ACTUAL, &[0; 4]);
        self.shared.set_statistics(Vec::new());
    }
}
