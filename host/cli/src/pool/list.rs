//! `reeve pool list` (guide 14.11.1).

use clap::Args;
use reeve_model::storage::{PoolFilter, PoolSummary};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Show, or_dash, table, yes_no};

/// Options of `reeve pool list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without options the active pools are listed.

Examples:
  reeve pool list --all --details
  reeve pool list --inactive --type dir,fs --name")]
pub struct List {
    /// Only pools of these types, with commas between
    #[arg(value_name = "TYPES", conflicts_with = "kind")]
    types: Option<String>,
    /// Active and inactive pools
    #[arg(long)]
    all: bool,
    /// Inactive pools
    #[arg(long, conflicts_with = "all")]
    inactive: bool,
    /// Pools that have a definition
    #[arg(long, conflicts_with = "transient")]
    persistent: bool,
    /// Pools without a definition
    #[arg(long)]
    transient: bool,
    /// Pools that the daemon starts by itself
    #[arg(long, conflicts_with = "no_autostart")]
    autostart: bool,
    /// Pools that it does not
    #[arg(long)]
    no_autostart: bool,
    /// The same, as an option
    #[arg(long = "type", value_name = "TYPES")]
    kind: Option<String>,
    /// What they hold, too
    #[arg(long)]
    details: bool,
    /// Only the names, a line each
    #[arg(long, conflicts_with_all = ["uuid", "details"])]
    name: bool,
    /// Only the UUIDs, a line each
    #[arg(long, conflicts_with = "details")]
    uuid: bool,
}

impl List {
    fn filter(&self) -> PoolFilter {
        PoolFilter {
            active: (!self.all).then_some(!self.inactive),
            persistent: (self.persistent || self.transient).then_some(self.persistent),
            autostart: (self.autostart || self.no_autostart).then_some(self.autostart),
            kind: self.types.clone().or_else(|| self.kind.clone()),
        }
    }

    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let rows = context.client.list_pools(&self.filter()).await?;
        context.show(&Rows { rows, name: self.name, uuid: self.uuid, details: self.details })
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows {
    rows: Vec<PoolSummary>,
    #[serde(skip)]
    name: bool,
    #[serde(skip)]
    uuid: bool,
    #[serde(skip)]
    details: bool,
}

impl Show for Rows {
    const ELEMENT: &'static str = "pools";

    fn human(&self) -> String {
        if self.name || self.uuid {
            let line = |row: &PoolSummary| match self.uuid {
                true => format!("{}\n", row.uuid),
                false => format!("{}\n", row.name),
            };
            return self.rows.iter().map(line).collect();
        }
        let state = |row: &PoolSummary| if row.active { "active" } else { "inactive" }.to_owned();
        let short = |row: &PoolSummary| [row.name.clone(), state(row), yes_no(row.autostart).to_owned()];
        if !self.details {
            return table(["Name", "State", "Autostart"], self.rows.iter().map(short));
        }
        let cells = |row: &PoolSummary| {
            let [name, state, autostart] = short(row);
            [
                name,
                row.kind.to_string(),
                state,
                autostart,
                yes_no(row.persistent).to_owned(),
                or_dash(row.space.map(|space| space.capacity)),
                or_dash(row.space.map(|space| space.allocation)),
                or_dash(row.space.map(|space| space.available)),
            ]
        };
        let head =
            ["Name", "Type", "State", "Autostart", "Persistent", "Capacity", "Allocation", "Available"];
        table(head, self.rows.iter().map(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use crate::pool::samples;

    #[test]
    fn the_list_looks_like_virsh() {
        let rows = |details| Rows { rows: vec![samples::images()], name: false, uuid: false, details };
        let words = |text: &str, line| -> Vec<String> {
            text.lines().nth(line).unwrap().split_whitespace().map(str::to_owned).collect()
        };
        let table = Format::Table.draw(&rows(false)).unwrap();
        assert_eq!(words(&table, 0), ["Name", "State", "Autostart"]);
        assert_eq!(words(&table, 2), ["guest_images", "active", "yes"]);
        let table = Format::Table.draw(&rows(true)).unwrap();
        assert_eq!(
            words(&table, 2),
            ["guest_images", "dir", "active", "yes", "yes", "40", "GiB", "8", "GiB", "32", "GiB"]
        );
    }
}
