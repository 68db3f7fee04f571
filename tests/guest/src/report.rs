//! What the guest says without being asked, and how it dies.

use core::fmt::Arguments;
use core::panic::PanicInfo;

use crate::boot::{self, Entry};
use crate::{ring0, serial};

/// Ends the line that the entry code began with its first byte.
pub fn greet() {
    let entry = match boot::parameters().0 {
        Entry::Pvh => "pvh",
        Entry::Linux64 => "linux64",
    };
    serial::print(format_args!("eeve-guest: entered by {entry}\n"));
}

/// Says why on the serial port and triple-faults, as an operating system that is told not to linger.
pub fn die(reason: Arguments<'_>) -> ! {
    serial::print(format_args!("reeve-guest: panic: {reason}\n"));
    ring0::triple_fault()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    die(format_args!("{info}"))
}

/// Named by landing pads in the precompiled `alloc`; nothing unwinds here, since a panic ends the guest.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    die(format_args!("a panic unwound"))
}
