//! The 16550 at 0x3f8. Output goes out without looking at the line status: a virtual port takes bytes at any rate.

use core::fmt::{self, Arguments, Write};

use crate::interrupts::{self, COM1};
use crate::ioapic::{self, Trigger};
use crate::ring0;

const PORT: u16 = 0x3f8;
const INTERRUPT_ENABLE: u16 = PORT + 1;
const MODEM_CONTROL: u16 = PORT + 4;
const LINE_STATUS: u16 = PORT + 5;
const DATA_READY: u8 = 1;
/// What a port that is not there reads as.
const ABSENT: u8 = 0xff;
/// The line of the first serial port since the PC.
const ISA_LINE: u8 = 4;

struct Output;

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        ring0::write_bytes(PORT, text.as_bytes());
        Ok(())
    }
}

/// Writes formatted text.
pub fn print(text: Arguments<'_>) {
    // The port never refuses.
    let _ = Output.write_fmt(text);
}

/// Routes the port's interrupt and asks for one whenever a byte arrives.
pub fn enable_interrupts(cpu: u8) {
    ioapic::route(ISA_LINE, COM1, cpu, Trigger::Edge);
    ring0::out8(MODEM_CONTROL, 0b1011);
    ring0::out8(INTERRUPT_ENABLE, 1);
}

/// Receiving side: looks at the port only after an interrupt said that there is something.
#[derive(Default)]
pub struct Input {
    served: u64,
    primed: bool,
}

impl Input {
    /// Takes all waiting bytes; false if there were none.
    pub fn drain(&mut self, mut take: impl FnMut(u8)) -> bool {
        let count = interrupts::count(COM1);
        if self.primed && count == self.served {
            return false;
        }
        self.primed = true;
        self.served = count;
        let mut any = false;
        loop {
            let status = ring0::in8(LINE_STATUS);
            if status == ABSENT || status & DATA_READY == 0 {
                return any;
            }
            take(ring0::in8(PORT));
            any = true;
        }
    }
}
