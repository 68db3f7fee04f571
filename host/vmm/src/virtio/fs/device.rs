//! The device as transport and machine see it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use virtio_bindings::virtio_ids::VIRTIO_ID_FS;
use virtio_queue::Queue;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::backend::{Backend, FsError};
use super::control::{FsControl, Told};
use super::queue::FsHandler;
use crate::config::FilesystemConfig;
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice, read_bytes};
use crate::virtio::queue::DeviceQueue;
use crate::virtio::worker::Worker;

/// One for requests that others must not wait for, and one for all others.
const QUEUES: usize = 2;
const REQUEST_QUEUES: u32 = 1;
const TAG: usize = FilesystemConfig::MAX_TAG;

/// What a shared directory is to the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What the guest mounts it by.
    pub tag: String,
    /// Most descriptors of each queue.
    pub queue_size: u16,
}

/// A directory of the host.
pub struct Filesystem {
    config: [u8; TAG + 4],
    queue_size: u16,
    backend: Backend,
    control: Arc<FsControl>,
    /// The device's thread, and what says that the queues stand still.
    running: Option<(Worker<FsHandler>, Receiver<()>)>,
}

impl Filesystem {
    /// One that is served at the other end of `socket`. `told` is called when [`FsControl::take_loss`] has something to say.
    pub fn new(options: &Options, socket: OwnedFd, told: Told) -> Result<Self, FsError> {
        let mut config = [0; TAG + 4];
        let tag = options.tag.as_bytes();
        config[..tag.len().min(TAG)].copy_from_slice(&tag[..tag.len().min(TAG)]);
        config[TAG..].copy_from_slice(&REQUEST_QUEUES.to_le_bytes());
        let backend = Backend::greet(socket, QUEUES as u64)?;
        let control = Arc::new(FsControl::new(told));
        Ok(Self { config, queue_size: options.queue_size, backend, control, running: None })
    }

    /// The control plane's handle, shared with the running device.
    pub fn control(&self) -> Arc<FsControl> {
        Arc::clone(&self.control)
    }
}

impl VirtioDevice for Filesystem {
    fn id(&self) -> u16 {
        VIRTIO_ID_FS as u16
    }

    fn pci_class(&self) -> u32 {
        0x01_8000
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![self.queue_size; QUEUES]
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        read_bytes(&self.config, offset, data);
    }

    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    fn activate(&mut self, activation: Activation) -> io::Result<()> {
        if self.control.is_lost() {
            return Err(io::Error::other("who serves the directory has gone"));
        }
        let Activation { features, memory, queues, interrupt } = activation;
        let queues: Vec<DeviceQueue> = queues.into_iter().flatten().collect();
        let calls = queues.iter().map(|_| EventFd::new(EFD_NONBLOCK)).collect::<io::Result<_>>()?;
        let begin = EventFd::new(EFD_NONBLOCK)?;
        begin.write(1)?;
        let (still, stands) = sync_channel(1);
        let handler = FsHandler {
            backend: self.backend.try_clone()?,
            control: Arc::clone(&self.control),
            features,
            memory,
            interrupt: Arc::clone(&interrupt),
            queues,
            calls,
            begin,
            begun: false,
            still,
        };
        let (worker, started) = Worker::start("virtio-fs", handler, interrupt);
        self.control.set_thread(worker.caller());
        self.running = Some((worker, stands));
        started
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        let Some((worker, stands)) = self.running.take() else { return Vec::new() };
        self.control.tell_to_stop();
        if let Some(left) = self.control.time_left()
            && stands.recv_timeout(left) == Err(RecvTimeoutError::Timeout)
        {
            // It keeps the thread waiting, and with it whoever stops the device.
            self.backend.cut();
        }
        let handler = worker.stop();
        self.control.set_thread(None);
        let queues = handler.map(|handler| handler.queues).unwrap_or_default();
        queues.into_iter().map(DeviceQueue::into_queue).collect()
    }

    fn state(&self) -> OwnState {
        OwnState::Nothing {}
    }

    /// Which files the guest had open is not known here.
    fn restore(&mut self, _state: &OwnState) -> Result<(), OwnStateError> {
        Err(OwnStateError::Range("a shared directory, whose files are open elsewhere"))
    }

    fn reset(&mut self) {}
}
