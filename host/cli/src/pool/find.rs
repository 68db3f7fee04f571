//! `reeve pool find-sources` (guide 14.11.1).

use std::path::PathBuf;

use clap::Args;
use reeve_model::storage::{FoundSource, PoolKind, PoolSource, SourceLookup};
use serde::Serialize;

use crate::context::{Context, read_document};
use crate::output::{Show, or_dash, table};

/// Options of `reeve pool find-sources`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve pool find-sources fs                        devices with a file system
  reeve pool find-sources disk                      whole devices, and the partition tables on them
  reeve pool find-sources logical                   volume groups, and their devices
  reeve pool find-sources netfs files.example.com   directories that an NFS server exports
  reeve pool find-sources iscsi san.example.com     targets that an iSCSI server offers
  reeve pool find-sources iscsi san.example.com --username host1 --secret san")]
pub struct FindSources {
    /// Type of the pool
    #[arg(value_name = "TYPE", value_parser = kind)]
    kind: PoolKind,
    /// Name or address of the server that is asked, for netfs and iscsi
    host: Option<String>,
    /// Its port, for iscsi
    port: Option<u16>,
    /// Name that the host calls itself
    initiator: Option<String>,
    /// A <source> document that says all this instead; '-' for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host", "username", "secret"])]
    source: Option<PathBuf>,
    /// Name by which the host proves to an iSCSI server who it is
    #[arg(long, requires = "secret")]
    username: Option<String>,
    /// UUID or usage of the secret that goes with it
    #[arg(long, requires = "username")]
    secret: Option<String>,
    /// Print a document with a <source> for each
    #[arg(long)]
    xml: bool,
}

fn kind(word: &str) -> Result<PoolKind, String> {
    PoolKind::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = PoolKind::ALL.iter().map(|(_, word)| *word).collect();
        format!("'{word}' is not one of {}", words.join(", "))
    })
}

impl FindSources {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let kind = self.kind;
        let lookup = match &self.source {
            Some(file) => lookup(kind, &reeve_xml::pool::parse_source(&read_document(file)?)?),
            None => SourceLookup {
                kind,
                host: self.host,
                port: self.port,
                initiator: self.initiator,
                username: self.username,
                secret: self.secret,
            },
        };
        let found = context.client.pool_sources(&lookup).await?;
        if self.xml {
            let sources: Vec<PoolSource> = found.iter().map(|found| found.source(kind)).collect();
            return context.print(reeve_xml::pool::format_sources(&sources).trim_end());
        }
        context.show(&Rows(found))
    }
}

/// Where a document says that sources are looked for.
fn lookup(kind: PoolKind, source: &PoolSource) -> SourceLookup {
    let host = source.hosts.first();
    let auth = source.auth.as_ref();
    let secret = auth.and_then(|auth| auth.secret.as_ref());
    SourceLookup {
        kind,
        host: host.map(|host| host.name.clone()),
        port: host.and_then(|host| host.port),
        initiator: source.initiator.clone(),
        username: auth.and_then(|auth| auth.username.clone()),
        secret: secret.and_then(|secret| secret.uuid.clone().or_else(|| secret.usage.clone())),
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<FoundSource>);

impl Show for Rows {
    const ELEMENT: &'static str = "sources";

    fn human(&self) -> String {
        let cells = |source: &FoundSource| {
            let host = source.host.as_ref().map(|host| host.name.clone());
            let devices = Some(source.devices.join(" ")).filter(|devices| !devices.is_empty());
            let size = source.size.map(|size| size.to_string());
            [
                source.path.clone(),
                or_dash(source.format.as_ref()),
                or_dash(size.as_ref()),
                or_dash(host.as_ref().or(devices.as_ref())),
            ]
        };
        table(["Source", "Format", "Size", "Of"], self.0.iter().map(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_where_to_look() {
        let text = "<source><host name='san' port='3261'/><auth type='chap' username='me'>\
                    <secret usage='san'/></auth></source>";
        let source = reeve_xml::pool::parse_source(text).unwrap();
        let expected = SourceLookup {
            host: Some("san".to_owned()),
            port: Some(3261),
            username: Some("me".to_owned()),
            secret: Some("san".to_owned()),
            ..SourceLookup::new(PoolKind::Iscsi)
        };
        assert_eq!(lookup(PoolKind::Iscsi, &source), expected);
    }
}
