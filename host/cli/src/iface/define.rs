//! `reeve iface define` and `edit`: documents taken in.

use std::path::PathBuf;

use clap::Args;
use reeve_model::api::{EditOptions, XmlOptions};
use reeve_model::host_interface::{DefinedHostInterface, TakeHostInterface};
use serde::Serialize;

use super::Target;
use crate::context::{Context, read_document};
use crate::editor;
use crate::output::Show;

/// Options of `reeve iface define`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is started: 'reeve iface start' does that, and the daemon where the document says <start mode='onboot'/>. An interface that is up
uses its new definition from its next start.

Examples:
  reeve iface define br0.xml
  reeve iface xml eth0 | reeve iface define -")]
pub struct Define {
    /// An interface XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

/// Options of `reeve iface edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The editor is $VISUAL, $EDITOR, or vi. A document that is refused is opened again with the text as it was left. An interface that is not
defined is shown as it is, and defined by the edit. One that is up uses its new definition from its next start.")]
pub struct Edit {
    #[command(flatten)]
    target: Target,
}

impl Define {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let document = read_document(&self.file)?;
        let options = TakeHostInterface { strict: self.strict };
        let defined = context.client.define_interface(&document, options).await?;
        done(context, defined, "defined")
    }
}

impl Edit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let interface = self.target.interface;
        let before = context.client.interface_xml(&interface, XmlOptions { inactive: true }).await?;
        let keep = async |context: &mut Context, after: &str, digest: String| {
            let options = EditOptions { strict: false, expected: Some(digest) };
            let defined = context.client.edit_interface(&interface, after, &options).await?;
            done(context, defined, "edited")
        };
        match editor::edit(context, &before, keep).await? {
            true => Ok(()),
            false => context.print(&format!("Interface '{interface}' is unchanged")),
        }
    }
}

/// Shows what came of a verb, with its warnings on standard error.
pub(super) fn done(
    context: &mut Context,
    defined: DefinedHostInterface,
    participle: &'static str,
) -> anyhow::Result<()> {
    context.warn(&defined.warnings);
    context.show(&Done { defined, participle })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Done {
    defined: DefinedHostInterface,
    #[serde(skip)]
    participle: &'static str,
}

impl Show for Done {
    const ELEMENT: &'static str = "defined";

    fn human(&self) -> String {
        format!("Interface '{}' {}", self.defined.interface.name, self.participle)
    }
}
