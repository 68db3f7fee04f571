//! Vector registers that must survive whatever the host does with the guest.

use alloc::format;
use core::arch::asm;

use super::Answer;
use crate::clock;
use crate::console::Origin;
use crate::machine::Machine;
use crate::text::Words;

const MS: u64 = 1_000_000;

/// `vectors SEED MS`: fills all 16 SSE registers, says so, holds them that long, and says whether they are what they were.
/// Handlers of interrupts do not touch them.
pub fn execute(machine: &mut Machine, origin: Origin, words: &mut Words<'_>) -> Answer {
    let (seed, ms) = (words.number("SEED")?, words.number("MS")?);
    // Measured before anybody is told: a clock that is saved and restored meanwhile would count the time between.
    let ticks = ms * ticks_per_ms();
    machine.consoles.say(origin, "reeve-guest: holding");
    let held: [u64; 32] = core::array::from_fn(|index| seed.wrapping_mul(2 * index as u64 + 1));
    let mut found = [0u64; 32];
    hold(&held, &mut found, clock::tsc() + ticks);
    match held.iter().zip(&found).position(|(held, found)| held != found) {
        None => Ok("intact".into()),
        Some(index) => Err(format!("xmm{} is {:#x} instead of {:#x}", index / 2, found[index], held[index])),
    }
}

/// How fast the time stamp counter goes.
fn ticks_per_ms() -> u64 {
    const SAMPLE: u64 = 5;
    let (start, tsc) = (clock::now(), clock::tsc());
    while clock::now() < start + SAMPLE * MS {
        core::hint::spin_loop();
    }
    (clock::tsc() - tsc) / SAMPLE
}

fn hold(held: &[u64; 32], found: &mut [u64; 32], deadline: u64) {
    // SAFETY: it reads and writes 256 bytes at two places that are 256 bytes each, and names every register it changes.
    unsafe {
        asm!(
            "movups xmm0, [{held}]", "movups xmm1, [{held} + 16]", "movups xmm2, [{held} + 32]",
            "movups xmm3, [{held} + 48]", "movups xmm4, [{held} + 64]", "movups xmm5, [{held} + 80]",
            "movups xmm6, [{held} + 96]", "movups xmm7, [{held} + 112]", "movups xmm8, [{held} + 128]",
            "movups xmm9, [{held} + 144]", "movups xmm10, [{held} + 160]", "movups xmm11, [{held} + 176]",
            "movups xmm12, [{held} + 192]", "movups xmm13, [{held} + 208]", "movups xmm14, [{held} + 224]",
            "movups xmm15, [{held} + 240]",
            "2:", "pause", "rdtsc", "shl rdx, 32", "or rax, rdx", "cmp rax, {deadline}", "jb 2b",
            "movups [{found}], xmm0", "movups [{found} + 16], xmm1", "movups [{found} + 32], xmm2",
            "movups [{found} + 48], xmm3", "movups [{found} + 64], xmm4", "movups [{found} + 80], xmm5",
            "movups [{found} + 96], xmm6", "movups [{found} + 112], xmm7", "movups [{found} + 128], xmm8",
            "movups [{found} + 144], xmm9", "movups [{found} + 160], xmm10", "movups [{found} + 176], xmm11",
            "movups [{found} + 192], xmm12", "movups [{found} + 208], xmm13", "movups [{found} + 224], xmm14",
            "movups [{found} + 240], xmm15",
            held = in(reg) held.as_ptr(), found = in(reg) found.as_mut_ptr(), deadline = in(reg) deadline,
            out("rax") _, out("rdx") _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
            out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack),
        );
    }
}
