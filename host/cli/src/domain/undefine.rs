//! `reeve domain undefine`.

use clap::Args;

use super::Target;
use crate::context::Context;
use crate::output::Format;

/// A running domain goes on as a transient one; disks and other files are kept.
#[derive(Debug, Args)]
pub struct Undefine {
    #[command(flatten)]
    target: Target,
}

impl Undefine {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.undefine_domain(&self.target.domain).await?;
        match context.format {
            Format::Table => context.print(&format!("Domain '{}' undefined", self.target.domain)),
            Format::Json | Format::Xml => Ok(()),
        }
    }
}
