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

use super::metrics::NetMetrics;
use super::queue::NetHandler;
use super::tap::Tap;
use crate::virtio::device::{Activation, VirtioDevice, read_bytes};
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

/// What the control plane does with a running interface.
pub struct NetControl {
    link: Arc<AtomicBool>,
    notifier: ConfigNotifier,
}

impl NetControl {
    /// Plugs the cable in or out. Frames are dropped while it is out.
    pub fn set_link(&self, up: bool) {
        if self.link.swap(up, Ordering::Relaxed) != up {
            self.notifier.config_changed();
        }
    }

    /// Whether the cable is in.
    pub fn link_up(&self) -> bool {
        self.link.load(Ordering::Relaxed)
    }
}

/// A network interface.
pub struct Net {
    tap: Arc<Tap>,
    options: NetOptions,
    control: Arc<NetControl>,
    metrics: Arc<NetMetrics>,
    worker: Option<Worker<NetHandler>>,
}

impl Net {
    /// An interface on `tap`.
    pub fn new(tap: Tap, options: NetOptions) -> Self {
        let link = Arc::new(AtomicBool::new(options.link_up));
        let control = Arc::new(NetControl { link, notifier: ConfigNotifier::default() });
        Self { tap: Arc::new(tap), options, control, metrics: Arc::default(), worker: None }
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

    /// The guest may leave checksums and segmentation to the host; what the host sends is whole and checked.
    fn features(&self) -> u64 {
        1 << VIRTIO_NET_F_MAC
            | 1 << VIRTIO_NET_F_MTU
            | 1 << VIRTIO_NET_F_STATUS
            | 1 << VIRTIO_NET_F_CSUM
            | 1 << VIRTIO_NET_F_HOST_TSO4
            | 1 << VIRTIO_NET_F_HOST_TSO6
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
        let handler = NetHandler {
            tap: Arc::clone(&self.tap),
            receive: activation.take_queue(RECEIVE),
            transmit: activation.take_queue(TRANSMIT),
            memory: activation.memory,
            link: Arc::clone(&self.control.link),
            metrics: Arc::clone(&self.metrics),
            frame: NetHandler::frame(),
            watching: false,
        };
        self.worker = Some(Worker::start("virtio-net", handler, Arc::clone(&activation.interrupt))?);
        self.control.notifier.connect(Some(activation.interrupt));
        Ok(())
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        self.control.notifier.connect(None);
        let Some(handler) = self.worker.take().and_then(Worker::stop) else { return Vec::new() };
        [handler.receive, handler.transmit].into_iter().flatten().map(DeviceQueue::into_queue).collect()
    }

    fn reset(&mut self) {}
}
