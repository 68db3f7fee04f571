//! A 16550 serial port between the guest and a [`Console`].

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vm_superio::Serial;
use vm_superio::serial::NoEvents;

use crate::bus::BusDevice;
use crate::console::Console;
use crate::hypervisor::PinTrigger;

/// Ports a 16550 has.
pub const PORTS: u64 = 8;

/// One serial port.
pub struct SerialPort {
    uart: Mutex<Serial<PinTrigger, NoEvents, Output>>,
    irq: PinTrigger,
    console: Arc<Console>,
}

struct Output(Arc<Console>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.output(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SerialPort {
    /// A port that raises `irq`. It takes input from `console` from now on.
    pub fn new(console: Arc<Console>, irq: PinTrigger) -> Arc<Self> {
        let uart = Mutex::new(Serial::new(irq.clone(), Output(Arc::clone(&console))));
        let port = Arc::new(Self { uart, irq, console });
        let weak = Arc::downgrade(&port);
        port.console.set_wake(Some(Box::new(move || {
            if let Some(port) = weak.upgrade() {
                port.fill(&mut port.uart());
            }
        })));
        port
    }

    /// Back to power-on. What waits in the receive FIFO is lost.
    pub fn reset(&self) {
        *self.uart() = Serial::new(self.irq.clone(), Output(Arc::clone(&self.console)));
    }

    fn uart(&self) -> MutexGuard<'_, Serial<PinTrigger, NoEvents, Output>> {
        self.uart.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves input into the receive FIFO as far as it has room.
    fn fill(&self, uart: &mut Serial<PinTrigger, NoEvents, Output>) {
        let mut buffer = [0; 64];
        loop {
            let room = uart.fifo_capacity().min(buffer.len());
            let count = if room == 0 { 0 } else { self.console.input(&mut buffer[..room]) };
            // Loopback mode drops input; a lost interrupt is as on a real line.
            if count == 0 || uart.enqueue_raw_bytes(&buffer[..count]).is_err() {
                return;
            }
        }
    }
}

impl BusDevice for SerialPort {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let [byte] = data else { return };
        let mut uart = self.uart();
        *byte = uart.read(offset as u8);
        if offset == 0 {
            self.fill(&mut uart);
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let [byte] = data else { return };
        // The output never fails, and an interrupt line of a machine that goes away is not missed.
        let _ = self.uart().write(offset as u8, *byte);
    }
}
