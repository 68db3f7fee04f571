//! Memory patterns and dirtying.

use alloc::format;

use super::Answer;
use crate::clock;
use crate::machine::Machine;
use crate::memory::{MIB, PAGE, Words as Run};
use crate::text::Words;

const WORDS_A_PAGE: u64 = PAGE / 8;
const SECOND: u64 = 1_000_000_000;

/// `mem info | write PATTERN MIB | verify PATTERN MIB | fill PATTERN MIB`. `write` mixes each word's address into the
/// pattern, so that a page in the wrong place shows; `fill` makes all pages alike, for page merging.
pub fn execute(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let verb = words.next("write, verify, fill or info")?;
    if verb == "info" {
        return Ok(format!("total={} free={}", machine.total_memory, machine.memory.bytes()));
    }
    let pattern = words.number("PATTERN")?;
    let mib = words.number("MIB")?;
    let runs = machine.memory.words(mib)?;
    let start = clock::now();
    match verb {
        "write" => runs.into_iter().for_each(|mut run| fill(&mut run, |address| pattern ^ address)),
        "fill" => runs.into_iter().for_each(|mut run| fill(&mut run, |_| pattern)),
        "verify" => runs.iter().try_for_each(|run| verify(run, pattern))?,
        other => return Err(format!("there is no 'mem {other}'")),
    }
    Ok(format!("{verb} mib={mib} us={}", (clock::now() - start) / 1000))
}

/// Writes a value to every word of a run.
pub fn fill(run: &mut Run, value: impl Fn(u64) -> u64) {
    for index in 0..run.count() {
        run.write(index, value(run.address(index)));
    }
}

/// Looks whether `write` wrote every word of a run.
pub fn verify(run: &Run, pattern: u64) -> Result<(), alloc::string::String> {
    for index in 0..run.count() {
        let (wanted, found) = (pattern ^ run.address(index), run.read(index));
        if wanted != found {
            return Err(format!("at {:#x}: wanted {wanted:#x}, found {found:#x}", run.address(index)));
        }
    }
    Ok(())
}

/// `dirty RATE MIB SECONDS`: writes to RATE mebibytes' worth of pages a second (0: as many as possible), round and
/// round over MIB mebibytes. Each page must still have what was written there a round before: a page that was lost on a move shows.
pub fn dirty(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    const BREATH: u64 = SECOND / 1000;
    let (rate, mib, seconds) = (words.number("RATE")?, words.number("MIB")?.max(1), words.number("SECONDS")?);
    let mut runs = machine.memory.words(mib)?;
    let start = clock::now();
    let pages_a_second = rate * MIB / PAGE;
    let round: u64 = runs.iter().map(|run| run.count().div_ceil(WORDS_A_PAGE)).sum();
    let (mut dirtied, mut run, mut page) = (0u64, 0, 0);
    loop {
        let elapsed = clock::now() - start;
        if elapsed >= seconds * SECOND {
            return Ok(format!("pages={dirtied} us={}", elapsed / 1000));
        }
        let due =
            if rate == 0 { dirtied + 1024 } else { (pages_a_second * (elapsed / 1000)) / (SECOND / 1000) };
        while dirtied < due {
            dirtied += 1;
            let (before, found) = (dirtied.saturating_sub(round), runs[run].read(page * WORDS_A_PAGE));
            if before > 0 && before != found {
                let address = runs[run].address(page * WORDS_A_PAGE);
                return Err(format!("at {address:#x}: wanted {before}, found {found}"));
            }
            runs[run].write(page * WORDS_A_PAGE, dirtied);
            page += 1;
            if page * WORDS_A_PAGE >= runs[run].count() {
                page = 0;
                run = (run + 1) % runs.len();
            }
        }
        if rate != 0 {
            clock::doze_until(clock::now() + BREATH);
        }
    }
}
