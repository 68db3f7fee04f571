//! `reeve domain autostart`.

use clap::Args;

use super::{Done, Target};
use crate::context::Context;

/// Options of `reeve domain autostart`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve domain autostart web
  reeve domain autostart web --disable")]
pub struct Autostart {
    #[command(flatten)]
    target: Target,
    /// Leave it off when the daemon starts
    #[arg(long)]
    disable: bool,
}

impl Autostart {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.set_domain_autostart(&self.target.domain, !self.disable).await?;
        let done = if self.disable { "unmarked as autostarted" } else { "marked as autostarted" };
        context.show(&Done::new(row, done))
    }
}
