//! `reeve xml …`: documents without a daemon.

mod check;

use clap::Subcommand;

use crate::context::Context;

/// What can be done with documents alone.
#[derive(Debug, Subcommand)]
pub enum XmlCommand {
    /// Check libvirt documents: what is wrong, what would be ignored, and the canonical form
    Check(check::Check),
}

impl XmlCommand {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Check(command) => command.run(context),
        }
    }
}
