//! The I/O APIC, for the two lines that are not MSI: serial port and ACPI.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Where the I/O APIC is unless MADT says otherwise.
const DEFAULT_BASE: usize = 0xfec0_0000;
const WINDOW: usize = 0x10;
const FIRST_REDIRECTION: u32 = 0x10;
const LEVEL: u32 = 1 << 15;
const ACTIVE_LOW: u32 = 1 << 13;

static BASE: AtomicUsize = AtomicUsize::new(DEFAULT_BASE);

/// How a line signals.
#[derive(Clone, Copy, PartialEq)]
pub enum Trigger {
    /// Rising edge.
    Edge,
    /// High level.
    LevelHigh,
    /// Low level.
    LevelLow,
}

/// Tells where the I/O APIC is.
pub fn set_base(address: usize) {
    BASE.store(address, Ordering::Relaxed);
}

/// Sends a line to a vector of one CPU.
pub fn route(line: u8, vector: u8, cpu: u8, trigger: Trigger) {
    let mode = match trigger {
        Trigger::Edge => 0,
        Trigger::LevelHigh => LEVEL,
        Trigger::LevelLow => LEVEL | ACTIVE_LOW,
    };
    let register = FIRST_REDIRECTION + 2 * u32::from(line);
    write(register + 1, u32::from(cpu) << 24);
    write(register, u32::from(vector) | mode);
}

fn write(register: u32, value: u32) {
    let base = BASE.load(Ordering::Relaxed);
    // SAFETY: the window is identity-mapped; its registers write no memory.
    unsafe {
        (base as *mut u32).write_volatile(register);
        ((base + WINDOW) as *mut u32).write_volatile(value);
    }
}
