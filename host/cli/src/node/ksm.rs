//! `reeve node ksm` (guide ch. 7).

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use reeve_model::Bytes;
use reeve_model::node::{KsmChange, KsmState};

use crate::context::Context;
use crate::output::{Show, or_dash, pairs, yes_no};

/// Options of `reeve node ksm`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without options the state is shown; with options it is changed, and shown as it is afterwards.
A tuner policy may change it again: 'reeve policy mode ksm-tuner monitor' stops that.

Examples:
  reeve node ksm
  reeve node ksm --run 1 --pages-to-scan 300 --sleep-millisecs 20")]
pub struct Ksm {
    /// 0 stop, 1 run, 2 stop and unmerge all pages
    #[arg(long, value_name = "0|1|2", value_parser = clap::value_parser!(u8).range(0..=2))]
    run: Option<u8>,
    /// Pages to scan before ksmd sleeps
    #[arg(long, value_name = "PAGES", visible_alias = "shm-pages-to-scan")]
    pages_to_scan: Option<u64>,
    /// Milliseconds ksmd sleeps between scans
    #[arg(long, value_name = "MS", visible_alias = "shm-sleep-millisecs", alias = "shm-sleep-milisecs")]
    sleep_millisecs: Option<u64>,
    /// Merge pages of different NUMA nodes; only while nothing is merged
    #[arg(long, value_name = "1|0", visible_alias = "shm-merge-across-nodes", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    merge_across_nodes: Option<bool>,
}

impl Ksm {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let change = KsmChange {
            run: self.run,
            pages_to_scan: self.pages_to_scan,
            sleep_millisecs: self.sleep_millisecs,
            merge_across_nodes: self.merge_across_nodes,
        };
        let state = match change == KsmChange::default() {
            true => context.client.ksm().await?,
            false => context.client.set_ksm(&change).await?,
        };
        context.show(&state)
    }
}

impl Show for KsmState {
    const ELEMENT: &'static str = "ksm";

    fn human(&self) -> String {
        let run = match self.run {
            0 => "0 (stopped)".to_owned(),
            1 => "1 (running)".to_owned(),
            2 => "2 (stopped, all pages unmerged)".to_owned(),
            other => other.to_string(),
        };
        let saved = Bytes(self.pages_sharing.saturating_mul(4096));
        pairs([
            ("run", run),
            ("pages_to_scan", self.pages_to_scan.to_string()),
            ("sleep_millisecs", self.sleep_millisecs.to_string()),
            ("merge_across_nodes", or_dash(self.merge_across_nodes.map(yes_no))),
            ("pages_shared", self.pages_shared.to_string()),
            ("pages_sharing", format!("{} ({saved} saved)", self.pages_sharing)),
            ("pages_unshared", self.pages_unshared.to_string()),
            ("pages_volatile", self.pages_volatile.to_string()),
            ("full_scans", self.full_scans.to_string()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::output::Format;

    /// As in the guide (14.7.7), whose spelling of one is its own.
    #[test]
    fn options_have_the_names_of_virsh_too() {
        let words =
            "reeve node ksm --shm-pages-to-scan 300 --shm-sleep-milisecs 20 --shm-merge-across-nodes 0";
        let parsed = crate::Cli::try_parse_from(words.split(' ')).unwrap();
        let shown = format!("{parsed:?}");
        for part in
            ["pages_to_scan: Some(300)", "sleep_millisecs: Some(20)", "merge_across_nodes: Some(false)"]
        {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn names_are_the_kernels() {
        let state = KsmState {
            run: 1,
            pages_to_scan: 300,
            sleep_millisecs: 20,
            merge_across_nodes: None,
            pages_shared: 10,
            pages_sharing: 5120,
            pages_unshared: 77,
            pages_volatile: 3,
            full_scans: 9,
        };
        insta::assert_snapshot!(Format::Table.draw(&state).unwrap());
    }
}
