//! Vector registers that must survive whatever the host does with the guest.

use alloc::format;
use core::arch::asm;

use super::Answer;
use crate::console::Origin;
use crate::machine::Machine;
use crate::text::Words;
use crate::{clock, ring0};

const MS: u64 = 1_000_000;
const REGISTERS: usize = 16;
/// What is in all of them, so many words each.
type Registers<const WORDS: usize> = [[u64; WORDS]; REGISTERS];
/// XSAVE and AVX in ecx of CPUID 1: what boot/entry.s wants before it lets the registers be wide.
const WIDE: u32 = 1 << 26 | 1 << 28;

/// `vectors SEED MS`: fills all 16 vector registers, with AVX in all their width, says so, holds them that long, and says whether they are what
/// they were. Handlers of interrupts do not touch them.
pub fn execute(machine: &mut Machine, origin: Origin, words: &mut Words<'_>) -> Answer {
    let (seed, ms) = (words.number("SEED")?, words.number("MS")?);
    let wide = ring0::cpuid(1, 0)[2] & WIDE == WIDE;
    // Measured before anybody is told: a clock that is saved and restored meanwhile would count the time between.
    let ticks = ms * ticks_per_ms();
    machine.consoles.say(origin, "reeve-guest: holding");
    let deadline = clock::tsc() + ticks;
    if wide { check(seed, deadline, "ymm", hold_256) } else { check(seed, deadline, "xmm", hold_128) }
}

/// Holds registers of so many words each, and compares.
fn check<const WORDS: usize>(
    seed: u64,
    deadline: u64,
    kind: &str,
    hold: fn(&Registers<WORDS>, &mut Registers<WORDS>, u64),
) -> Answer {
    let word = |index: usize| seed.wrapping_mul(2 * index as u64 + 1);
    let held: Registers<WORDS> =
        core::array::from_fn(|register| core::array::from_fn(|part| word(register * WORDS + part)));
    let mut found = [[0; WORDS]; REGISTERS];
    hold(&held, &mut found, deadline);
    match (0..REGISTERS).find(|register| held[*register] != found[*register]) {
        None => Ok(format!("intact, {} bits each", 64 * WORDS)),
        Some(number) => Err(format!("{kind}{number} is {:x?} instead of {:x?}", found[number], held[number])),
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

/// Text between which the numbers of all registers stand, twice in a line.
macro_rules! each {
    ($first:expr, $second:expr, $third:expr) => {
        each!($first, $second, $third; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    ($first:expr, $second:expr, $third:expr; $($number:literal)*) => {
        concat!($($first, $number, $second, $number, $third, "\n"),*)
    };
}

macro_rules! holder {
    ($name:ident, $words:literal, $move:literal, $register:literal, $bytes:literal, $end:literal) => {
        fn $name(
            held: &Registers<$words>,
            found: &mut Registers<$words>,
            deadline: u64,
        ) {
            // SAFETY: it reads one array of 16 times so many bytes and writes another, and names every register it changes; the caller knows
            // that there are such registers.
            unsafe {
                asm!(
                    each!(concat!($move, " ", $register), concat!(", [{held} + ", $bytes, " * "), "]"),
                    "2:", "pause", "rdtsc", "shl rdx, 32", "or rax, rdx", "cmp rax, {deadline}", "jb 2b",
                    each!(concat!($move, " [{found} + ", $bytes, " * "), concat!("], ", $register), ""),
                    $end,
                    held = in(reg) held.as_ptr(), found = in(reg) found.as_mut_ptr(), deadline = in(reg) deadline,
                    out("rax") _, out("rdx") _,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                    out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                    out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                    options(nostack),
                );
            }
        }
    };
}

holder!(hold_128, 2, "movups", "xmm", "16", "nop");
holder!(hold_256, 4, "vmovups", "ymm", "32", "vzeroupper");
