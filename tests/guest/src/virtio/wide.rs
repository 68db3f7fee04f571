//! A network device with all its queues and offloads, for tests of those; [`Network`](super::Network) has one pair and none.

use alloc::boxed::Box;
use alloc::vec::Vec;

use virtio_drivers::Error;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport as _};

use super::dma::Identity;
use super::transport::Transport;

const QUEUE: usize = 32;
const BUFFER: usize = 2048;
/// Bytes of the header in front of every frame.
pub const HEADER: usize = 12;
const BUFFERS_AT: usize = 10;

const MAC: u64 = 1 << 5;
const MERGE: u64 = 1 << 15;
const CONTROL: u64 = 1 << 17;
const MULTI_QUEUE: u64 = 1 << 22;
const VERSION_1: u64 = 1 << 32;
/// Offset of the most pairs there can be.
const PAIRS: usize = 8;
/// Class and command that set the number of pairs.
const SET_PAIRS: [u8; 2] = [4, 0];

/// Driver for a network device.
pub struct Wide {
    transport: Transport,
    pairs: Vec<Pair>,
    control: Option<VirtQueue<Identity, QUEUE>>,
    /// Features that both sides agreed on.
    pub features: u64,
}

struct Pair {
    number: u16,
    receive: VirtQueue<Identity, QUEUE>,
    transmit: VirtQueue<Identity, QUEUE>,
    /// Receive buffers, each at the token that it was offered under.
    offered: Vec<Option<Box<[u8; BUFFER]>>>,
}

/// What arrived.
pub struct Frame {
    /// Header and frame.
    pub bytes: Vec<u8>,
    /// Buffers that it came in.
    pub buffers: u16,
}

impl Wide {
    /// Starts the device with those of the wanted features that it has, and with all its pairs set up, of which it uses one.
    pub fn new(mut transport: Transport, wanted: u64) -> virtio_drivers::Result<Self> {
        transport.set_status(DeviceStatus::empty());
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
        let features = transport.read_device_features() & (wanted | VERSION_1 | MAC);
        transport.write_driver_features(features);
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK);
        let several = features & MULTI_QUEUE != 0;
        let count = if several { transport.read_config_space::<u16>(PAIRS)? } else { 1 };
        let pair = |number: u16| {
            let receive = VirtQueue::new(&mut transport, 2 * number, false, false)?;
            let transmit = VirtQueue::new(&mut transport, 2 * number + 1, false, false)?;
            Ok(Pair { number, receive, transmit, offered: (0..QUEUE).map(|_| None).collect() })
        };
        let pairs = (0..count).map(pair).collect::<virtio_drivers::Result<Vec<_>>>()?;
        let control = if features & CONTROL != 0 {
            Some(VirtQueue::new(&mut transport, 2 * count, false, false)?)
        } else {
            None
        };
        transport.finish_init();
        let mut device = Self { transport, pairs, control, features };
        for pair in &mut device.pairs {
            for _ in 0..QUEUE {
                pair.offer(Box::new([0; BUFFER]))?;
            }
            device.transport.notify(2 * pair.number);
        }
        Ok(device)
    }

    /// Pairs there are.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Address of the device.
    pub fn mac(&self) -> [u8; 6] {
        self.transport.read_config_space(0).unwrap_or_default()
    }

    /// Asks the device to use so many pairs; its answer, 0 if it does.
    pub fn use_pairs(&mut self, count: u16) -> virtio_drivers::Result<u8> {
        let control = self.control.as_mut().ok_or(Error::Unsupported)?;
        let mut answer = [0xff];
        let inputs: [&[u8]; 2] = [&SET_PAIRS, &count.to_le_bytes()];
        control.add_notify_wait_pop(&inputs, &mut [&mut answer], &mut self.transport)?;
        Ok(answer[0])
    }

    /// Sends a frame behind its header and waits until the device has it.
    pub fn send(&mut self, pair: usize, header: &[u8; HEADER], frame: &[u8]) -> virtio_drivers::Result {
        let pair = self.pairs.get_mut(pair).ok_or(Error::InvalidParam)?;
        pair.transmit.add_notify_wait_pop(&[header, frame], &mut [], &mut self.transport)?;
        Ok(())
    }

    /// The next frame that a pair has; None when there is none now.
    pub fn receive(&mut self, pair: usize) -> virtio_drivers::Result<Option<Frame>> {
        let pair = self.pairs.get_mut(pair).ok_or(Error::InvalidParam)?;
        let Some(mut bytes) = pair.take()? else { return Ok(None) };
        let mut buffers = 1;
        if self.features & MERGE != 0 {
            buffers = u16::from_le_bytes([bytes[BUFFERS_AT], bytes[BUFFERS_AT + 1]]);
            for _ in 1..buffers {
                // All of them are there when the first one is.
                bytes.extend(pair.take()?.ok_or(Error::NotReady)?);
            }
        }
        self.transport.notify(2 * pair.number);
        Ok(Some(Frame { bytes, buffers }))
    }

    /// Makes the device forget everything.
    pub fn stop(mut self) {
        self.transport.set_status(DeviceStatus::empty());
    }
}

impl Pair {
    fn offer(&mut self, mut buffer: Box<[u8; BUFFER]>) -> virtio_drivers::Result {
        // SAFETY: the buffer stays where it is, in `offered`, until the token comes back.
        let token = unsafe { self.receive.add(&[], &mut [&mut buffer[..]])? };
        self.offered[usize::from(token)] = Some(buffer);
        Ok(())
    }

    /// What is in the next used buffer, which is offered again.
    fn take(&mut self) -> virtio_drivers::Result<Option<Vec<u8>>> {
        let Some(token) = self.receive.peek_used() else { return Ok(None) };
        let mut buffer = self.offered[usize::from(token)].take().ok_or(Error::WrongToken)?;
        // SAFETY: this is the buffer that was added under this token.
        let length = unsafe { self.receive.pop_used(token, &[], &mut [&mut buffer[..]])? };
        let bytes = buffer[..length as usize].to_vec();
        self.offer(buffer)?;
        Ok(Some(bytes))
    }
}
