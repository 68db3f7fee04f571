//! The assembly part and what it shares with Rust.

use core::arch::global_asm;

global_asm!(include_str!("boot/tables.s"));
global_asm!(include_str!("boot/entry.s"));
global_asm!(include_str!("boot/application_cpu.s"));
global_asm!(include_str!("boot/interrupts.s"));
global_asm!(include_str!("boot/ring0.s"));

unsafe extern "C" {
    static mut __bss_start: u8;
    static mut __bss_end: u8;
    static __image_end: u8;
    static boot_parameters: u64;
    static boot_entry: u64;
    static wake_count: u64;
    fn wake_entry();
}

/// The boot protocol that started this guest.
#[derive(Clone, Copy, PartialEq)]
pub enum Entry {
    /// 64-bit Linux: a zero page.
    Linux64,
    /// PVH: a start info structure.
    Pvh,
}

/// Clears the zero-initialised variables; a loader need not, and after a reset the old values are still there.
pub fn clear_bss() {
    let start = &raw mut __bss_start;
    let bytes = (&raw const __bss_end) as usize - start as usize;
    // SAFETY: the linker script puts nothing but zero-initialised variables there, and none is in use yet.
    unsafe { core::ptr::write_bytes(start, 0, bytes) }
}

/// Protocol and physical address of the loader's parameters.
pub fn parameters() -> (Entry, usize) {
    // SAFETY: written once by the entry code before any Rust ran.
    let (entry, address) = unsafe { ((&raw const boot_entry).read(), (&raw const boot_parameters).read()) };
    (if entry == 2 { Entry::Pvh } else { Entry::Linux64 }, address as usize)
}

/// How often it was woken up since it was loaded.
pub fn wakes() -> u64 {
    // SAFETY: written by the entry code before any Rust ran.
    unsafe { (&raw const wake_count).read_volatile() }
}

/// Where it is entered in protected mode when it is woken up.
pub fn protected_wake_entry() -> u64 {
    wake_entry as *const () as u64
}

/// First physical address behind the guest's own image, stacks and heap.
pub fn image_end() -> usize {
    (&raw const __image_end) as usize
}
