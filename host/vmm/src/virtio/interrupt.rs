//! How a device reaches its driver: queue and configuration interrupts, the ISR register, NEEDS_RESET.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::pci::msix::Msix;

/// A queue or event without a vector.
pub const NO_VECTOR: u16 = 0xffff;
const ISR_QUEUE: u8 = 1;
const ISR_CONFIG: u8 = 2;

/// Lets the control plane tell the driver of a changed configuration while the device runs.
#[derive(Default)]
pub(super) struct ConfigNotifier(Mutex<Option<Arc<Interrupt>>>);

impl ConfigNotifier {
    /// The device was started (Some) or stopped (None).
    pub(super) fn connect(&self, interrupt: Option<Arc<Interrupt>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = interrupt;
    }

    /// Tells the driver, or says that the device is stopped. A driver that is not there reads the configuration when it starts.
    pub(super) fn config_changed(&self) -> bool {
        let interrupt = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        interrupt.as_ref().inspect(|interrupt| interrupt.config_changed()).is_some()
    }
}

/// Shared by the transport and the device's thread.
pub struct Interrupt {
    msix: Arc<Msix>,
    config_vector: AtomicU16,
    queue_vectors: Vec<AtomicU16>,
    isr: AtomicU8,
    generation: AtomicU8,
    needs_reset: AtomicBool,
}

impl Interrupt {
    /// For a device with `queues` queues; no vector is assigned yet.
    pub fn new(msix: Arc<Msix>, queues: usize) -> Self {
        Self {
            msix,
            config_vector: AtomicU16::new(NO_VECTOR),
            queue_vectors: (0..queues).map(|_| AtomicU16::new(NO_VECTOR)).collect(),
            isr: AtomicU8::new(0),
            generation: AtomicU8::new(0),
            needs_reset: AtomicBool::new(false),
        }
    }

    /// A queue has used buffers the driver wants to know of.
    pub fn queue_used(&self, queue: u16) {
        self.isr.fetch_or(ISR_QUEUE, Ordering::SeqCst);
        self.raise(self.queue_vector(queue));
    }

    /// Makes the driver look at a queue and at the configuration again, whether there is something new or not: an interrupt may
    /// have been on its way when the machine was saved.
    pub(super) fn rouse(&self, queues: impl Iterator<Item = u16>) {
        queues.for_each(|queue| self.raise(self.queue_vector(queue)));
        self.config_changed();
    }

    /// The device's configuration space changed.
    pub fn config_changed(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.isr.fetch_or(ISR_CONFIG, Ordering::SeqCst);
        self.raise(self.config_vector());
    }

    /// The driver broke the rules; the device stands still until it is reset.
    pub fn set_needs_reset(&self) {
        self.needs_reset.store(true, Ordering::SeqCst);
        self.config_changed();
    }

    /// Whether the device waits for a reset.
    pub fn needs_reset(&self) -> bool {
        self.needs_reset.load(Ordering::SeqCst)
    }

    /// Number that changes with the configuration space.
    pub fn generation(&self) -> u8 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The ISR register; reading clears it.
    pub(super) fn take_isr(&self) -> u8 {
        self.isr.swap(0, Ordering::SeqCst)
    }

    pub(super) fn config_vector(&self) -> u16 {
        self.config_vector.load(Ordering::SeqCst)
    }

    /// Assigns the vector of configuration changes. A vector that does not exist becomes [`NO_VECTOR`].
    pub(super) fn set_config_vector(&self, vector: u16) {
        self.config_vector.store(self.existing(vector), Ordering::SeqCst);
    }

    pub(super) fn queue_vector(&self, queue: u16) -> u16 {
        self.queue_vectors.get(usize::from(queue)).map_or(NO_VECTOR, |vector| vector.load(Ordering::SeqCst))
    }

    /// Assigns the vector of a queue. A vector that does not exist becomes [`NO_VECTOR`].
    pub(super) fn set_queue_vector(&self, queue: u16, vector: u16) {
        if let Some(target) = self.queue_vectors.get(usize::from(queue)) {
            target.store(self.existing(vector), Ordering::SeqCst);
        }
    }

    /// Back to the state after power-on. The device's thread has ended.
    pub(super) fn reset(&self) {
        self.config_vector.store(NO_VECTOR, Ordering::SeqCst);
        self.queue_vectors.iter().for_each(|vector| vector.store(NO_VECTOR, Ordering::SeqCst));
        self.isr.store(0, Ordering::SeqCst);
        self.needs_reset.store(false, Ordering::SeqCst);
    }

    /// Sets what a saved transport says about it.
    pub(super) fn restore(&self, isr: u8, generation: u8, needs_reset: bool) {
        self.isr.store(isr, Ordering::SeqCst);
        self.generation.store(generation, Ordering::SeqCst);
        self.needs_reset.store(needs_reset, Ordering::SeqCst);
    }

    /// The ISR register without clearing it, to be saved.
    pub(super) fn isr(&self) -> u8 {
        self.isr.load(Ordering::SeqCst)
    }

    fn existing(&self, vector: u16) -> u16 {
        if usize::from(vector) < self.msix.len() { vector } else { NO_VECTOR }
    }

    fn raise(&self, vector: u16) {
        if vector != NO_VECTOR {
            self.msix.raise(vector);
        }
    }
}
