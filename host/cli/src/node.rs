//! `reeve node …`.

mod capabilities;
mod cpu;
mod cpu_stats;
mod cpumap;
mod freecell;
mod info;
mod ksm;
mod memory;
mod suspend;

use clap::Subcommand;

use crate::context::Context;

/// What can be seen and changed of the host machine.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Show what the host is
    Info,
    /// Show how its memory is used
    Memory,
    /// Show its CPUs and which of them run
    Cpumap,
    /// Show what its CPUs do
    CpuStats(cpu_stats::CpuStats),
    /// Show how much memory is free, also by NUMA cell
    Freecell(freecell::Freecell),
    /// Print what it is and can run as a document
    Capabilities,
    /// List CPU models that documents may name
    CpuModels(cpu::CpuModels),
    /// Compare a described CPU with that of the host
    CpuCompare(cpu::CpuCompare),
    /// Find the CPU that several described ones can be
    CpuBaseline(cpu::CpuBaseline),
    /// Show or change kernel samepage merging
    Ksm(ksm::Ksm),
    /// Send the host to sleep until its clock wakes it
    Suspend(suspend::Suspend),
}

impl NodeCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Info => info::run(context).await,
            Self::Memory => memory::run(context).await,
            Self::Cpumap => cpumap::run(context).await,
            Self::CpuStats(command) => command.run(context).await,
            Self::Freecell(command) => command.run(context).await,
            Self::Capabilities => capabilities::run(context).await,
            Self::CpuModels(command) => command.run(context).await,
            Self::CpuCompare(command) => command.run(context).await,
            Self::CpuBaseline(command) => command.run(context).await,
            Self::Ksm(command) => command.run(context).await,
            Self::Suspend(command) => command.run(context).await,
        }
    }
}
