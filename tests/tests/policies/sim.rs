//! Simulated domains to ask policies about.

use reeve_tests::{Daemon, Run};

/// A simulated domain.
#[derive(Debug, Clone, Copy)]
pub struct Sim<'a> {
    /// Its name.
    pub name: &'a str,
    /// vCPUs.
    pub vcpus: u64,
    /// Memory, KiB.
    pub memory: u64,
    /// Words for the simulator, e.g. `sim.crash-after-ms=50`.
    pub script: &'a str,
    /// What stands between the tags of its devices.
    pub devices: &'a str,
}

impl<'a> Sim<'a> {
    /// One vCPU, 64 MiB, no devices.
    pub fn named(name: &'a str) -> Self {
        Self { name, vcpus: 1, memory: 64 << 10, script: "", devices: "" }
    }

    /// Its document.
    pub fn document(&self) -> String {
        let Self { name, vcpus, memory, script, devices } = self;
        format!(
            "<domain type='sim'><name>{name}</name>\
             <metadata><test:script xmlns:test='urn:reeve:test'>{script}</test:script></metadata>\
             <memory unit='KiB'>{memory}</memory><vcpu>{vcpus}</vcpu>\
             <os><type arch='x86_64'>hvm</type></os><devices>{devices}</devices></domain>"
        )
    }

    /// Defines it, or is refused.
    pub fn define(&self, daemon: &Daemon) -> anyhow::Result<Run> {
        daemon.reeve_with_input(&["domain", "define", "-"], &self.document())
    }
}
