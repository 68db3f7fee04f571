//! A console device with several ports (5.3 of the specification, VIRTIO_CONSOLE_F_MULTIPORT).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{DeviceStatus, Transport as _};

use super::dma::Identity;
use super::transport::Transport;
use crate::clock;

const MULTIPORT: u64 = 1 << 1;
const VERSION_1: u64 = 1 << 32;
/// Ports of the device, in its configuration.
const PORT_COUNT: usize = 4;
const CONTROL_IN: u16 = 2;
const CONTROL_OUT: u16 = 3;
const QUEUE: usize = 8;
const BUFFER: usize = 2048;
/// More than these have queues that this transport can't let interrupt.
const MOST_PORTS: u32 = 6;

/// Events of control messages.
const DEVICE_READY: u16 = 0;
const DEVICE_ADD: u16 = 1;
const PORT_READY: u16 = 3;
const PORT_OPEN: u16 = 6;
const PORT_NAME: u16 = 7;
const MESSAGE: usize = 8;
/// How long the device may take to tell of its ports, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// Driver for a console with ports.
pub struct Ports {
    transport: Transport,
    control_in: Inbox,
    control_out: VirtQueue<Identity, QUEUE>,
    ports: Vec<Port>,
}

struct Port {
    receive: Inbox,
    transmit: VirtQueue<Identity, QUEUE>,
    name: Option<String>,
    added: bool,
    host_open: bool,
}

/// A queue with one buffer for the device to fill.
struct Inbox {
    queue: VirtQueue<Identity, QUEUE>,
    index: u16,
    buffer: Box<[u8; BUFFER]>,
    token: Option<u16>,
}

impl Inbox {
    fn new(transport: &mut Transport, index: u16) -> virtio_drivers::Result<Self> {
        transport.interrupt_on(index);
        let queue = VirtQueue::new(transport, index, false, false)?;
        Ok(Self { queue, index, buffer: Box::new([0; BUFFER]), token: None })
    }

    /// Gives the device the buffer, if it has not got it.
    fn offer(&mut self, transport: &mut Transport) -> virtio_drivers::Result {
        if self.token.is_none() {
            // SAFETY: the buffer stays where it is and is not touched until the token comes back.
            self.token = Some(unsafe { self.queue.add(&[], &mut [&mut self.buffer[..]])? });
            if self.queue.should_notify() {
                transport.notify(self.index);
            }
        }
        Ok(())
    }

    /// What the device has filled in.
    fn take(&mut self, transport: &mut Transport) -> virtio_drivers::Result<Option<Vec<u8>>> {
        let Some(token) = self.token.filter(|token| self.queue.peek_used() == Some(*token)) else {
            return Ok(None);
        };
        // SAFETY: the same buffer was added under this token.
        let count = unsafe { self.queue.pop_used(token, &[], &mut [&mut self.buffer[..]])? };
        self.token = None;
        let bytes = self.buffer[..count as usize].to_vec();
        self.offer(transport)?;
        Ok(Some(bytes))
    }
}

impl Ports {
    /// Whether the device has ports besides the first.
    pub fn are_offered(transport: &mut Transport) -> bool {
        transport.read_device_features() & MULTIPORT != 0
            && transport.read_config_space::<u32>(PORT_COUNT).is_ok_and(|ports| ports > 1)
    }

    /// Starts the device and opens every port.
    pub fn new(mut transport: Transport) -> virtio_drivers::Result<Self> {
        transport.set_status(DeviceStatus::empty());
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER);
        transport.write_driver_features(MULTIPORT | VERSION_1);
        transport.set_status(DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER | DeviceStatus::FEATURES_OK);
        let count = transport.read_config_space::<u32>(PORT_COUNT)?.min(MOST_PORTS);
        let control_in = Inbox::new(&mut transport, CONTROL_IN)?;
        let control_out = VirtQueue::new(&mut transport, CONTROL_OUT, false, false)?;
        let mut ports = Vec::new();
        for port in 0..count as u16 {
            let receive = if port == 0 { 0 } else { 2 + 2 * port };
            let transmit = receive + 1;
            ports.push(Port {
                receive: Inbox::new(&mut transport, receive)?,
                transmit: VirtQueue::new(&mut transport, transmit, false, false)?,
                name: None,
                added: false,
                host_open: false,
            });
        }
        transport.finish_init();
        let mut device = Self { transport, control_in, control_out, ports };
        device.control_in.offer(&mut device.transport)?;
        for port in &mut device.ports {
            port.receive.offer(&mut device.transport)?;
        }
        device.say(0, DEVICE_READY, 1)?;
        // Whoever hears that the guest is ready finds its ports open.
        let deadline = clock::now() + PATIENCE;
        while device.ports.iter().any(|port| !port.added) && clock::now() < deadline {
            device.serve()?;
            core::hint::spin_loop();
        }
        Ok(device)
    }

    /// Hears what the device says about its ports.
    pub fn serve(&mut self) -> virtio_drivers::Result {
        while let Some(message) = self.control_in.take(&mut self.transport)? {
            let Some((header, rest)) = message.split_at_checked(MESSAGE) else { continue };
            let port = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
            let (event, value) = (header[4], header[6]);
            let Some(known) = self.ports.get_mut(port as usize) else { continue };
            match u16::from(event) {
                DEVICE_ADD => {
                    known.added = true;
                    self.say(port, PORT_READY, 1)?;
                    self.say(port, PORT_OPEN, 1)?;
                }
                PORT_NAME => known.name = Some(String::from_utf8_lossy(rest).trim_end_matches('\0').into()),
                PORT_OPEN => known.host_open = value == 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// The port with a name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.ports.iter().position(|port| port.name.as_deref() == Some(name))
    }

    /// Whether somebody on the host has a port open.
    pub fn is_open(&self, port: usize) -> bool {
        self.ports[port].host_open
    }

    /// What the host has written to a port.
    pub fn receive(&mut self, port: usize) -> virtio_drivers::Result<Option<Vec<u8>>> {
        self.ports[port].receive.take(&mut self.transport)
    }

    /// Writes to a port.
    pub fn send(&mut self, port: usize, bytes: &[u8]) -> virtio_drivers::Result {
        let Port { transmit, .. } = &mut self.ports[port];
        for piece in bytes.chunks(BUFFER) {
            transmit.add_notify_wait_pop(&[piece], &mut [], &mut self.transport)?;
        }
        Ok(())
    }

    /// Closes a port or opens it again: a guest whose agent ends or begins.
    pub fn set_open(&mut self, port: usize, open: bool) -> virtio_drivers::Result {
        self.say(port as u32, PORT_OPEN, u16::from(open))
    }

    fn say(&mut self, port: u32, event: u16, value: u16) -> virtio_drivers::Result {
        let mut message = [0; MESSAGE];
        message[..4].copy_from_slice(&port.to_le_bytes());
        message[4..6].copy_from_slice(&event.to_le_bytes());
        message[6..].copy_from_slice(&value.to_le_bytes());
        self.control_out.add_notify_wait_pop(&[&message], &mut [], &mut self.transport)?;
        Ok(())
    }
}
