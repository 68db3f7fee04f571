//! `reeve network define` and `create`.

use std::path::PathBuf;

use clap::Args;
use reeve_model::network::{DefinedNetwork, TakeNetwork};
use serde::Serialize;

use crate::context::{Context, read_document};
use crate::output::Show;

/// Options of `reeve network define`.
#[derive(Debug, Args)]
#[command(after_help = "\
What the document leaves to the host is chosen now and kept: the UUID, the bridge's name (virbrN) and its MAC address. A running network
uses its new definition from its next start.

Examples:
  reeve network define lab.xml
  reeve network xml default | sed s/default/lab/ | grep -v uuid | reeve network define -")]
pub struct Define {
    /// A network XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

/// Options of `reeve network create`.
#[derive(Debug, Args)]
pub struct Create {
    /// A network XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

impl Define {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        take(context, &self.file, TakeNetwork { strict: self.strict, transient: false }, "defined").await
    }
}

impl Create {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        take(context, &self.file, TakeNetwork { strict: self.strict, transient: true }, "created").await
    }
}

async fn take(
    context: &mut Context,
    file: &std::path::Path,
    options: TakeNetwork,
    participle: &'static str,
) -> anyhow::Result<()> {
    let document = read_document(file)?;
    let defined = context.client.define_network(&document, options).await?;
    done(context, defined, participle)
}

/// Shows what came of a document, with its warnings on standard error.
pub(super) fn done(
    context: &mut Context,
    defined: DefinedNetwork,
    participle: &'static str,
) -> anyhow::Result<()> {
    context.warn(&defined.warnings);
    context.show(&Done { defined, participle })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Done {
    defined: DefinedNetwork,
    #[serde(skip)]
    participle: &'static str,
}

impl Show for Done {
    const ELEMENT: &'static str = "defined";

    fn human(&self) -> String {
        format!("Network '{}' {}", self.defined.network.name, self.participle)
    }
}
