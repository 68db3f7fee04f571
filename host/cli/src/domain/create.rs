//! `reeve domain create`.

use std::path::PathBuf;

use clap::Args;
use reeve_model::api::DefineOptions;

use super::start::Afterwards;
use super::{Done, define};
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
    #[command(flatten)]
    afterwards: Afterwards,
}

impl Create {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Self { file, strict, paused, afterwards } = self;
        afterwards.check()?;
        let document = read_document(&file)?;
        let options = DefineOptions { strict, transient: true, paused, autodestroy: false };
        let (created, leash) = match afterwards.autodestroy {
            true => {
                let (created, leash) = context.client.create_leashed_domain(&document, options).await?;
                (created, Some(leash))
            }
            false => (context.client.define_domain(&document, options).await?, None),
        };
        define::warn(context, &created);
        let name = created.domain.name.clone();
        context.show(&Done::new(created.domain, "created"))?;
        afterwards.follow(context, name, leash).await
    }
}
