//! What is known of an interface: `info`, `xml`, `name`, `mac`.

use anyhow::Context as _;
use clap::Args;
use reeve_model::api::XmlOptions;
use reeve_model::host_interface::HostInterfaceSummary;

use super::Target;
use crate::context::Context;
use crate::output::{Show, or_dash, pairs, yes_no};

/// Options of `reeve iface info`.
#[derive(Debug, Args)]
pub struct Info {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve iface xml`.
#[derive(Debug, Args)]
#[command(after_help = "\
The document is always XML, whatever --output says.

Example:
  reeve iface xml br0 --inactive > br0.xml")]
pub struct Xml {
    #[command(flatten)]
    target: Target,
    /// The definition that the next start uses, even while the interface is up
    #[arg(long)]
    inactive: bool,
}

/// Options of `reeve iface name`.
#[derive(Debug, Args)]
pub struct Name {
    /// MAC address of the interface
    mac: String,
}

/// Options of `reeve iface mac`.
#[derive(Debug, Args)]
pub struct Mac {
    /// Name of the interface
    name: String,
}

impl Info {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.interface_info(&self.target.interface).await?;
        context.show(&row)
    }
}

impl Xml {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = XmlOptions { inactive: self.inactive };
        let document = context.client.interface_xml(&self.target.interface, options).await?;
        context.print(&document)
    }
}

impl Name {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.interface_info(&self.mac).await?;
        context.print(&row.name)
    }
}

impl Mac {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.interface_info(&self.name).await?;
        let mac = row.mac.with_context(|| format!("interface '{}' has no MAC address", row.name))?;
        context.print(&mac.to_string())
    }
}

impl Show for HostInterfaceSummary {
    const ELEMENT: &'static str = "interface";

    fn human(&self) -> String {
        pairs([
            ("Name", self.name.clone()),
            ("Type", self.kind.clone()),
            ("MAC", or_dash(self.mac)),
            ("Active", yes_no(self.active).to_owned()),
            ("Defined", yes_no(self.defined).to_owned()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use crate::iface::samples;
    use crate::output::Format;

    #[test]
    fn an_interface_is_shown_in_pairs() {
        let text = [samples::bridge(), samples::absent()].map(|row| Format::Table.draw(&row).unwrap());
        insta::assert_snapshot!(text.join("\n"));
    }
}
