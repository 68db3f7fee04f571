//! What a host is asked for a guest that comes, by a test that plays the other host.

use reeve_model::migration::{MigrationHost, PrepareMigration, StreamRoute};
use uuid::Uuid;

use crate::Daemon;

/// A guest with this document, sent by a host from another machine that nobody knows more of. Its disks may be anywhere.
pub fn prepare_migration(source: &Daemon, xml: &str) -> PrepareMigration {
    PrepareMigration {
        migration: Uuid::new_v4(),
        xml: xml.to_owned(),
        slots: Vec::new(),
        paused: false,
        persistent: false,
        source: source.root().join("run/reeve/reeve.sock").display().to_string(),
        route: StreamRoute::Socket,
        boot_id: String::new(),
        allow_unsafe: true,
        host: MigrationHost::default(),
        disks: Vec::new(),
        disk_facts: Vec::new(),
    }
}
