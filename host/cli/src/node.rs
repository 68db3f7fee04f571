//! `reeve node …`.

mod info;
mod ksm;
mod memory;

use clap::Subcommand;

use crate::context::Context;

/// What can be seen and changed of the host machine.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Show what the host is
    Info,
    /// Show how its memory is used
    Memory,
    /// Show or change kernel samepage merging
    Ksm(ksm::Ksm),
}

impl NodeCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Info => info::run(context).await,
            Self::Memory => memory::run(context).await,
            Self::Ksm(command) => command.run(context).await,
        }
    }
}
