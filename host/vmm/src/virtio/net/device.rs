//! The network device as transport and machine see it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_MAC, VIRTIO_NET_F_MTU,
    VIRTIO_NET_F_STATUS, VIRTIO_NET_S_LINK_UP,
};
use virtio_queue::Queue;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::announce::Announcement;
use super::backend::Backend;
use super::metrics::NetMetrics;
use super::queue::NetHandler;
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice, read_bytes};
use crate::virtio::interrupt::ConfigNotifier;
use crate::virtio::queue::DeviceQueue;
use crate::virtio::worker::Worker;

const QUEUE_SIZE: u16 = 256;
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

/// Offsets in struct virtio_net_config.
const STATUS: usize = 6;
const MAX_PAIRS: usize = 8;
const MTU: usize = 10;
const CONFIG_SIZE: usize = 12;

/// How an interface is presented.
#[derive(Debug, Clone, Copy)]
pub struct NetOptions {
    /// Address of the guest's interface.
    pub mac: [u8; 6],
    /// Largest packet.
    pub mtu: u16,
    /// Whether the guest sees a carrier at first.
    pub link_up: bool,
}

/// Whether the cable is in.
#[derive(Debug)]
pub(super) struct Link {
    up: AtomicBool,
    /// Whether it was pulled out since the device's thread last asked.
    pulled: AtomicBool,
    /// Wakes the device's thread when it changes.
    event: EventFd,
}

impl Link {
    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(super) fn went_down(&self) -> bool {
        self.pulled.swap(false, Ordering::Relaxed)
    }
}

/// What the control plane does with a running interface.
pub struct NetControl {
    link: Arc<Link>,
    notifier: ConfigNotifier,
}

impl NetControl {
    /// Plugs the cable in or out. Frames are dropped while it is out.
    pub fn set_link(&self, up: bool) {
        if self.link.up.swap(up, Ordering::Relaxed) != up {
            self.link.pulled.fetch_or(!up, Ordering::Relaxed);
            // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
            let _ = self.link.event.write(1);
            self.notifier.config_changed();
        }
    }

    /// Whether the cable is in.
    pub fn link_up(&self) -> bool {
        self.link.is_up()
    }
}

/// A network interface.
pub struct Net {
    /// None while the device's thread has it.
    backend: Option<Backend>,
    offloads: bool,
    options: NetOptions,
    control: Arc<NetControl>,
    metrics: Arc<NetMetrics>,
    /// The guest comes from elsewhere, and the networks of this host do not know it.
    is_new_here: bool,
    worker: Option<Worker<NetHandler>>,
}

impl Net {
    /// An interface on `backend`.
    pub fn new(backend: Backend, options: NetOptions) -> io::Result<Self> {
        let link = Link {
            up: AtomicBool::new(options.link_up),
            pulled: AtomicBool::new(false),
            event: EventFd::new(EFD_NONBLOCK)?,
        };
        let control = Arc::new(NetControl { link: Arc::new(link), notifier: ConfigNotifier::default() });
        let offloads = backend.offloads();
        let (backend, metrics) = (Some(backend), Arc::default());
        Ok(Self { backend, offloads, options, control, metrics, is_new_here: false, worker: None })
    }

    /// The control plane's handle, shared with the running device.
    pub fn control(&self) -> Arc<NetControl> {
        Arc::clone(&self.control)
    }

    /// The counters, shared with the running device.
    pub fn metrics(&self) -> Arc<NetMetrics> {
        Arc::clone(&self.metrics)
    }
}

impl VirtioDevice for Net {
    fn id(&self) -> u16 {
        VIRTIO_ID_NET as u16
    }

    fn pci_class(&self) -> u32 {
        0x02_0000
    }

    /// The guest may leave checksums and segmentation to a host that can do them; what the host sends is whole and checked.
    fn features(&self) -> u64 {
        let features = 1 << VIRTIO_NET_F_MAC | 1 << VIRTIO_NET_F_MTU | 1 << VIRTIO_NET_F_STATUS;
        if !self.offloads {
            return features;
        }
        features | 1 << VIRTIO_NET_F_CSUM | 1 << VIRTIO_NET_F_HOST_TSO4 | 1 << VIRTIO_NET_F_HOST_TSO6
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; 2]
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        let mut config = [0; CONFIG_SIZE];
        config[..STATUS].copy_from_slice(&self.options.mac);
        let status = if self.control.link_up() { VIRTIO_NET_S_LINK_UP as u16 } else { 0 };
        config[STATUS..MAX_PAIRS].copy_from_slice(&status.to_le_bytes());
        config[MAX_PAIRS..MTU].copy_from_slice(&1u16.to_le_bytes());
        config[MTU..].copy_from_slice(&self.options.mtu.to_le_bytes());
        read_bytes(&config, offset, data);
    }

    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        let link_event = self.control.link.event.try_clone()?;
        let gone = || io::Error::other("the host's side of the interface was lost with its thread");
        let is_new = std::mem::take(&mut self.is_new_here);
        let announced = is_new.then(|| Announcement::new(self.options.mac)).transpose()?;
        let handler = NetHandler {
            backend: self.backend.take().ok_or_else(gone)?,
            receive: activation.take_queue(RECEIVE),
            transmit: activation.take_queue(TRANSMIT),
            memory: activation.memory,
            link: Arc::clone(&self.control.link),
            link_event,
            metrics: Arc::clone(&self.metrics),
            frame: NetHandler::frame(),
            watching: false,
            announced,
        };
        self.worker = Some(Worker::start("virtio-net", handler, Arc::clone(&activation.interrupt))?);
        self.control.notifier.connect(Some(activation.interrupt));
        Ok(())
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        self.control.notifier.connect(None);
        let Some(handler) = self.worker.take().and_then(Worker::stop) else { return Vec::new() };
        self.backend = Some(handler.backend);
        [handler.receive, handler.transmit].into_iter().flatten().map(DeviceQueue::into_queue).collect()
    }

    fn state(&self) -> OwnState {
        OwnState::Nothing {}
    }

    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        if !matches!(state, OwnState::Nothing {}) {
            return Err(OwnStateError::Kind);
        }
        self.is_new_here = true;
        Ok(())
    }

    fn reset(&mut self) {
        self.is_new_here = false;
    }
}
