//! Other hosts, by their API sockets.

use std::path::Path;

use async_trait::async_trait;
use reeve_actions::PeerPort;
use reeve_client::{Client, ClientError};
use reeve_model::migration::{MigrationPrepared, MigrationReport, PrepareMigration};
use reeve_model::{Error, ErrorCode};
use uuid::Uuid;

/// Speaks HTTP with them, as any client does.
pub struct ApiPeers;

#[async_trait]
impl PeerPort for ApiPeers {
    async fn prepare(&self, host: &Path, request: &PrepareMigration) -> Result<MigrationPrepared, Error> {
        Client::new(host).prepare_migration(request).await.map_err(|fault| explain(host, fault))
    }

    async fn report(&self, host: &Path, migration: Uuid) -> Result<MigrationReport, Error> {
        Client::new(host).migration_report(migration).await.map_err(|fault| explain(host, fault))
    }

    async fn resume(&self, host: &Path, migration: Uuid) -> Result<MigrationPrepared, Error> {
        Client::new(host).resume_migration(migration).await.map_err(|fault| explain(host, fault))
    }
}

fn explain(host: &Path, fault: ClientError) -> Error {
    match fault {
        ClientError::Refused(error) => error,
        other => {
            let message = format!("the host behind '{}' does not answer: {other}", host.display());
            Error::new(ErrorCode::Unsupported, message)
        }
    }
}
