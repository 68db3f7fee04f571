//! The state a vCPU has at its first instruction.

use kvm_bindings::{Msrs, kvm_msr_entry, kvm_regs, kvm_segment};

use super::{HypervisorError, Tried, Vcpu};
use crate::layout;

const CR0_PE: u64 = 1;
const CR0_ET: u64 = 1 << 4;
const CR0_PG: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LME: u64 = 1 << 8;
const EFER_LMA: u64 = 1 << 10;
const RFLAGS_RESERVED: u64 = 2;
const MSR_MTRR_DEFAULT_TYPE: u32 = 0x2ff;
/// MTRRs on, write-back by default.
const MTRR_WRITE_BACK: u64 = 1 << 11 | 6;
const MSR_MISC_ENABLE: u32 = 0x1a0;
const MISC_FAST_STRING: u64 = 1;

/// How the first vCPU enters a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootState {
    /// PVH: 32-bit protected mode without paging, `ebx` points to `hvm_start_info`.
    Pvh {
        /// Address of the entry point.
        entry: u64,
    },
    /// Woken up: 32-bit protected mode without paging.
    Protected {
        /// Address of the entry point.
        entry: u64,
    },
    /// Woken up: real mode.
    Real {
        /// Address of the entry point, below 1 MiB.
        entry: u32,
    },
    /// 64-bit Linux boot protocol: long mode with the first 4 GiB mapped, `rsi` points to the zero page. Page tables
    /// and GDT are in guest memory at the addresses of the layout.
    Long {
        /// Address of the entry point.
        entry: u64,
    },
}

/// The GDT of 64-bit boot: null, unused, code (0x10), data (0x18), task state (0x20).
pub const BOOT_GDT: [u64; 6] = [0, 0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x0000_8b00_0000_0067, 0];

const CODE_SELECTOR: u16 = 0x10;
const DATA_SELECTOR: u16 = 0x18;
const TASK_SELECTOR: u16 = 0x20;

fn segment(selector: u16, type_: u8) -> kvm_segment {
    kvm_segment { limit: 0xffff_ffff, selector, type_, present: 1, s: 1, g: 1, ..Default::default() }
}

impl Vcpu {
    /// Puts the vCPU before the first instruction of a kernel.
    pub fn set_boot_state(&self, boot: BootState) -> Result<(), HypervisorError> {
        let mut sregs = self.fd.get_sregs().tried_to("read vCPU registers")?;
        if let BootState::Real { entry } = boot {
            // All else is as at power-on.
            sregs.cs.selector = (entry >> 4) as u16;
            sregs.cs.base = u64::from(entry & !0xf);
            let regs =
                kvm_regs { rflags: RFLAGS_RESERVED, rip: u64::from(entry & 0xf), ..Default::default() };
            self.fd.set_sregs(&sregs).tried_to("set vCPU registers")?;
            return self.fd.set_regs(&regs).tried_to("set vCPU registers");
        }
        let (data, code) = (segment(DATA_SELECTOR, 3), segment(CODE_SELECTOR, 11));
        let data = kvm_segment { db: 1, ..data };
        for target in [&mut sregs.ds, &mut sregs.es, &mut sregs.fs, &mut sregs.gs, &mut sregs.ss] {
            *target = data;
        }
        let task =
            kvm_segment { limit: 0x67, selector: TASK_SELECTOR, type_: 11, present: 1, ..Default::default() };
        sregs.tr = task;
        let mut regs = kvm_regs { rflags: RFLAGS_RESERVED, ..Default::default() };
        match boot {
            BootState::Real { .. } => {}
            BootState::Protected { entry } | BootState::Pvh { entry } => {
                sregs.cs = kvm_segment { db: 1, ..code };
                sregs.cr0 = CR0_PE | CR0_ET;
                sregs.cr4 = 0;
                sregs.efer = 0;
                regs.rip = entry;
                if matches!(boot, BootState::Pvh { .. }) {
                    regs.rbx = layout::PVH_INFO;
                }
            }
            BootState::Long { entry } => {
                sregs.cs = kvm_segment { l: 1, ..code };
                sregs.gdt.base = layout::BOOT_GDT;
                sregs.gdt.limit = (size_of_val(&BOOT_GDT) - 1) as u16;
                sregs.cr3 = layout::BOOT_PAGE_TABLES;
                sregs.cr4 = CR4_PAE;
                sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
                sregs.efer = EFER_LME | EFER_LMA;
                regs.rip = entry;
                regs.rsi = layout::ZERO_PAGE;
                regs.rsp = layout::BOOT_STACK;
            }
        }
        self.fd.set_sregs(&sregs).tried_to("set vCPU registers")?;
        self.fd.set_regs(&regs).tried_to("set vCPU registers")
    }

    /// What firmware sets on every CPU: memory is cached, string instructions are fast. Hosts that don't let these be
    /// set don't need them.
    pub fn set_firmware_msrs(&self) -> Result<(), HypervisorError> {
        for (index, data) in [(MSR_MTRR_DEFAULT_TYPE, MTRR_WRITE_BACK), (MSR_MISC_ENABLE, MISC_FAST_STRING)] {
            let entry = kvm_msr_entry { index, data, ..Default::default() };
            let msrs = Msrs::from_entries(&[entry])
                .map_err(|_| HypervisorError::Missing("model-specific registers"))?;
            self.fd.set_msrs(&msrs).tried_to("set model-specific registers")?;
        }
        Ok(())
    }
}
