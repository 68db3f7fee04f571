//! What is known of a network: `info`, `xml`, `name`, `uuid`.

use clap::Args;
use reeve_model::api::XmlOptions;
use reeve_model::network::NetworkSummary;

use super::Target;
use crate::context::Context;
use crate::output::{Show, pairs, yes_no};

/// Options of `reeve network info`.
#[derive(Debug, Args)]
pub struct Info {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve network xml`.
#[derive(Debug, Args)]
#[command(after_help = "\
The document is always XML, whatever --output says.

Example:
  reeve network xml default --inactive > default.xml")]
pub struct Xml {
    #[command(flatten)]
    target: Target,
    /// The definition that the next start uses, even while the network is active
    #[arg(long)]
    inactive: bool,
}

/// Options of `reeve network name`.
#[derive(Debug, Args)]
pub struct Name {
    /// UUID of the network
    uuid: String,
}

/// Options of `reeve network uuid`.
#[derive(Debug, Args)]
pub struct Uuid {
    /// Name of the network
    name: String,
}

impl Info {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.network_info(&self.target.network).await?;
        context.show(&row)
    }
}

impl Xml {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = XmlOptions { inactive: self.inactive };
        let document = context.client.network_xml(&self.target.network, options).await?;
        context.print(&document)
    }
}

impl Name {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.network_info(&self.uuid).await?;
        context.print(&row.name)
    }
}

impl Uuid {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.network_info(&self.name).await?;
        context.print(&row.uuid.to_string())
    }
}

impl Show for NetworkSummary {
    const ELEMENT: &'static str = "network";

    fn human(&self) -> String {
        let known = [
            ("Name", self.name.clone()),
            ("UUID", self.uuid.to_string()),
            ("Active", yes_no(self.active).to_owned()),
            ("Persistent", yes_no(self.persistent).to_owned()),
            ("Autostart", yes_no(self.autostart).to_owned()),
            ("Mode", self.mode.clone()),
            ("Bridge", self.bridge.clone().unwrap_or_else(|| "-".to_owned())),
            ("Addresses", self.addresses.join(", ")),
            ("Connections", self.connections.to_string()),
        ];
        pairs(known)
    }
}

#[cfg(test)]
mod tests {
    use crate::network::samples;
    use crate::output::Format;

    #[test]
    fn a_network_is_shown_in_pairs() {
        let text = Format::Table.draw(&samples::default()).unwrap();
        let bridge = text.lines().find(|line| line.starts_with("Bridge:")).unwrap();
        assert_eq!(bridge.split_whitespace().collect::<Vec<_>>(), ["Bridge:", "virbr0"]);
    }
}
