//! The test guest (tests/guest) and domain documents that boot it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::command::binary;

/// The built test guest.
#[derive(Debug, Clone)]
pub struct Guest {
    kernel: PathBuf,
}

impl Guest {
    /// The guest that `cargo xtask guest` built.
    pub fn locate() -> anyhow::Result<Self> {
        let target = binary()?;
        let target = target.ancestors().nth(2).context("the binary is in target/PROFILE/")?;
        let kernel = target.join("guest/reeve-guest.elf");
        kernel
            .metadata()
            .with_context(|| format!("{} is missing; 'cargo xtask guest' builds it", kernel.display()))?;
        Ok(Self { kernel })
    }

    /// Path of its ELF file.
    pub fn kernel(&self) -> &Path {
        &self.kernel
    }

    /// What it answers when its vector registers are what they were: on a machine with AVX, all of them.
    pub fn vectors_intact() -> &'static str {
        if std::arch::is_x86_feature_detected!("avx") {
            "ok intact, 256 bits each"
        } else {
            "ok intact, 128 bits each"
        }
    }

    /// A domain with one vCPU and a serial console that boots it.
    pub fn document(&self, name: &str, memory_mib: u64) -> String {
        self.document_with(name, memory_mib, "", "<serial type='pty'><target port='0'/></serial>")
    }

    /// A domain that boots it with a command line and devices of the test's choice.
    pub fn document_with(&self, name: &str, memory_mib: u64, cmdline: &str, devices: &str) -> String {
        let kernel = self.kernel.display();
        format!(
            "<domain type='kvm'>\
               <name>{name}</name>\
               <memory unit='MiB'>{memory_mib}</memory>\
               <vcpu>1</vcpu>\
               <os><type arch='x86_64'>hvm</type><kernel>{kernel}</kernel><cmdline>{cmdline}</cmdline></os>\
               <features><acpi/><apic/></features>\
               <devices>{devices}</devices>\
             </domain>"
        )
    }
}

/// What the test guest's `disk sum` says of these bytes: FNV-1a with 64 bits.
pub fn disk_sum(bytes: &[u8]) -> String {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}
