//! Notes of a core: what debuggers know of a thread, and what crash(8) wants to know of a virtual CPU besides.

use kvm_bindings::{kvm_dtable, kvm_segment};

use crate::hypervisor::VcpuRegisters;

const NT_PRSTATUS: u32 = 1;
/// Bytes of a thread's status for x86-64.
const STATUS: usize = 336;
/// Where the thread's number is in it, and its registers.
const STATUS_ID: usize = 32;
const STATUS_REGISTERS: usize = 112;
/// Type and version of the note that names control registers and segments.
const CPU_STATE: u32 = 0;
const CPU_STATE_VERSION: u32 = 1;

/// The notes of all vCPUs, in their order.
pub(super) fn notes(vcpus: &[VcpuRegisters]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, vcpu) in (1..).zip(vcpus) {
        note(&mut bytes, b"CORE\0", NT_PRSTATUS, &status(number, vcpu));
    }
    for vcpu in vcpus {
        note(&mut bytes, b"QEMU\0", CPU_STATE, &cpu_state(vcpu));
    }
    bytes
}

fn note(bytes: &mut Vec<u8>, name: &[u8], kind: u32, body: &[u8]) {
    for word in [name.len() as u32, body.len() as u32, kind] {
        bytes.extend(word.to_le_bytes());
    }
    for part in [name, body] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
}

/// A thread's status. Threads are numbered from 1.
fn status(number: u32, vcpu: &VcpuRegisters) -> Vec<u8> {
    let VcpuRegisters { regs, sregs, .. } = vcpu;
    let registers = [
        regs.r15,
        regs.r14,
        regs.r13,
        regs.r12,
        regs.rbp,
        regs.rbx,
        regs.r11,
        regs.r10,
        regs.r9,
        regs.r8,
        regs.rax,
        regs.rcx,
        regs.rdx,
        regs.rsi,
        regs.rdi,
        // No system call is under way as far as the host can know.
        u64::MAX,
        regs.rip,
        sregs.cs.selector.into(),
        regs.rflags,
        regs.rsp,
        sregs.ss.selector.into(),
        sregs.fs.base,
        sregs.gs.base,
        sregs.ds.selector.into(),
        sregs.es.selector.into(),
        sregs.fs.selector.into(),
        sregs.gs.selector.into(),
    ];
    let mut bytes = vec![0; STATUS_ID];
    bytes.extend(number.to_le_bytes());
    bytes.resize(STATUS_REGISTERS, 0);
    registers.iter().for_each(|register| bytes.extend(register.to_le_bytes()));
    bytes.resize(STATUS, 0);
    bytes
}

fn cpu_state(vcpu: &VcpuRegisters) -> Vec<u8> {
    let VcpuRegisters { regs, sregs, kernel_gs_base } = vcpu;
    let general = [
        regs.rax,
        regs.rbx,
        regs.rcx,
        regs.rdx,
        regs.rsi,
        regs.rdi,
        regs.rsp,
        regs.rbp,
        regs.r8,
        regs.r9,
        regs.r10,
        regs.r11,
        regs.r12,
        regs.r13,
        regs.r14,
        regs.r15,
        regs.rip,
        regs.rflags,
    ];
    let mut body = Vec::new();
    general.iter().for_each(|register| body.extend(register.to_le_bytes()));
    for each in [sregs.cs, sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss, sregs.ldt, sregs.tr] {
        segment(&mut body, &each);
    }
    for table in [sregs.gdt, sregs.idt] {
        descriptor_table(&mut body, &table);
    }
    // CR1 does not exist.
    for register in [sregs.cr0, 0, sregs.cr2, sregs.cr3, sregs.cr4, *kernel_gs_base] {
        body.extend(register.to_le_bytes());
    }
    let mut bytes = CPU_STATE_VERSION.to_le_bytes().to_vec();
    bytes.extend((body.len() as u32 + 8).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// A segment register: its flags are as in the second word of a descriptor.
fn segment(bytes: &mut Vec<u8>, segment: &kvm_segment) {
    let flag = |value: u8, bit: u32| u32::from(value) << bit;
    let flags = flag(segment.type_, 8)
        | flag(segment.s, 12)
        | flag(segment.dpl, 13)
        | flag(segment.present, 15)
        | flag(segment.avl, 20)
        | flag(segment.l, 21)
        | flag(segment.db, 22)
        | flag(segment.g, 23);
    for word in [u32::from(segment.selector), segment.limit, flags, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(segment.base.to_le_bytes());
}

fn descriptor_table(bytes: &mut Vec<u8>, table: &kvm_dtable) {
    for word in [0, u32::from(table.limit), 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(table.base.to_le_bytes());
}
