//! Processors, time and interrupts.

use alloc::format;
use alloc::string::String;

use virtio_drivers::device::blk::SECTOR_SIZE;

use super::Answer;
use crate::interrupts::{COM1, SCI, SELF_TEST, TIMER};
use crate::machine::Machine;
use crate::text::Words;
use crate::virtio::read_sector;
use crate::{clock, cpus, interrupts, lapic, ring0};

const MS: u64 = 1_000_000;
/// How long an interrupt may take before it counts as lost.
const PATIENCE: u64 = 10_000 * MS;
/// Requests in the proof that a device interrupts. Two interrupts of earlier requests may come late, the one that was held
/// back by the mask and the one the last request left behind, and count in place of one each; the third cannot.
const ROUNDS: usize = 3;

/// `cpus`: how many run, of how many are there and how many ACPI says may come. Waits a moment for those still on their way.
/// `cpus eject NUMBER`: lets go of one, whether the host wants it or not. `cpus auto on|off`: whether the guest follows the host by itself.
/// `cpus wake`: wakes all others while none runs.
pub fn count(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    match words.next("eject, auto or wake") {
        Ok("wake") if cpus::awake() == 1 => cpus::start_others(),
        Ok("eject") => {
            let number = words.number("NUMBER")?.min(63) as u8;
            return Ok(if machine.let_cpu_go(number) { "gone" } else { "still there" }.into());
        }
        Ok("auto") => {
            machine.cpu_hotplug.automatic = words.switch()?;
            return Ok(String::new());
        }
        Ok(other) => return Err(format!("there is no 'cpus {other}'")),
        Err(_) => {}
    }
    let deadline = clock::now() + PATIENCE;
    let expected = machine.expected_cpus.min(cpus::MAX);
    while cpus::awake() < expected && clock::now() < deadline {
        core::hint::spin_loop();
    }
    let mut report = format!("awake={} expected={}", cpus::awake(), machine.expected_cpus);
    if machine.possible_cpus > 0 {
        report += &format!(" possible={}", machine.possible_cpus);
    }
    Ok(report)
}

/// `cpuid [LEAF [SUBLEAF]]`: the registers, or without a leaf the names of CPU and hypervisor.
pub fn cpuid(words: &mut Words<'_>) -> Answer {
    if let Some(leaf) = words.leading_number() {
        let [eax, ebx, ecx, edx] = ring0::cpuid(leaf as u32, words.number_or("SUBLEAF", 0)? as u32);
        return Ok(format!("eax={eax:#010x} ebx={ebx:#010x} ecx={ecx:#010x} edx={edx:#010x}"));
    }
    let [_, ebx, ecx, edx] = ring0::cpuid(0, 0);
    let vendor = characters(&[ebx, edx, ecx]);
    let [_, signature @ ..] = ring0::cpuid(0x4000_0000, 0);
    let mut brand = String::new();
    for leaf in 0x8000_0002..=0x8000_0004 {
        brand += &characters(&ring0::cpuid(leaf, 0));
    }
    Ok(format!("vendor={vendor} hypervisor={} brand={}", characters(&signature), brand.trim()))
}

fn characters(registers: &[u32]) -> String {
    registers.iter().flat_map(|word| word.to_le_bytes()).filter(|byte| *byte != 0).map(char::from).collect()
}

/// `ticks [MS]`: timer interrupts at 100 Hz for that long, and what the clocks say about it.
pub fn ticks(words: &mut Words<'_>) -> Answer {
    const HZ: u64 = 100;
    let ms = words.number_or("MS", 100)?;
    let (before, start, tsc) = (interrupts::count(TIMER), clock::now(), clock::tsc());
    lapic::timer_periodic(HZ);
    while clock::now() < start + ms * MS {
        interrupts::wait(interrupts::seen());
    }
    lapic::timer_stop();
    let elapsed = clock::now() - start;
    let aux = clock::tsc_aux().map(|aux| format!(" tsc_aux={aux}")).unwrap_or_default();
    Ok(format!(
        "ticks={} elapsed_us={} tsc_per_us={} since_boot_ms={}{aux}",
        interrupts::count(TIMER) - before,
        elapsed / 1000,
        (clock::tsc() - tsc) * 1000 / elapsed.max(1),
        clock::now() / MS
    ))
}

/// `irq`: how often each source interrupted. `irq test`: proves delivery by sleeping until each of them comes.
pub fn interrupts(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    if words.next("test").is_ok_and(|word| word == "test") {
        return test(machine);
    }
    let mut report = format!(
        "total={} timer={} com1={} sci={}",
        interrupts::seen(),
        interrupts::count(TIMER),
        interrupts::count(COM1),
        interrupts::count(SCI)
    );
    let mut add = |name: &str, vector: u8| report += &format!(" {name}={}", interrupts::count(vector));
    if let Some(vector) = machine.consoles.virtio_vector() {
        add("console", vector);
    }
    for (index, slot) in machine.disks.iter().enumerate() {
        add(&format!("disk{index}"), slot.vector);
    }
    for (index, slot) in machine.networks.iter().enumerate() {
        add(&format!("net{index}"), slot.vector);
    }
    machine.entropy.iter().for_each(|slot| add("rng", slot.vector));
    machine.balloon.iter().for_each(|slot| add("balloon", slot.vector));
    Ok(report)
}

fn test(machine: &mut Machine) -> Answer {
    let mut report =
        format!("self={}us", arrival("a self interrupt", SELF_TEST, || lapic::interrupt_self(SELF_TEST))?);
    let timer = arrival("the timer's interrupt", TIMER, || lapic::timer_once(MS))?;
    report += &format!(" timer={timer}us");
    for (index, slot) in machine.disks.iter_mut().enumerate() {
        if slot.msix.is_none() {
            continue;
        }
        let mut sector = [0u8; SECTOR_SIZE];
        slot.interrupt_on_requests(true);
        let waited =
            woken("the disk", slot.vector, |wait| read_sector(&mut slot.device, 0, &mut sector, wait));
        slot.interrupt_on_requests(false);
        report += &format!(" disk{index}={}us", waited?);
    }
    if let Some(slot) = &mut machine.entropy {
        let mut byte = [0u8; 1];
        let waited =
            woken("the entropy device", slot.vector, |wait| slot.device.request(&mut byte, wait).map(drop));
        report += &format!(" rng={}us", waited?);
    }
    Ok(report)
}

/// Microseconds that the slowest of some requests took, each slept through until the device's interrupt. The queue is
/// not looked at before: with EVENT_IDX that would tell the device that no interrupt is needed.
fn woken(
    name: &str,
    vector: u8,
    mut request: impl FnMut(&mut dyn FnMut()) -> virtio_drivers::Result,
) -> Result<u64, String> {
    let mut slowest = 0;
    for _ in 0..ROUNDS {
        let (before, start) = (interrupts::count(vector), clock::now());
        let mut arrived = None;
        let outcome = request(&mut || match arrived {
            None => arrived = Some(sleep_until_interrupt(vector, before)),
            Some(_) => core::hint::spin_loop(),
        });
        outcome.map_err(|error| format!("{name}: {error}"))?;
        if arrived != Some(true) {
            return Err(format!("the interrupt of {name} did not arrive"));
        }
        slowest = slowest.max(clock::now() - start);
    }
    Ok(slowest / 1000)
}

/// Sleeps in `hlt` until a vector was delivered more than `before` times; false when it takes too long.
fn sleep_until_interrupt(vector: u8, before: u64) -> bool {
    let deadline = clock::now() + PATIENCE;
    loop {
        let seen = interrupts::seen();
        if interrupts::count(vector) != before {
            return true;
        }
        let now = clock::now();
        if now >= deadline {
            return false;
        }
        lapic::timer_once(deadline - now);
        interrupts::wait(seen);
        lapic::timer_stop();
    }
}

/// Microseconds from `cause` to the interrupt it must bring.
fn arrival(name: &str, vector: u8, cause: impl FnOnce()) -> Result<u64, String> {
    let (before, start) = (interrupts::count(vector), clock::now());
    cause();
    while interrupts::count(vector) == before {
        if clock::now() > start + PATIENCE {
            return Err(format!("{name} did not arrive"));
        }
        core::hint::spin_loop();
    }
    Ok((clock::now() - start) / 1000)
}

/// `spin SECONDS [CPUS]`: keeps processors busy.
pub fn spin(machine: &Machine, words: &mut Words<'_>) -> Answer {
    let seconds = words.number("SECONDS")?;
    let busy = words.number_or("CPUS", 1)?.clamp(1, machine.expected_cpus.into()) as u32;
    cpus::spin_until(clock::now() + seconds * 1000 * MS, busy);
    Ok(format!("cpus={busy} seconds={seconds}"))
}
