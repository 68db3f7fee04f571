//! Lines in from the serial port or virtio-console, answers back to where the question came from.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::serial::{self, Input};
use crate::virtio::{Console, Ports, Slot};

/// Where a command came from.
#[derive(Clone, Copy, PartialEq)]
pub enum Origin {
    /// The 16550.
    Serial,
    /// Port 0 of virtio-console.
    Virtio,
    /// The kernel command line: answers go everywhere.
    CommandLine,
}

const LONGEST_LINE: usize = 1024;

/// Both ways to talk to the guest.
pub struct Consoles {
    serial: Input,
    serial_line: Line,
    virtio: Option<Slot<Console>>,
    virtio_line: Line,
}

#[derive(Default)]
struct Line(Vec<u8>);

impl Line {
    /// Adds a byte; the line without its end once it is complete. Empty lines are none.
    fn push(&mut self, byte: u8) -> Option<String> {
        match byte {
            b'\n' | b'\r' if self.0.is_empty() => None,
            b'\n' | b'\r' => {
                let line = String::from_utf8_lossy(&self.0).trim().to_string();
                self.0.clear();
                Some(line)
            }
            0x08 | 0x7f => {
                self.0.pop();
                None
            }
            _ => {
                if self.0.len() < LONGEST_LINE {
                    self.0.push(byte);
                }
                None
            }
        }
    }
}

impl Consoles {
    /// Listens on both.
    pub fn new(virtio: Option<Slot<Console>>) -> Self {
        Self { serial: Input::default(), serial_line: Line::default(), virtio, virtio_line: Line::default() }
    }

    /// Whether there is a virtio-console.
    pub fn has_virtio(&self) -> bool {
        self.virtio.is_some()
    }

    /// The slot of virtio-console.
    pub fn virtio_slot(&self) -> Option<u8> {
        self.virtio.as_ref().map(|slot| slot.slot)
    }

    /// The interrupt vector of virtio-console.
    pub fn virtio_vector(&self) -> Option<u8> {
        self.virtio.as_ref().map(|slot| slot.vector)
    }

    /// The other ports of virtio-console.
    pub fn ports(&mut self) -> Option<&mut Ports> {
        self.virtio.as_mut()?.device.ports()
    }

    /// Complete lines that arrived since the last call.
    pub fn lines(&mut self) -> Vec<(Origin, String)> {
        let mut lines = Vec::new();
        let serial_line = &mut self.serial_line;
        self.serial.drain(|byte| lines.extend(serial_line.push(byte).map(|line| (Origin::Serial, line))));
        if let Some(slot) = &mut self.virtio {
            while let Ok(Some(byte)) = slot.device.byte() {
                lines.extend(self.virtio_line.push(byte).map(|line| (Origin::Virtio, line)));
            }
        }
        lines
    }

    /// Writes one line, to where `origin` listens.
    pub fn say(&mut self, origin: Origin, line: &str) {
        if origin != Origin::Virtio {
            serial::print(format_args!("{line}\n"));
        }
        if origin != Origin::Serial
            && let Some(slot) = &mut self.virtio
        {
            let mut bytes = Vec::from(line.as_bytes());
            bytes.push(b'\n');
            if let Err(error) = slot.device.print(&bytes) {
                serial::print(format_args!("reeve-guest: virtio-console: {error}\n"));
            }
        }
    }
}
