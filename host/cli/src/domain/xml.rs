//! `reeve domain xml` (guide 14.5.14, `dumpxml`).

use clap::Args;
use reeve_model::api::XmlOptions;

use super::Target;
use crate::context::Context;

/// Options of `reeve domain xml`.
#[derive(Debug, Args)]
#[command(after_help = "\
The document is always XML, whatever --output says.

Example:
  reeve domain xml web --inactive > web.xml")]
pub struct Xml {
    #[command(flatten)]
    target: Target,
    /// The definition that the next start uses, even while the domain is active
    #[arg(long)]
    inactive: bool,
}

impl Xml {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = XmlOptions { inactive: self.inactive };
        let document = context.client.domain_xml(&self.target.domain, options).await?;
        context.print(&document)
    }
}
