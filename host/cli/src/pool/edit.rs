//! `reeve pool edit` (guide 14.11.5, `pool-edit`): the definition in an editor.

use clap::Args;
use reeve_model::api::{EditOptions, XmlOptions};

use super::{Target, define};
use crate::context::Context;
use crate::editor;

/// Options of `reeve pool edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The editor is $VISUAL, $EDITOR, or vi. A document that is refused is opened again with the text as it was left. A running pool uses the
new definition from its next start.")]
pub struct Edit {
    #[command(flatten)]
    target: Target,
}

impl Edit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let pool = self.target.pool;
        let before = context.client.pool_xml(&pool, XmlOptions { inactive: true }).await?;
        let keep = async |context: &mut Context, after: &str, digest: String| {
            let options = EditOptions { strict: false, expected: Some(digest) };
            let defined = context.client.edit_pool(&pool, after, &options).await?;
            define::done(context, defined, "edited")
        };
        match editor::edit(context, &before, keep).await? {
            true => Ok(()),
            false => context.print(&format!("Pool '{pool}' is unchanged")),
        }
    }
}
