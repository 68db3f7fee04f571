//! The guest that tests boot: it needs no firmware, no disk and no operating system, says its first byte within a
//! millisecond and then does, line by line, what it is told over virtio-console or the first serial port.
//!
//! ```text
//!   boot/*.s    PVH or 64-bit entry ──► privilege level 3 ──► guest_main
//!   ring0       the few things that need privilege level 0, by `ud2`
//!   start_info, acpi, paging, memory, clock, interrupts, cpus, pci      the machine
//!   virtio/     disks, networks, console, entropy, balloon over PCI with MSI-X
//!   commands/   one file a group of commands; every answer is one line, `ok …` or `error …`
//! ```
//!
//! It runs at level 3 throughout, polls nothing and sleeps in `hlt` when it has nothing to do.

#![no_std]
#![no_main]

extern crate alloc;

mod acpi;
mod agent;
mod boot;
mod clock;
mod commands;
mod console;
mod cpus;
mod heap;
mod hotplug;
mod interrupts;
mod ioapic;
mod lapic;
mod machine;
mod memory;
mod paging;
mod pci;
mod power;
mod report;
mod ring0;
mod serial;
mod start_info;
mod text;
mod virtio;

use machine::Machine;

/// First Rust code of the boot CPU.
#[unsafe(no_mangle)]
extern "C" fn guest_main(_cpu: u64) -> ! {
    boot::clear_bss();
    interrupts::load();
    report::greet();
    let mut machine = Machine::discover();
    machine.greet();
    if boot::wakes() == 0 {
        commands::run_unattended(&mut machine);
    }
    loop {
        let seen = interrupts::seen();
        if !machine.serve() {
            interrupts::wait(seen);
        }
    }
}
