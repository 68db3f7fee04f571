//! The network device as transport and machine see it.

use std::io;
use std::sync::Arc;

use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_MAC, VIRTIO_NET_F_MQ, VIRTIO_NET_F_MRG_RXBUF,
    VIRTIO_NET_F_MTU, VIRTIO_NET_F_STATUS, VIRTIO_NET_S_LINK_UP,
};
use virtio_queue::Queue;

use super::announce::Announcement;
use super::backend::{Backend, BackendError};
use super::features::{self, Ability};
use super::metrics::NetMetrics;
use super::pairs::Pairs;
use super::queue::NetHandler;
use super::tap::Tap;
use crate::config::Offloads;
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice, read_bytes};
use crate::virtio::interrupt::ConfigNotifier;
use crate::virtio::queue::DeviceQueue;
use crate::virtio::worker::Worker;

const QUEUE_SIZE: u16 = 256;
/// Descriptors of the control queue.
const CONTROL_SIZE: u16 = 64;
/// Queues of a pair: the first receives, the second transmits.
const PAIR: usize = 2;

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
    /// What the two sides may leave to each other.
    pub offloads: Offloads,
}

/// What the control plane does with a running interface.
pub struct NetControl {
    pairs: Arc<Pairs>,
    notifier: ConfigNotifier,
}

impl NetControl {
    /// Plugs the cable in or out. Frames are dropped while it is out.
    pub fn set_link(&self, up: bool) {
        if self.pairs.set_link(up) {
            self.notifier.config_changed();
        }
    }

    /// Whether the cable is in.
    pub fn link_up(&self) -> bool {
        self.pairs.link_is_up()
    }
}

/// A network interface.
pub struct Net {
    /// One a pair of queues; none while the device's threads have them.
    backends: Vec<Option<Backend>>,
    /// What the tap is told of what both sides agreed on.
    tap: Option<Tap>,
    features: u64,
    options: NetOptions,
    control: Arc<NetControl>,
    metrics: Arc<NetMetrics>,
    /// The guest comes from elsewhere, and the networks of this host do not know it.
    is_new_here: bool,
    workers: Vec<Worker<NetHandler>>,
}

impl Net {
    /// An interface on `backend`, with one pair of queues.
    pub fn new(backend: Backend, options: NetOptions) -> Result<Self, BackendError> {
        Self::with_queues(vec![backend], options)
    }

    /// An interface with a pair of queues on each of `backends`, which are queues of one tap where there are several.
    pub fn with_queues(backends: Vec<Backend>, options: NetOptions) -> Result<Self, BackendError> {
        let count = backends.len();
        let taps: Vec<Tap> = backends.iter().filter_map(Backend::as_tap).cloned().collect();
        let tap = taps.first().cloned();
        if count == 0 || count > 1 && taps.len() != count {
            return Err(BackendError::Kind("a tap, which alone has several queues"));
        }
        let ability = match &tap {
            Some(tap) => Ability::Tap { segments_udp: tap.segments_udp() },
            None => Ability::Frames,
        };
        let mut features = 1 << VIRTIO_NET_F_MAC | 1 << VIRTIO_NET_F_MTU | 1 << VIRTIO_NET_F_STATUS;
        features |= features::offered(&options.offloads, ability);
        if count > 1 {
            features |= 1 << VIRTIO_NET_F_CTRL_VQ | 1 << VIRTIO_NET_F_MQ;
        }
        let pairs = Pairs::new(count, if count > 1 { taps } else { Vec::new() }, options.link_up)?;
        let control = NetControl { pairs: Arc::new(pairs), notifier: ConfigNotifier::default() };
        Ok(Self {
            backends: backends.into_iter().map(Some).collect(),
            tap,
            features,
            options,
            control: Arc::new(control),
            metrics: Arc::default(),
            is_new_here: false,
            workers: Vec::new(),
        })
    }

    /// The control plane's handle, shared with the running device.
    pub fn control(&self) -> Arc<NetControl> {
        Arc::clone(&self.control)
    }

    /// The counters, shared with the running device.
    pub fn metrics(&self) -> Arc<NetMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Starts the thread of a pair that the driver has set up.
    fn start_pair(&mut self, pair: usize, activation: &mut Activation) -> io::Result<()> {
        let queues = [PAIR * pair, PAIR * pair + 1].map(|index| activation.take_queue(index));
        let [receive, transmit] = queues;
        if pair > 0 && receive.is_none() && transmit.is_none() {
            return Ok(());
        }
        // Where the driver knows of one pair only, the control queue stands behind it.
        let several = activation.has(VIRTIO_NET_F_MQ);
        let behind = PAIR * if several { self.backends.len() } else { 1 };
        let controlled = pair == 0 && activation.has(VIRTIO_NET_F_CTRL_VQ);
        let is_new = pair == 0 && std::mem::take(&mut self.is_new_here);
        let gone = || io::Error::other("the host's side of the interface was lost with its thread");
        let number = pair as u16;
        let handler = NetHandler {
            pair: number,
            event: self.control.pairs.event(number)?,
            announced: is_new.then(|| Announcement::new(self.options.mac)).transpose()?,
            backend: self.backends[pair].take().ok_or_else(gone)?,
            receive,
            transmit,
            control: if controlled { activation.take_queue(behind) } else { None },
            several,
            memory: activation.memory.clone(),
            pairs: Arc::clone(&self.control.pairs),
            metrics: Arc::clone(&self.metrics),
            merges: activation.has(VIRTIO_NET_F_MRG_RXBUF),
            takes_offloads: activation.has(VIRTIO_NET_F_GUEST_CSUM),
            frame: NetHandler::frame(),
            held: None,
            watching: false,
            dropping: false,
        };
        let name = if pair == 0 { "virtio-net".to_owned() } else { format!("virtio-net-{pair}") };
        let (worker, started) = Worker::start(&name, handler, Arc::clone(&activation.interrupt));
        self.workers.push(worker);
        started
    }
}

impl VirtioDevice for Net {
    fn id(&self) -> u16 {
        VIRTIO_ID_NET as u16
    }

    fn pci_class(&self) -> u32 {
        0x02_0000
    }

    fn features(&self) -> u64 {
        self.features
    }

    fn queue_sizes(&self) -> Vec<u16> {
        let mut sizes = vec![QUEUE_SIZE; PAIR * self.backends.len()];
        if self.backends.len() > 1 {
            sizes.push(CONTROL_SIZE);
        }
        sizes
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        let mut config = [0; CONFIG_SIZE];
        config[..STATUS].copy_from_slice(&self.options.mac);
        let status = if self.control.link_up() { VIRTIO_NET_S_LINK_UP as u16 } else { 0 };
        config[STATUS..MAX_PAIRS].copy_from_slice(&status.to_le_bytes());
        config[MAX_PAIRS..MTU].copy_from_slice(&self.control.pairs.count().to_le_bytes());
        config[MTU..].copy_from_slice(&self.options.mtu.to_le_bytes());
        read_bytes(&config, offset, data);
    }

    fn write_config(&mut self, _offset: u64, _data: &[u8]) {}

    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        let pairs = &self.control.pairs;
        let several = activation.has(VIRTIO_NET_F_MQ);
        if !several {
            pairs.set_active(1);
        }
        pairs.attach()?;
        if let Some(tap) = &self.tap {
            tap.set_offloads(features::of_tap(activation.features))?;
        }
        for pair in 0..if several { self.backends.len() } else { 1 } {
            self.start_pair(pair, &mut activation)?;
        }
        self.control.notifier.connect(Some(activation.interrupt));
        Ok(())
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        self.control.notifier.connect(None);
        let mut queues = Vec::new();
        for handler in std::mem::take(&mut self.workers).into_iter().filter_map(Worker::stop) {
            self.backends[usize::from(handler.pair)] = Some(handler.backend);
            let own = [handler.receive, handler.transmit, handler.control];
            queues.extend(own.into_iter().flatten().map(DeviceQueue::into_queue));
        }
        queues
    }

    fn state(&self) -> OwnState {
        match self.control.pairs.count() {
            1 => OwnState::Nothing {},
            _ => OwnState::Net { pairs: self.control.pairs.active() },
        }
    }

    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        let pairs = &self.control.pairs;
        match state {
            OwnState::Nothing {} if pairs.count() == 1 => {}
            OwnState::Net { pairs: count } if pairs.count() > 1 => {
                if !pairs.can_be(*count) {
                    return Err(OwnStateError::Range("more pairs of queues in use than there are"));
                }
                pairs.set_active(*count);
            }
            _ => return Err(OwnStateError::Kind),
        }
        self.is_new_here = true;
        Ok(())
    }

    fn reset(&mut self) {
        self.is_new_here = false;
        self.control.pairs.set_active(1);
        // Nobody reads from the others now; a tap that is gone has no queues either.
        let _ = self.control.pairs.attach();
    }
}
