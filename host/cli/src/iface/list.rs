//! `reeve iface list` (guide 14.15.1.3).

use clap::Args;
use reeve_model::host_interface::{HostInterfaceFilter, HostInterfaceSummary};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Show, or_dash, table, yes_no};

/// Options of `reeve iface list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without options the interfaces that are up are listed, whether they are defined or not. Links of guests and bridges of virtual networks are
not among them.

Examples:
  reeve iface list --all
  reeve iface list --inactive --name")]
pub struct List {
    /// Interfaces that are up and those that are not
    #[arg(long)]
    all: bool,
    /// Interfaces that are not up
    #[arg(long, conflicts_with = "all")]
    inactive: bool,
    /// Interfaces that have a definition
    #[arg(long)]
    defined: bool,
    /// Only the names, a line each
    #[arg(long)]
    name: bool,
}

impl List {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let filter = HostInterfaceFilter {
            active: (!self.all).then_some(!self.inactive),
            defined: self.defined.then_some(true),
        };
        let rows = context.client.list_interfaces(&filter).await?;
        context.show(&Rows { rows, name: self.name })
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows {
    rows: Vec<HostInterfaceSummary>,
    #[serde(skip)]
    name: bool,
}

impl Show for Rows {
    const ELEMENT: &'static str = "interfaces";

    fn human(&self) -> String {
        if self.name {
            return self.rows.iter().map(|row| format!("{}\n", row.name)).collect();
        }
        let cells = |row: &HostInterfaceSummary| {
            let state = if row.active { "active" } else { "inactive" };
            [
                row.name.clone(),
                state.to_owned(),
                or_dash(row.mac),
                row.kind.clone(),
                yes_no(row.defined).to_owned(),
            ]
        };
        table(["Name", "State", "MAC Address", "Type", "Defined"], self.rows.iter().map(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iface::samples;
    use crate::output::Format;

    #[test]
    fn the_list_looks_like_virsh() {
        let rows = |name| Rows { rows: vec![samples::bridge(), samples::absent()], name };
        insta::assert_snapshot!(Format::Table.draw(&rows(false)).unwrap());
        assert_eq!(Format::Table.draw(&rows(true)).unwrap(), "br0\neth7\n");
        let json = Format::Json.draw(&rows(false)).unwrap();
        assert!(json.contains("\"mac\": \"52:54:00:12:34:56\"") && json.contains("\"mac\": null"), "{json}");
    }
}
