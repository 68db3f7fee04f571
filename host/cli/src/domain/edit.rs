//! `reeve domain edit` (guide 14.5.13): the definition in an editor.

use clap::Args;
use reeve_model::api::{EditOptions, XmlOptions};

use super::{Target, define};
use crate::context::Context;
use crate::editor;

/// Options of `reeve domain edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The editor is $VISUAL, $EDITOR, or vi. A document that is refused is opened again with the text as it was left; when you give up
it stays in the file that is named. So it does when somebody else changed the definition meanwhile. A running domain uses the new definition from its next start.")]
pub struct Edit {
    #[command(flatten)]
    target: Target,
}

impl Edit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = self.target.domain;
        let before = context.client.domain_xml(&domain, XmlOptions { inactive: true }).await?;
        let keep = async |context: &mut Context, after: &str, digest: String| {
            let options = EditOptions { strict: false, expected: Some(digest) };
            let defined = context.client.edit_domain(&domain, after, &options).await?;
            define::warn(context, &defined);
            context.print(&format!("Domain '{}' edited", defined.domain.name))
        };
        match editor::edit(context, &before, keep).await? {
            true => Ok(()),
            false => context.print(&format!("Domain '{domain}' is unchanged")),
        }
    }
}
