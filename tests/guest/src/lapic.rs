//! The local APIC of the running CPU, by its memory window.

use crate::interrupts::{SPURIOUS, TIMER};

const BASE: usize = 0xfee0_0000;
const ID: usize = 0x20;
const SPURIOUS_VECTOR: usize = 0xf0;
const COMMAND_LOW: usize = 0x300;
const COMMAND_HIGH: usize = 0x310;
const TIMER_VECTOR: usize = 0x320;
const TIMER_INITIAL_COUNT: usize = 0x380;
const TIMER_DIVIDE: usize = 0x3e0;

const ENABLED: u32 = 0x100;
const DIVIDE_BY_1: u32 = 0b1011;
const TIMER_PERIODIC: u32 = 1 << 17;
const LEVEL_ASSERT: u32 = 1 << 14;
const TO_SELF: u32 = 1 << 18;
const TO_OTHERS: u32 = 3 << 18;
const INIT: u32 = 5 << 8;
const STARTUP: u32 = 6 << 8;

/// KVM's timer counts nanoseconds; elsewhere a sleep is only as long as its loop makes it.
const TIMER_HZ: u64 = 1_000_000_000;

fn read(register: usize) -> u32 {
    // SAFETY: the window is identity-mapped and belongs to the running CPU.
    unsafe { ((BASE + register) as *const u32).read_volatile() }
}

fn write(register: usize, value: u32) {
    // SAFETY: as in `read`; no register writes memory.
    unsafe { ((BASE + register) as *mut u32).write_volatile(value) }
}

/// Switches the running CPU's APIC on.
pub fn enable() {
    write(SPURIOUS_VECTOR, ENABLED | u32::from(SPURIOUS));
}

/// The APIC id of the running CPU.
pub fn id() -> u8 {
    (read(ID) >> 24) as u8
}

/// One timer interrupt after about `ns`.
pub fn timer_once(ns: u64) {
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    write(TIMER_VECTOR, TIMER.into());
    write(TIMER_INITIAL_COUNT, ns.clamp(1, u32::MAX.into()) as u32);
}

/// Timer interrupts `hz` times a second until `timer_stop`.
pub fn timer_periodic(hz: u64) {
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    write(TIMER_VECTOR, u32::from(TIMER) | TIMER_PERIODIC);
    write(TIMER_INITIAL_COUNT, (TIMER_HZ / hz.max(1)) as u32);
}

/// No more timer interrupts.
pub fn timer_stop() {
    write(TIMER_INITIAL_COUNT, 0);
}

/// Interrupts the running CPU itself.
pub fn interrupt_self(vector: u8) {
    write(COMMAND_LOW, TO_SELF | LEVEL_ASSERT | u32::from(vector));
}

/// Interrupts all other CPUs.
pub fn interrupt_others(vector: u8) {
    write(COMMAND_HIGH, 0);
    write(COMMAND_LOW, TO_OTHERS | LEVEL_ASSERT | u32::from(vector));
}

/// Wakes one CPU from reset into real mode at the page `page`.
pub fn start(id: u8, page: u8) {
    for command in [INIT, STARTUP | u32::from(page)] {
        write(COMMAND_HIGH, u32::from(id) << 24);
        write(COMMAND_LOW, LEVEL_ASSERT | command);
    }
}

/// Wakes all other CPUs from reset into real mode at the page `page` (address / 4096).
pub fn start_others(page: u8) {
    write(COMMAND_HIGH, 0);
    write(COMMAND_LOW, TO_OTHERS | LEVEL_ASSERT | INIT);
    write(COMMAND_LOW, TO_OTHERS | LEVEL_ASSERT | STARTUP | u32::from(page));
}
