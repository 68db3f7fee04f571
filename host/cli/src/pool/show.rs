//! What is known of a pool: `info`, `xml`, `name`, `uuid`.

use clap::Args;
use reeve_model::Bytes;
use reeve_model::api::XmlOptions;
use reeve_model::storage::PoolSummary;
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::{Show, pairs, yes_no};

/// Options of `reeve pool info`.
#[derive(Debug, Args)]
pub struct Info {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve pool xml`.
#[derive(Debug, Args)]
pub struct Xml {
    #[command(flatten)]
    target: Target,
    /// The definition that the next start uses, even while the pool is active
    #[arg(long)]
    inactive: bool,
}

/// Options of `reeve pool name`.
#[derive(Debug, Args)]
pub struct Name {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve pool uuid`.
#[derive(Debug, Args)]
pub struct Uuid {
    #[command(flatten)]
    target: Target,
}

impl Info {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.pool_info(&self.target.pool).await?;
        context.show(&One { row })
    }
}

impl Xml {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = XmlOptions { inactive: self.inactive };
        let document = context.client.pool_xml(&self.target.pool, options).await?;
        context.print(document.trim_end())
    }
}

impl Name {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.pool_info(&self.target.pool).await?;
        context.print(&row.name)
    }
}

impl Uuid {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.pool_info(&self.target.pool).await?;
        context.print(&row.uuid.to_string())
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct One {
    row: PoolSummary,
}

impl Show for One {
    const ELEMENT: &'static str = "pool";

    fn human(&self) -> String {
        let row = &self.row;
        let mut lines = vec![
            ("Name", row.name.clone()),
            ("UUID", row.uuid.to_string()),
            ("Type", row.kind.to_string()),
            ("State", if row.active { "running" } else { "inactive" }.to_owned()),
            ("Persistent", yes_no(row.persistent).to_owned()),
            ("Autostart", yes_no(row.autostart).to_owned()),
        ];
        lines.extend(row.path.as_ref().map(|path| ("Path", path.clone())));
        if let Some(space) = row.space {
            lines.push(("Capacity", two_places(space.capacity)));
            lines.push(("Allocation", two_places(space.allocation)));
            lines.push(("Available", two_places(space.available)));
            lines.push(("Volumes", row.volumes.to_string()));
        }
        pairs(lines)
    }
}

/// A size as the guide prints it: two places of the largest unit that leaves a whole number.
pub(crate) fn two_places(size: Bytes) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match UNITS.iter().find(|(_, bits)| size.0 >> bits > 0) {
        Some((unit, bits)) => {
            let hundredths = u128::from(size.0) * 100 / (1 << bits);
            format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100)
        }
        None => format!("{}.00 B", size.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use crate::pool::samples;

    #[test]
    fn sizes_have_two_places() {
        for (bytes, text) in
            [(0, "0.00 B"), (1023, "1023.00 B"), (1536, "1.50 KiB"), (42_949_672_960, "40.00 GiB")]
        {
            assert_eq!(two_places(Bytes(bytes)), text);
        }
        let shown = Format::Table.draw(&One { row: samples::images() }).unwrap();
        assert!(
            shown.contains("State:") && shown.contains("running") && shown.contains("40.00 GiB"),
            "{shown}"
        );
    }
}
