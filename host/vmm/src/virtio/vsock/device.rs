//! The socket device as transport and machine see it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use virtio_bindings::virtio_ids::VIRTIO_ID_VSOCK;
use virtio_queue::Queue;
use vmm_sys_util::timerfd::TimerFd;

use super::control::{Told, VsockControl};
use super::queue::VsockHandler;
use super::table::Table;
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice, read_bytes};
use crate::virtio::queue::DeviceQueue;
use crate::virtio::worker::Worker;

const QUEUE_SIZE: u16 = 128;
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const EVENTS: usize = 2;

/// A socket device.
pub struct Vsock {
    guest: u64,
    /// None while the device's thread has it; the table too.
    listener: Option<OwnedFd>,
    table: Table,
    control: Arc<VsockControl>,
    was_reset: bool,
    worker: Option<Worker<VsockHandler>>,
}

impl Vsock {
    /// For the guest with this address. Programs of the host come to `listener`, a stream socket that listens; `told` is called when
    /// [`VsockControl::take_dials`] has something.
    pub fn new(guest: u64, listener: OwnedFd, told: Told) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&listener, true)?;
        if !rustix::net::sockopt::socket_acceptconn(&listener)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its socket does not listen"));
        }
        let control = Arc::new(VsockControl::new(told)?);
        let listener = Some(listener);
        Ok(Self { guest, listener, table: Table::new(), control, was_reset: false, worker: None })
    }

    /// The control plane's handle, shared with the running device.
    pub fn control(&self) -> Arc<VsockControl> {
        Arc::clone(&self.control)
    }
}

impl VirtioDevice for Vsock {
    fn id(&self) -> u16 {
        VIRTIO_ID_VSOCK as u16
    }

    fn pci_class(&self) -> u32 {
        0x02_8000
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; 3]
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        read_bytes(&self.guest.to_le_bytes(), offset, data);
    }

    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        let gone = || io::Error::other("the host's socket was lost with its thread");
        // Before anything is taken out of the device: it stays whole when this fails.
        let timer = TimerFd::new()?;
        let handler = VsockHandler {
            guest: self.guest,
            listener: self.listener.take().ok_or_else(gone)?,
            accepting: false,
            starved: false,
            ticks: false,
            timer,
            table: std::mem::replace(&mut self.table, Table::new()),
            control: Arc::clone(&self.control),
            receive: activation.take_queue(RECEIVE),
            transmit: activation.take_queue(TRANSMIT),
            events: activation.take_queue(EVENTS),
            memory: activation.memory,
            was_reset: self.was_reset,
            buffer: VsockHandler::buffer(),
        };
        let (worker, started) = Worker::start("virtio-vsock", handler, activation.interrupt);
        self.worker = Some(worker);
        started
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        let Some(handler) = self.worker.take().and_then(Worker::stop) else { return Vec::new() };
        (self.listener, self.table) = (Some(handler.listener), handler.table);
        self.was_reset = handler.was_reset;
        let queues = [handler.receive, handler.transmit, handler.events];
        queues.into_iter().flatten().map(DeviceQueue::into_queue).collect()
    }

    fn state(&self) -> OwnState {
        OwnState::Vsock {}
    }

    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        if !matches!(state, OwnState::Vsock {}) {
            return Err(OwnStateError::Kind);
        }
        self.was_reset = true;
        Ok(())
    }

    fn reset(&mut self) {
        self.table.clear(&self.control);
        // Who is at the other end of a connection that nobody waits for any more hears so now.
        drop(self.control.take_answers());
        self.was_reset = false;
    }
}
