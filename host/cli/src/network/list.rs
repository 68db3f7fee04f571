//! `reeve network list` (guide 14.22, `net-list`).

use clap::Args;
use reeve_model::network::{NetworkFilter, NetworkSummary};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Show, table, yes_no};

/// Options of `reeve network list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without options the active networks are listed.

Examples:
  reeve network list --all
  reeve network list --inactive --autostart --name")]
pub struct List {
    /// Active and inactive networks
    #[arg(long)]
    all: bool,
    /// Inactive networks
    #[arg(long, conflicts_with = "all")]
    inactive: bool,
    /// Networks that have a definition
    #[arg(long, conflicts_with = "transient")]
    persistent: bool,
    /// Networks without a definition
    #[arg(long)]
    transient: bool,
    /// Networks that the daemon starts by itself
    #[arg(long, conflicts_with = "no_autostart")]
    autostart: bool,
    /// Networks that it does not
    #[arg(long)]
    no_autostart: bool,
    /// Only the names, a line each
    #[arg(long, conflicts_with = "uuid")]
    name: bool,
    /// Only the UUIDs, a line each
    #[arg(long)]
    uuid: bool,
}

impl List {
    fn filter(&self) -> NetworkFilter {
        NetworkFilter {
            active: (!self.all).then_some(!self.inactive),
            persistent: (self.persistent || self.transient).then_some(self.persistent),
            autostart: (self.autostart || self.no_autostart).then_some(self.autostart),
        }
    }

    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let rows = context.client.list_networks(&self.filter()).await?;
        context.show(&Rows { rows, name: self.name, uuid: self.uuid })
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows {
    rows: Vec<NetworkSummary>,
    #[serde(skip)]
    name: bool,
    #[serde(skip)]
    uuid: bool,
}

impl Show for Rows {
    const ELEMENT: &'static str = "networks";

    fn human(&self) -> String {
        if self.name || self.uuid {
            let line = |row: &NetworkSummary| match self.uuid {
                true => format!("{}\n", row.uuid),
                false => format!("{}\n", row.name),
            };
            return self.rows.iter().map(line).collect();
        }
        let cells = |row: &NetworkSummary| {
            let state = if row.active { "active" } else { "inactive" };
            [
                row.name.clone(),
                state.to_owned(),
                yes_no(row.autostart).to_owned(),
                yes_no(row.persistent).to_owned(),
            ]
        };
        table(["Name", "State", "Autostart", "Persistent"], self.rows.iter().map(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::samples;
    use crate::output::Format;

    #[test]
    fn the_list_looks_like_virsh() {
        let rows = |name, uuid| Rows { rows: vec![samples::default(), samples::isolated()], name, uuid };
        let table = Format::Table.draw(&rows(false, false)).unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>(),
            ["Name", "State", "Autostart", "Persistent"]
        );
        assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["default", "active", "yes", "yes"]);
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["lab", "inactive", "no", "yes"]);
        assert_eq!(Format::Table.draw(&rows(true, false)).unwrap(), "default\nlab\n");
        let json = Format::Json.draw(&rows(false, false)).unwrap();
        assert!(json.contains("\"bridge\": \"virbr0\""), "{json}");
    }
}
