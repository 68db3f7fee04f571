//! `reeve domain create`.

use std::path::PathBuf;

use clap::Args;
use reeve_model::api::DefineOptions;

use super::{Done, console, define};
use crate::context::{Context, read_document};

/// Options of `reeve domain create`.
#[derive(Debug, Args)]
#[command(after_help = "\
A transient domain has no definition: when it stops, nothing of it is left.

Examples:
  reeve domain create build-42.xml
  reeve domain create build-42.xml --console")]
pub struct Create {
    /// A domain XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
    /// Leave its vCPUs stopped until it is resumed
    #[arg(long)]
    paused: bool,
    /// Connect to the console once it runs
    #[arg(long)]
    console: bool,
}

impl Create {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let document = read_document(&self.file)?;
        let options = DefineOptions { strict: self.strict, transient: true, paused: self.paused };
        let created = context.client.define_domain(&document, options).await?;
        define::warn(context, &created);
        let name = created.domain.name.clone();
        context.show(&Done::new(created.domain, "created"))?;
        if self.console {
            return console::Console::of(name).run(context).await;
        }
        Ok(())
    }
}
