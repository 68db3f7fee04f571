//! `reeve pool define` and `create`.

use std::path::PathBuf;

use clap::Args;
use reeve_model::storage::{DefinedPool, TakePool};
use serde::Serialize;

use crate::context::{Context, read_document};
use crate::output::Show;

/// Options of `reeve pool define`.
#[derive(Debug, Args)]
#[command(after_help = "\
A running pool uses its new definition from its next start. Nothing is made or mounted: see 'reeve pool build' and 'reeve pool start'.

Example:
  reeve pool define images.xml")]
pub struct Define {
    /// A pool XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

/// Options of `reeve pool create`.
#[derive(Debug, Args)]
pub struct Create {
    /// A pool XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

impl Define {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        take(context, &self.file, TakePool { strict: self.strict, transient: false }, "defined").await
    }
}

impl Create {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        take(context, &self.file, TakePool { strict: self.strict, transient: true }, "created").await
    }
}

async fn take(
    context: &mut Context,
    file: &std::path::Path,
    options: TakePool,
    participle: &'static str,
) -> anyhow::Result<()> {
    let document = read_document(file)?;
    let defined = context.client.define_pool(&document, options).await?;
    done(context, defined, participle)
}

/// Shows what came of a document, with its warnings on standard error.
pub(super) fn done(
    context: &mut Context,
    defined: DefinedPool,
    participle: &'static str,
) -> anyhow::Result<()> {
    context.warn(&defined.warnings);
    context.show(&Done { defined, participle })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Done {
    defined: DefinedPool,
    #[serde(skip)]
    participle: &'static str,
}

impl Show for Done {
    const ELEMENT: &'static str = "defined";

    fn human(&self) -> String {
        format!("Pool '{}' {}", self.defined.pool.name, self.participle)
    }
}
