//! The entropy device as transport and machine see it.

use std::fs::File;
use std::io;
use std::sync::Arc;

use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;
use virtio_queue::Queue;

use super::queue::{Limit, RngHandler};
use crate::config::RngRate;
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice};
use crate::virtio::worker::Worker;

const QUEUE_SIZE: u16 = 64;

/// A source of random bytes.
pub struct Rng {
    source: Arc<File>,
    rate: Option<RngRate>,
    worker: Option<Worker<RngHandler>>,
}

impl Rng {
    /// Random bytes from `source`, which gives some at once, as /dev/urandom does.
    pub fn new(source: File, rate: Option<RngRate>) -> Self {
        Self { source: Arc::new(source), rate, worker: None }
    }
}

impl VirtioDevice for Rng {
    fn id(&self) -> u16 {
        VIRTIO_ID_RNG as u16
    }

    fn pci_class(&self) -> u32 {
        0xff_0000
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE]
    }

    fn read_config(&self, _offset: u64, _data: &mut [u8]) {}

    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        let Some(queue) = activation.take_queue(0) else { return Ok(()) };
        let limit = self.rate.map(Limit::new).transpose()?;
        let handler =
            RngHandler { queue, source: Arc::clone(&self.source), memory: activation.memory, limit };
        let (worker, started) = Worker::start("virtio-rng", handler, activation.interrupt);
        self.worker = Some(worker);
        started
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        let handler = self.worker.take().and_then(Worker::stop);
        handler.map(|handler| handler.queue.into_queue()).into_iter().collect()
    }

    fn state(&self) -> OwnState {
        OwnState::Nothing {}
    }

    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        if matches!(state, OwnState::Nothing {}) { Ok(()) } else { Err(OwnStateError::Kind) }
    }

    fn reset(&mut self) {}
}
