//! A 16550 serial port between the guest and a [`Console`].

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use vm_superio::Serial;
use vm_superio::serial::{self, NoEvents};

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

/// A serial port as saved: its registers and receive FIFO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialState {
    /// Divisor latch.
    pub divisor: [u8; 2],
    /// Interrupt enable register.
    pub interrupt_enable: u8,
    /// Interrupt identification register.
    pub interrupt_identification: u8,
    /// Line control register.
    pub line_control: u8,
    /// Line status register.
    pub line_status: u8,
    /// Modem control register.
    pub modem_control: u8,
    /// Modem status register.
    pub modem_status: u8,
    /// Scratch register.
    pub scratch: u8,
    /// Receive FIFO, at most 64 bytes.
    pub fifo: Vec<u8>,
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

    /// What to save.
    pub fn state(&self) -> SerialState {
        let state = self.uart().state();
        SerialState {
            divisor: [state.baud_divisor_low, state.baud_divisor_high],
            interrupt_enable: state.interrupt_enable,
            interrupt_identification: state.interrupt_identification,
            line_control: state.line_control,
            line_status: state.line_status,
            modem_control: state.modem_control,
            modem_status: state.modem_status,
            scratch: state.scratch,
            fifo: state.in_buffer,
        }
    }

    /// Loads saved state, and takes more input as far as there is room. False, with nothing changed, when it is of no such port.
    pub fn restore(&self, state: &SerialState) -> bool {
        let state = serial::SerialState {
            baud_divisor_low: state.divisor[0],
            baud_divisor_high: state.divisor[1],
            interrupt_enable: state.interrupt_enable,
            interrupt_identification: state.interrupt_identification,
            line_control: state.line_control,
            line_status: state.line_status,
            modem_control: state.modem_control,
            modem_status: state.modem_status,
            scratch: state.scratch,
            in_buffer: state.fifo.clone(),
        };
        let output = Output(Arc::clone(&self.console));
        let Ok(restored) = Serial::from_state(&state, self.irq.clone(), NoEvents, output) else {
            return false;
        };
        let mut uart = self.uart();
        *uart = restored;
        self.fill(&mut uart);
        true
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
