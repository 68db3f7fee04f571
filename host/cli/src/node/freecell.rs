//! `reeve node freecell` (guide 14.7.3).

use clap::Args;
use reeve_client::ClientError;
use reeve_model::node::NodeCell;
use reeve_model::{Bytes, Error, ErrorCode};
use serde::Serialize;

use crate::context::Context;
use crate::output::Show;

/// The rule above the sum.
const RULE: &str = "--------------------";

/// Options of `reeve node freecell`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve node freecell             of the whole host
  reeve node freecell --all       of each NUMA cell, and all together
  reeve node freecell 0")]
pub struct Freecell {
    /// Number of a NUMA cell
    number: Option<u32>,
    /// The same as the argument
    #[arg(long, value_name = "NUMBER", conflicts_with = "number")]
    cellno: Option<u32>,
    /// Each cell
    #[arg(long, conflicts_with_all = ["number", "cellno"])]
    all: bool,
}

impl Freecell {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut cells = context.client.node_cells().await?;
        let wanted = self.cellno.or(self.number);
        cells.retain(|cell| wanted.is_none_or(|wanted| cell.cell == wanted));
        if let (Some(wanted), true) = (wanted, cells.is_empty()) {
            let error = Error::new(ErrorCode::NotFound, format!("the host has no NUMA cell {wanted}"));
            return Err(
                ClientError::Refused(error.with_hint("'reeve node freecell --all' lists them")).into()
            );
        }
        let free = Bytes(cells.iter().map(|cell| cell.free.0).sum());
        match (wanted, self.all) {
            (Some(cell), _) => context.show(&Cell { cell, free }),
            (None, true) => context.show(&Cells { cells, free }),
            (None, false) => context.show(&Total { free }),
        }
    }
}

#[derive(Serialize)]
struct Total {
    free: Bytes,
}

impl Show for Total {
    const ELEMENT: &'static str = "memory";

    fn human(&self) -> String {
        format!("Total: {} KiB", self.free.as_kib())
    }
}

#[derive(Serialize)]
struct Cell {
    cell: u32,
    free: Bytes,
}

impl Show for Cell {
    const ELEMENT: &'static str = "cell";

    fn human(&self) -> String {
        format!("{}: {} KiB", self.cell, self.free.as_kib())
    }
}

#[derive(Serialize)]
struct Cells {
    cells: Vec<NodeCell>,
    free: Bytes,
}

impl Show for Cells {
    const ELEMENT: &'static str = "memory";

    fn human(&self) -> String {
        let line = |cell: &NodeCell| format!("{:>5}: {:>10} KiB", cell.cell, cell.free.as_kib());
        let cells: Vec<String> = self.cells.iter().map(line).collect();
        format!("{}\n{RULE}\nTotal: {:>10} KiB", cells.join("\n"), self.free.as_kib())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_a_sum_below() {
        let cell = |cell, free| NodeCell { cell, cpus: None, memory: Bytes::gib(1), free: Bytes::mib(free) };
        let cells = Cells { cells: vec![cell(0, 100), cell(1, 200)], free: Bytes::mib(300) };
        insta::assert_snapshot!(cells.human(), @r"
            0:     102400 KiB
            1:     204800 KiB
        --------------------
        Total:     307200 KiB
        ");
    }
}
