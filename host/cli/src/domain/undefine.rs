//! `reeve domain undefine`.

use clap::Args;
use reeve_model::api::UndefineOptions;

use super::Target;
use crate::context::Context;
use crate::output::Format;

/// A running domain goes on as a transient one; disks and other files are kept.
#[derive(Debug, Args)]
pub struct Undefine {
    #[command(flatten)]
    target: Target,
    /// Remove its managed save too, which is in the way otherwise
    #[arg(long)]
    managed_save: bool,
    /// Forget its snapshots too, which are in the way otherwise; what is in its images stays
    #[arg(long)]
    snapshots_metadata: bool,
}

impl Undefine {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options =
            UndefineOptions { managed_save: self.managed_save, snapshots_metadata: self.snapshots_metadata };
        context.client.undefine_domain_with(&self.target.domain, options).await?;
        match context.format {
            Format::Table => context.print(&format!("Domain '{}' undefined", self.target.domain)),
            Format::Json | Format::Xml => Ok(()),
        }
    }
}
