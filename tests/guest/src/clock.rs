//! Time since boot, from the TSC by the scale that KVM's paravirtual clock gives. The scale is read every time: it
//! changes when a guest is migrated to a host with another clock rate.

use core::arch::x86_64::{__rdtscp, _mm_lfence, _rdtsc};
use core::sync::atomic::{AtomicU64, Ordering};

use crate::{interrupts, lapic, ring0};

const HYPERVISOR_LEAF: u32 = 0x4000_0000;
const KVM_FEATURES_LEAF: u32 = 0x4000_0001;
const KVM_SIGNATURE: [u32; 3] = [0x4b4d_564b, 0x564b_4d56, 0x0000_004d];
const CLOCKSOURCE2: u32 = 1 << 3;
const SYSTEM_TIME_MSR: u32 = 0x4b56_4d01;
const ENABLE: u64 = 1;
/// Assumed where no paravirtual clock is.
const FALLBACK_TSC_PER_US: u64 = 2000;

/// What the host writes (pvclock_vcpu_time_info).
#[repr(C, align(64))]
struct ParavirtualTime {
    version: u32,
    padding: u32,
    tsc: u64,
    system_ns: u64,
    multiplier: u32,
    shift: i8,
    flags: u8,
    reserved: [u8; 2],
}

static mut TIME: ParavirtualTime = ParavirtualTime {
    version: 0,
    padding: 0,
    tsc: 0,
    system_ns: 0,
    multiplier: 0,
    shift: 0,
    flags: 0,
    reserved: [0; 2],
};
static BOOT_NS: AtomicU64 = AtomicU64::new(0);

/// Asks the host to keep its clock page up to date. Returns false where there is no such clock.
pub fn start() -> bool {
    let [_, vendor @ ..] = ring0::cpuid(HYPERVISOR_LEAF, 0);
    let available = vendor == KVM_SIGNATURE && ring0::cpuid(KVM_FEATURES_LEAF, 0)[0] & CLOCKSOURCE2 != 0;
    if available {
        // SAFETY: the host writes only TIME, which nothing else writes.
        unsafe { ring0::write_msr(SYSTEM_TIME_MSR, (&raw const TIME) as u64 | ENABLE) };
    }
    BOOT_NS.store(absolute_ns(), Ordering::Relaxed);
    available
}

/// Whether the host keeps a clock page up to date.
pub fn is_paravirtual() -> bool {
    // SAFETY: the host writes the field; whatever it reads is a number.
    unsafe { (&raw const TIME).cast::<u8>().add(24).cast::<u32>().read_volatile() != 0 }
}

/// Nanoseconds since `start`.
pub fn now() -> u64 {
    absolute_ns().saturating_sub(BOOT_NS.load(Ordering::Relaxed))
}

/// The raw time stamp counter.
pub fn tsc() -> u64 {
    // SAFETY: both instructions exist on every CPU that runs 64-bit code.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

/// The number that the TSC's companion register carries, if CPUID says it exists.
pub fn tsc_aux() -> Option<u32> {
    const RDTSCP: u32 = 1 << 27;
    (ring0::cpuid(0x8000_0001, 0)[3] & RDTSCP != 0).then(|| {
        let mut aux = 0;
        // SAFETY: the instruction exists.
        unsafe { __rdtscp(&mut aux) };
        aux
    })
}

/// Sleeps in `hlt` until the clock shows `deadline`, or some interrupt comes; check again afterwards.
pub fn doze_until(deadline: u64) {
    let seen = interrupts::seen();
    let now = now();
    if now < deadline {
        lapic::timer_once(deadline - now);
        interrupts::wait(seen);
        lapic::timer_stop();
    }
}

/// Sleeps in `hlt` for so many nanoseconds, whatever interrupts come.
pub fn sleep(ns: u64) {
    let deadline = now() + ns;
    while now() < deadline {
        doze_until(deadline);
    }
}

fn absolute_ns() -> u64 {
    let time = &raw const TIME;
    loop {
        // SAFETY: the host writes the page between two increments of the version, odd while it writes.
        let (before, base, system, multiplier, shift) = unsafe {
            (
                (&raw const (*time).version).read_volatile(),
                (&raw const (*time).tsc).read_volatile(),
                (&raw const (*time).system_ns).read_volatile(),
                (&raw const (*time).multiplier).read_volatile(),
                (&raw const (*time).shift).read_volatile(),
            )
        };
        let ticks = tsc().saturating_sub(base);
        // SAFETY: as above.
        let after = unsafe { (&raw const (*time).version).read_volatile() };
        if before != after || before & 1 == 1 {
            continue;
        }
        if multiplier == 0 {
            return ticks * 1000 / FALLBACK_TSC_PER_US;
        }
        let scaled = if shift >= 0 { ticks << shift } else { ticks >> -shift };
        return system + ((u128::from(scaled) * u128::from(multiplier)) >> 32) as u64;
    }
}
