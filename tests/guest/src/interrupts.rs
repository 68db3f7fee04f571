//! Interrupt descriptor table and counters. Handlers only count (boot/interrupts.s); whoever waits looks here.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{report, ring0};

/// Vector of the local APIC timer.
pub const TIMER: u8 = 0x30;
/// Vector of the inter-processor interrupt that wakes the other CPUs.
pub const WAKE: u8 = 0x31;
/// Vector of the first serial port.
pub const COM1: u8 = 0x34;
/// Vector of the ACPI system control interrupt: the power button.
pub const SCI: u8 = 0x35;
/// Vector that the self-test sends to its own CPU.
pub const SELF_TEST: u8 = 0x36;
/// Vector of the real-time clock.
pub const RTC: u8 = 0x37;
/// First of the vectors that PCI functions get, one each.
pub const FIRST_PCI: u8 = 0x40;
/// Vector of spurious interrupts.
pub const SPURIOUS: u8 = 0xff;

/// Interrupt gate, reachable from level 3, into the 64-bit level-0 code segment.
const GATE: u64 = 0xee00 << 32 | 0x10 << 16;
const STUB_BYTES: u64 = 16;

unsafe extern "C" {
    static interrupt_counts: [AtomicU64; 256];
    static interrupts_seen: AtomicU64;
    static interrupt_stubs: u8;
    static mut idt: [[u64; 2]; 256];
}

/// Fills the table. Until then neither exceptions nor ring-0 calls work.
pub fn load() {
    let stubs = (&raw const interrupt_stubs) as u64;
    let table = (&raw mut idt).cast::<[u64; 2]>();
    for vector in 0..256 {
        let stub = stubs + vector * STUB_BYTES;
        let low = stub & 0xffff | GATE | (stub >> 16 & 0xffff) << 48;
        // SAFETY: the table has 256 entries and only the boot CPU runs.
        unsafe { table.add(vector as usize).write_volatile([low, stub >> 32]) };
    }
}

/// How often a vector was delivered since boot.
pub fn count(vector: u8) -> u64 {
    // SAFETY: an array of atomics that lives as long as the guest.
    unsafe { interrupt_counts[usize::from(vector)].load(Ordering::SeqCst) }
}

/// How many interrupts were delivered since boot, on all CPUs.
pub fn seen() -> u64 {
    // SAFETY: an atomic that lives as long as the guest.
    unsafe { interrupts_seen.load(Ordering::SeqCst) }
}

/// Sleeps until the next interrupt, or returns at once if one came since `seen` was read.
pub fn wait(seen: u64) {
    ring0::wait(seen);
}

/// Where an exception at level 3 ends up: this guest never takes one on purpose.
#[unsafe(no_mangle)]
extern "C" fn exception_main(vector: u64, error: u64, instruction: u64, address: u64) -> ! {
    report::die(format_args!("exception {vector} error {error:#x} at {instruction:#x}, address {address:#x}"))
}
