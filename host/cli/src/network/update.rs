//! `reeve network update` (guide 14.22, `net-update`).

use std::path::Path;

use clap::Args;
use reeve_model::network::{NetworkUpdate, UpdateCommand, UpdateSection};

use super::{Target, define};
use crate::context::{Context, read_document};

/// Options of `reeve network update`.
#[derive(Debug, Args)]
#[command(after_help = "\
COMMAND is add-first, add-last (or add), modify or delete. SECTION is bridge, domain, ip, ip-dhcp-host, ip-dhcp-range, forward,
forward-interface, forward-pf, portgroup, dns-host, dns-txt or dns-srv.

Without --live and --config a running network is changed until it stops, and one that is not running is changed for its next start.

Examples:
  reeve network update default add ip-dhcp-host \"<host mac='52:54:00:00:00:01' ip='192.168.122.45'/>\" --live --config
  reeve network update default delete dns-host host.xml --config")]
pub struct Update {
    #[command(flatten)]
    target: Target,
    /// What to do
    #[arg(value_parser = command)]
    command: UpdateCommand,
    /// To which section
    #[arg(value_parser = section)]
    section: UpdateSection,
    /// The element as XML text, or a file with it; text begins with '<'
    xml: String,
    /// Which <ip>, from 0; without it the one that fits
    #[arg(long, value_name = "N")]
    parent_index: Option<u32>,
    /// Change the running network
    #[arg(long)]
    live: bool,
    /// Change the definition
    #[arg(long)]
    config: bool,
    /// Change the running network, or the definition of one that is not running
    #[arg(long, conflicts_with_all = ["live", "config"])]
    current: bool,
}

impl Update {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = match self.xml.trim_start().starts_with('<') {
            true => self.xml,
            false => read_document(Path::new(&self.xml))?,
        };
        let (live, config) = match (self.live, self.config) {
            (false, false) => {
                let active = context.client.network_info(&self.target.network).await?.active;
                (active, !active)
            }
            said => said,
        };
        let change = NetworkUpdate {
            command: self.command,
            section: self.section,
            xml,
            parent: self.parent_index,
            live,
            config,
        };
        let defined = context.client.update_network(&self.target.network, &change).await?;
        define::done(context, defined, "updated")
    }
}

fn command(word: &str) -> Result<UpdateCommand, String> {
    let word = if word == "add" { "add-last" } else { word };
    UpdateCommand::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = UpdateCommand::ALL.iter().map(|one| one.as_str()).collect();
        format!("write add, {}", words.join(", "))
    })
}

fn section(word: &str) -> Result<UpdateSection, String> {
    UpdateSection::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = UpdateSection::ALL.iter().map(|one| one.as_str()).collect();
        format!("write one of {}", words.join(", "))
    })
}
