//! Memory that the host gives in blocks (5.15 of the specification): the guest follows the host's wish by itself, from the first block on.

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport as _};

use super::dma::Identity;
use super::transport::Transport;

const REQUESTS: u16 = 0;
const QUEUE: usize = 8;
const UNPLUGGED_INACCESSIBLE: u64 = 1 << 1;
const VERSION_1: u64 = 1 << 32;
/// Offsets in the device's configuration.
const BLOCK: usize = 0;
const ADDRESS: usize = 16;
const REQUESTED: usize = 48;
/// Requests.
pub const PLUG: u16 = 0;
/// See PLUG.
pub const UNPLUG: u16 = 1;

/// Driver for memory that comes in blocks.
pub struct Pluggable {
    transport: Transport,
    queue: VirtQueue<Identity, QUEUE>,
    /// Follow the host's wish without being told.
    pub automatic: bool,
    /// Blocks that this guest has.
    blocks: u64,
}

impl Pluggable {
    /// Starts the device without a block.
    pub fn new(mut transport: Transport) -> virtio_drivers::Result<Self> {
        transport.set_status(DeviceStatus::empty());
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
        let features = transport.read_device_features() & (UNPLUGGED_INACCESSIBLE | VERSION_1);
        transport.write_driver_features(features);
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK);
        let queue = VirtQueue::new(&mut transport, REQUESTS, false, false)?;
        transport.finish_init();
        Ok(Self { transport, queue, automatic: true, blocks: 0 })
    }

    fn config(&self, offset: usize) -> u64 {
        let half = |offset| self.transport.read_config_space::<u32>(offset).map_or(0, u64::from);
        half(offset + 4) << 32 | half(offset)
    }

    /// Where it begins, bytes of a block, and bytes that the host wants the guest to have.
    pub fn place(&self) -> (u64, u64, u64) {
        (self.config(ADDRESS), self.config(BLOCK).max(1), self.config(REQUESTED))
    }

    /// Bytes that this guest has, all from the beginning.
    pub fn bytes(&self) -> u64 {
        self.blocks * self.place().1
    }

    /// Takes or gives blocks until the host's wish is met or refused. True when something came or went.
    pub fn follow(&mut self) -> virtio_drivers::Result<bool> {
        let (address, block, requested) = self.place();
        let (wanted, before) = (requested / block, self.blocks);
        while self.automatic && self.blocks != wanted {
            let (kind, number) =
                if self.blocks < wanted { (PLUG, self.blocks) } else { (UNPLUG, self.blocks - 1) };
            if self.request(kind, address + number * block, 1)? != 0 {
                break;
            }
            self.blocks = if kind == PLUG { number + 1 } else { number };
        }
        Ok(self.blocks != before)
    }

    /// Asks the device for something; its answer.
    pub fn request(&mut self, kind: u16, address: u64, count: u16) -> virtio_drivers::Result<u16> {
        let (mut request, mut response) = ([0u8; 24], [0xffu8; 10]);
        request[..2].copy_from_slice(&kind.to_le_bytes());
        request[8..16].copy_from_slice(&address.to_le_bytes());
        request[16..18].copy_from_slice(&count.to_le_bytes());
        self.queue.add_notify_wait_pop(&[&request], &mut [&mut response], &mut self.transport)?;
        Ok(u16::from_le_bytes([response[0], response[1]]))
    }
}
