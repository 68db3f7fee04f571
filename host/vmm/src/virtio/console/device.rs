//! The console device as transport and machine see it.

use std::io;
use std::sync::Arc;

use virtio_bindings::virtio_ids::VIRTIO_ID_CONSOLE;
use virtio_queue::Queue;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::control::{Control, PortInfo};
use super::queue::{ConsoleHandler, Port};
use crate::console::Console;
use crate::virtio::device::{Activation, OwnState, OwnStateError, VirtioDevice, read_bytes};
use crate::virtio::queue::DeviceQueue;
use crate::virtio::worker::Worker;

const F_MULTIPORT: u32 = 1;
const F_EMERG_WRITE: u32 = 2;
const QUEUE_SIZE: u16 = 128;
/// Queues before those of port 1: two of port 0, two of control.
const FIRST_PORT_QUEUES: usize = 4;
const CONTROL_IN: usize = 2;
const CONTROL_OUT: usize = 3;

/// Offsets in struct virtio_console_config.
const MAX_PORTS: usize = 4;
const EMERG_WRITE: u64 = 8;
const CONFIG_SIZE: usize = 12;

/// A port to be: where its bytes go and what the guest calls it.
pub struct ConsolePort {
    /// The host's end.
    pub console: Arc<Console>,
    /// Name of a channel, as in `/dev/virtio-ports/NAME`; None makes it a console.
    pub name: Option<String>,
}

/// A console device.
pub struct ConsoleDevice {
    ports: Vec<ConsolePort>,
    config: [u8; CONFIG_SIZE],
    wake: EventFd,
    control: Option<Control>,
    worker: Option<Worker<ConsoleHandler>>,
}

impl ConsoleDevice {
    /// A device with at least one port; the first works without the control queues too.
    pub fn new(ports: Vec<ConsolePort>) -> io::Result<Self> {
        let mut config = [0; CONFIG_SIZE];
        config[MAX_PORTS..][..4].copy_from_slice(&(ports.len() as u32).to_le_bytes());
        let wake = EventFd::new(EFD_NONBLOCK)?;
        for port in &ports {
            let wake = wake.try_clone()?;
            // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
            port.console.set_wake(Some(Box::new(move || drop(wake.write(1)))));
        }
        Ok(Self { ports, config, wake, control: None, worker: None })
    }

    /// Receive queue of a port; the transmit queue follows it.
    fn receive_queue(port: usize) -> usize {
        if port == 0 { 0 } else { FIRST_PORT_QUEUES + 2 * (port - 1) }
    }
}

impl Drop for ConsoleDevice {
    fn drop(&mut self) {
        for port in &self.ports {
            port.console.set_wake(None);
            port.console.set_guest_open(false);
        }
    }
}

impl VirtioDevice for ConsoleDevice {
    fn id(&self) -> u16 {
        VIRTIO_ID_CONSOLE as u16
    }

    fn pci_class(&self) -> u32 {
        0x07_8000
    }

    fn features(&self) -> u64 {
        1 << F_MULTIPORT | 1 << F_EMERG_WRITE
    }

    fn queue_sizes(&self) -> Vec<u16> {
        vec![QUEUE_SIZE; Self::receive_queue(self.ports.len())]
    }

    fn read_config(&self, offset: u64, data: &mut [u8]) {
        read_bytes(&self.config, offset, data);
    }

    /// The emergency register prints a byte before there are queues.
    fn write_config(&mut self, offset: u64, data: &[u8]) {
        if offset == EMERG_WRITE
            && let (Some(byte), Some(port)) = (data.first(), self.ports.first())
        {
            port.console.output(&[*byte]);
        }
    }

    fn activate(&mut self, mut activation: Activation) -> io::Result<()> {
        let multiport = activation.has(F_MULTIPORT);
        let count = if multiport { self.ports.len() } else { 1 };
        let control = self.control.take().filter(|control| control.ports() == count);
        let goes_on = control.is_some();
        let control = control.unwrap_or_else(|| Control::new(count));
        // A driver that goes on is told of who came or went meanwhile.
        let open = |index: usize, console: &Console| {
            if goes_on { control.knows_open(index) } else { console.is_open() }
        };
        let port = |(index, port): (usize, &ConsolePort), activation: &mut Activation| Port {
            console: Arc::clone(&port.console),
            info: PortInfo { name: port.name.clone(), host_open: open(index, &port.console) },
            receive: activation.take_queue(Self::receive_queue(index)),
            transmit: activation.take_queue(Self::receive_queue(index) + 1),
        };
        let ports: Vec<Port> =
            self.ports.iter().enumerate().take(count).map(|entry| port(entry, &mut activation)).collect();
        let handler = ConsoleHandler {
            control,
            ports,
            control_in: activation.take_queue(CONTROL_IN),
            control_out: activation.take_queue(CONTROL_OUT),
            memory: activation.memory,
            wake: self.wake.try_clone()?,
        };
        let (worker, started) = Worker::start("virtio-console", handler, activation.interrupt);
        self.worker = Some(worker);
        started?;
        if goes_on {
            // An eventfd refuses a write only when its counter is full, and then it is readable anyway.
            let _ = self.wake.write(1);
        }
        Ok(())
    }

    fn stop(&mut self) -> Vec<(u16, Queue)> {
        let Some(mut handler) = self.worker.take().and_then(Worker::stop) else { return Vec::new() };
        self.control = Some(std::mem::take(&mut handler.control));
        handler.into_queues().map(DeviceQueue::into_queue).collect()
    }

    fn state(&self) -> OwnState {
        let conversation = self.control.as_ref().map(Control::state);
        let guest_open = self.ports.iter().map(|port| port.console.is_guest_open()).collect();
        OwnState::Console { conversation, guest_open }
    }

    fn restore(&mut self, state: &OwnState) -> Result<(), OwnStateError> {
        let OwnState::Console { conversation, guest_open } = state else { return Err(OwnStateError::Kind) };
        let ports = self.ports.len();
        if guest_open.len() != ports {
            return Err(OwnStateError::Range("another number of console ports"));
        }
        self.control =
            conversation.as_ref().map(|conversation| Control::restore(conversation, ports)).transpose()?;
        self.ports.iter().zip(guest_open).for_each(|(port, open)| port.console.set_guest_open(*open));
        Ok(())
    }

    fn reset(&mut self) {
        self.control = None;
        self.ports.iter().for_each(|port| port.console.set_guest_open(false));
    }
}
