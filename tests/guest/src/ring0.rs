//! Calls into privilege level 0. `ud2` is the gate: unlike `syscall` and `int` it works on every KVM back end.

use core::arch::asm;

/// Marks a `ud2` as a call; the same number stands in boot/interrupts.s.
const RING0_CALL: u64 = 0x5249_4e47;

unsafe extern "C" {
    fn ring0_in8();
    fn ring0_in16();
    fn ring0_in32();
    fn ring0_out8();
    fn ring0_out16();
    fn ring0_out32();
    fn ring0_write_bytes();
    fn ring0_write_msr();
    fn ring0_cpuid();
    fn ring0_reload_page_map();
    fn ring0_wait();
    fn ring0_halt_forever();
    fn ring0_triple_fault();
    fn ring0_unemulated();
}

/// Runs one of the services of boot/ring0.s.
///
/// # Safety
/// The arguments must be what the service expects.
unsafe fn call(service: unsafe extern "C" fn(), first: u64, second: u64, third: u64) -> u64 {
    let result;
    // SAFETY: the handler returns behind the ud2 with every register but those listed here unchanged.
    unsafe {
        asm!("ud2",
            out("rax") result,
            inout("rdi") first => _, inout("rsi") second => _, inout("rdx") third => _,
            inout("r11") service as usize as u64 => _, inout("r10") RING0_CALL => _,
            out("rcx") _, out("r8") _, out("r9") _);
    }
    result
}

/// Reads an I/O port of one byte.
pub fn in8(port: u16) -> u8 {
    // SAFETY: reading a port touches no memory.
    unsafe { call(ring0_in8, port.into(), 0, 0) as u8 }
}

/// Reads an I/O port of two bytes.
pub fn in16(port: u16) -> u16 {
    // SAFETY: as for `in8`.
    unsafe { call(ring0_in16, port.into(), 0, 0) as u16 }
}

/// Reads an I/O port of four bytes.
pub fn in32(port: u16) -> u32 {
    // SAFETY: as for `in8`.
    unsafe { call(ring0_in32, port.into(), 0, 0) as u32 }
}

/// Writes an I/O port of one byte.
pub fn out8(port: u16, value: u8) {
    // SAFETY: no port of this machine writes memory by itself.
    unsafe { call(ring0_out8, port.into(), value.into(), 0) };
}

/// Writes an I/O port of two bytes.
pub fn out16(port: u16, value: u16) {
    // SAFETY: as for `out8`.
    unsafe { call(ring0_out16, port.into(), value.into(), 0) };
}

/// Writes an I/O port of four bytes.
pub fn out32(port: u16, value: u32) {
    // SAFETY: as for `out8`.
    unsafe { call(ring0_out32, port.into(), value.into(), 0) };
}

/// Writes all bytes to one I/O port, in one call.
pub fn write_bytes(port: u16, bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: the service reads exactly the slice.
        unsafe { call(ring0_write_bytes, port.into(), bytes.as_ptr() as u64, bytes.len() as u64) };
    }
}

/// Writes a model-specific register.
///
/// # Safety
/// The value must keep the CPU in a state that Rust code can run in.
pub unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: promised by the caller.
    unsafe { call(ring0_write_msr, register.into(), value, 0) };
}

/// CPUID as the hypervisor set it up (eax, ebx, ecx, edx); at level 3 the instruction may show the host's values.
pub fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let mut registers = [0u32; 4];
    // SAFETY: the service writes four u32 to the address.
    unsafe { call(ring0_cpuid, leaf.into(), subleaf.into(), registers.as_mut_ptr() as u64) };
    registers
}

/// Makes the CPU forget cached translations after a change of the page tables.
pub fn reload_page_map() {
    // SAFETY: loads the same page table root again.
    unsafe { call(ring0_reload_page_map, 0, 0, 0) };
}

/// Sleeps until the next interrupt, or returns at once if one came since `seen` was read.
pub fn wait(seen: u64) {
    // SAFETY: interrupts are counted by the handlers and nothing else happens meanwhile.
    unsafe { call(ring0_wait, seen, 0, 0) };
}

/// Halts this CPU with interrupts off: it looks alive and never answers again.
pub fn halt_forever() -> ! {
    // SAFETY: the service does not return.
    unsafe { call(ring0_halt_forever, 0, 0, 0) };
    unreachable!("the CPU was halted")
}

/// Triple-faults, which a VMM sees as a shutdown exit.
pub fn triple_fault() -> ! {
    // SAFETY: the service does not return.
    unsafe { call(ring0_triple_fault, 0, 0, 0) };
    unreachable!("the CPU was shut down")
}

/// Runs an instruction that KVM's emulator lacks; returns where the hardware runs level 0 itself.
pub fn unemulated() {
    // SAFETY: the service loads and drops a floating-point number.
    unsafe { call(ring0_unemulated, 0, 0, 0) };
}
