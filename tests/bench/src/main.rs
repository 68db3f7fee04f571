//! `cargo xtask bench [AREA] [--json]`: measurements against peers in the same run.
//!
//! These machines are noisy, so a row is a ratio of two medians taken side by side; absolute figures drift. Nothing here passes or
//! fails. Areas: `hooks` (a decision as a fresh Wasm instance against shell and Python hooks), `boot` (a domain through the whole
//! path), `list` (thousands of domains), `policy` (replay, fan-out, reload), `filter` (packet filters, the start of a network),
//! `storage` (disk images against qemu-img), `disk` (a guest's disk), `density` (idle domains), `migration` (guests that move).
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]

mod areas;
mod row;
mod samples;

use anyhow::Result;
use clap::Parser;

use crate::areas::Area;
use crate::row::Row;

/// Command line of the benches.
#[derive(Parser)]
#[command(about = "Measurements against peers in the same run")]
struct Arguments {
    /// Only this area.
    area: Option<Area>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let areas = arguments.area.map_or_else(|| Area::ALL.to_vec(), |area| vec![area]);
        if !arguments.json {
            println!("{}", Row::header());
        }
        for area in areas {
            for row in area.measure().await? {
                println!("{}", if arguments.json { serde_json::to_string(&row)? } else { row.to_string() });
            }
        }
        Ok(())
    })
}
