//! The console device: with one port by the crate's driver, with several by ours.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use virtio_drivers::device::console::VirtIOConsole;

use super::dma::Identity;
use super::ports::Ports;
use super::transport::Transport;

/// A console device, of which port 0 is the console.
pub enum Console {
    /// It has one port.
    One(Box<VirtIOConsole<Identity, Transport>>),
    /// It has several.
    Several {
        /// The device.
        ports: Box<Ports>,
        /// What came to port 0 and was not taken.
        typed: VecDeque<u8>,
    },
}

impl Console {
    /// Starts the device.
    pub fn new(mut transport: Transport) -> virtio_drivers::Result<Self> {
        Ok(match Ports::are_offered(&mut transport) {
            true => Self::Several { ports: Box::new(Ports::new(transport)?), typed: VecDeque::new() },
            false => Self::One(Box::new(VirtIOConsole::new(transport)?)),
        })
    }

    /// The next byte that was typed.
    pub fn byte(&mut self) -> virtio_drivers::Result<Option<u8>> {
        match self {
            Self::One(console) => console.recv(true),
            Self::Several { ports, typed } => {
                if typed.is_empty() {
                    ports.serve()?;
                    typed.extend(ports.receive(0)?.unwrap_or_default());
                }
                Ok(typed.pop_front())
            }
        }
    }

    /// Prints.
    pub fn print(&mut self, bytes: &[u8]) -> virtio_drivers::Result {
        match self {
            Self::One(console) => console.send_bytes(bytes),
            Self::Several { ports, .. } => ports.send(0, bytes),
        }
    }

    /// The other ports.
    pub fn ports(&mut self) -> Option<&mut Ports> {
        match self {
            Self::One(_) => None,
            Self::Several { ports, .. } => Some(ports.as_mut()),
        }
    }
}
