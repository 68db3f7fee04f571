//! Processors, time and interrupts.

use alloc::format;
use alloc::string::String;

use super::Answer;
use crate::interrupts::{COM1, SCI, SELF_TEST, TIMER};
use crate::machine::Machine;
use crate::text::Words;
use crate::{clock, cpus, interrupts, lapic, ring0};

const MS: u64 = 1_000_000;
/// How long an interrupt may take before it counts as lost.
const PATIENCE: u64 = 2000 * MS;

/// `cpus`: how many run, of how many ACPI names. Waits a moment for those still on their way.
pub fn count(machine: &Machine) -> Answer {
    let deadline = clock::now() + PATIENCE;
    let expected = machine.expected_cpus.min(cpus::MAX);
    while cpus::awake() < expected && clock::now() < deadline {
        core::hint::spin_loop();
    }
    Ok(format!("awake={} expected={}", cpus::awake(), machine.expected_cpus))
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
        let Some(msix) = slot.msix else { continue };
        let mut sector = [0u8; 512];
        let disk = &mut slot.device;
        let mut outcome = Ok(());
        msix.mask(false);
        let waited =
            arrival("the disk's interrupt", slot.vector, || outcome = disk.read_blocks(0, &mut sector));
        msix.mask(true);
        outcome.map_err(|error| format!("disk {index}: {error}"))?;
        report += &format!(" disk{index}={}us", waited?);
    }
    if let Some(slot) = &mut machine.entropy {
        let mut byte = [0u8; 1];
        let (device, vector) = (&mut slot.device, slot.vector);
        let mut outcome = Ok(0);
        let waited =
            arrival("the entropy device's interrupt", vector, || outcome = device.request_entropy(&mut byte));
        outcome.map_err(|error| format!("rng: {error}"))?;
        report += &format!(" rng={}us", waited?);
    }
    Ok(report)
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
