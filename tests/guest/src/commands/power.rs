//! Ways to end.

use alloc::format;

use super::Answer;
use crate::console::Origin;
use crate::machine::Machine;
use crate::ring0;
use crate::text::Words;

/// `poweroff`: by ACPI.
pub fn off(machine: &mut Machine, origin: Origin) -> Answer {
    machine.consoles.say(origin, "ok powering off");
    Err(machine.power.off().into())
}

/// `suspend [protected]`: to memory, woken in real mode or in protected mode. `suspend disk`: to disk.
pub fn suspend(machine: &mut Machine, origin: Origin, words: &mut Words<'_>) -> Answer {
    let how = words.next("protected or disk").unwrap_or("real");
    machine.consoles.say(origin, &format!("ok suspending by {how}"));
    Err(match how {
        "disk" => machine.power.hibernate(),
        how => machine.power.suspend(how == "protected"),
    }
    .into())
}

/// `reboot`: by the reset register or the keyboard controller.
pub fn reboot(machine: &mut Machine, origin: Origin) -> Answer {
    machine.consoles.say(origin, "ok rebooting");
    Err(machine.power.reset().into())
}

/// `crash [triple|ud|emulate|hang]`: a triple fault; an invalid instruction, reported and then a triple fault; an
/// instruction that KVM's emulator lacks, at level 0; a CPU that halts with interrupts off.
pub fn crash(machine: &mut Machine, origin: Origin, words: &mut Words<'_>) -> Answer {
    let kind = words.next("triple").unwrap_or("triple");
    if !["triple", "ud", "emulate", "hang"].contains(&kind) {
        return Err(format!("there is no 'crash {kind}'"));
    }
    machine.consoles.say(origin, &format!("ok crashing by {kind}"));
    match kind {
        "triple" => ring0::triple_fault(),
        "hang" => ring0::halt_forever(),
        "emulate" => {
            ring0::unemulated();
            Err("the instruction ran".into())
        }
        // SAFETY: without the call's magic number in r10 the exception is reported, and does not return.
        _ => unsafe { core::arch::asm!("xor r10d, r10d", "ud2", options(noreturn)) },
    }
}
