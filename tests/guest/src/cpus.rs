//! The other processors: started at boot or when they come, asleep until there is something to spin for.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::{clock, interrupts, lapic};

/// How many processors have a stack (MAX_CPUS in boot/tables.s).
pub const MAX: u32 = 64;
/// The page, below 1 MiB, where the others begin (boot/application_cpu.s).
const TRAMPOLINE: usize = 0x8000;

static AWAKE: AtomicU32 = AtomicU32::new(1);
static SPIN_UNTIL: AtomicU64 = AtomicU64::new(0);
static SPINNERS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// Starts all other processors; they count themselves as they arrive, see `awake`.
pub fn start_others() {
    lapic::start_others((TRAMPOLINE >> 12) as u8);
}

/// Puts the code that they begin with where they find it.
pub fn prepare() {
    AWAKE.store(1, Ordering::SeqCst);
    let start = &raw const trampoline_start;
    let bytes = (&raw const trampoline_end) as usize - start as usize;
    // SAFETY: the page is ordinary memory whose loader data was copied before.
    unsafe { core::ptr::copy_nonoverlapping(start, TRAMPOLINE as *mut u8, bytes) };
}

/// Starts a processor that has come.
pub fn start(id: u8) {
    lapic::start(id, (TRAMPOLINE >> 12) as u8);
}

/// A processor that sleeps is about to go.
pub fn goes() {
    AWAKE.fetch_sub(1, Ordering::SeqCst);
}

/// How many processors run, this one included.
pub fn awake() -> u32 {
    AWAKE.load(Ordering::SeqCst)
}

/// Keeps `cpus` processors busy, this one included, until the clock shows `deadline`.
pub fn spin_until(deadline: u64, cpus: u32) {
    SPINNERS.store(cpus, Ordering::SeqCst);
    SPIN_UNTIL.store(deadline, Ordering::SeqCst);
    if cpus > 1 {
        lapic::interrupt_others(interrupts::WAKE);
    }
    spin(deadline);
}

fn spin(deadline: u64) {
    while clock::now() < deadline {
        spin_loop();
    }
}

/// First Rust code of every other CPU. It must not allocate: the heap belongs to the boot CPU.
#[unsafe(no_mangle)]
extern "C" fn application_cpu_main(number: u64) -> ! {
    lapic::enable();
    AWAKE.fetch_add(1, Ordering::SeqCst);
    loop {
        let seen = interrupts::seen();
        let deadline = SPIN_UNTIL.load(Ordering::SeqCst);
        if number < u64::from(SPINNERS.load(Ordering::SeqCst)) && clock::now() < deadline {
            spin(deadline);
        } else {
            interrupts::wait(seen);
        }
    }
}
