//! Moving domains between hosts. `domain` is a name or a UUID.

use hyper::Method;
use reeve_model::migration::{
    AddStreams, Migrate, Migrated, MigrationJob, MigrationLimits, MigrationPrepared, MigrationReport,
    PrepareMigration, ResumeMigration,
};
use tokio::io::{AsyncRead, AsyncWrite};
use uuid::Uuid;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Moves a running domain to another host; answered when it runs there.
    pub async fn migrate_domain(&self, domain: &str, request: &Migrate) -> Result<Migrated, ClientError> {
        self.call(Method::POST, Target::new(&["domains", domain, "migrate"]), Payload::json(request)?).await
    }

    /// How far the migration of a domain is, or the last one was.
    pub async fn domain_job(&self, domain: &str) -> Result<MigrationJob, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain, "job"]), Payload::Empty).await
    }

    /// Ends the migration of a domain, which stays.
    pub async fn abort_domain_job(&self, domain: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, Target::new(&["domains", domain, "job"]), Payload::Empty).await.map(drop)
    }

    /// Lets a domain that is being migrated go on at its destination before all of its memory is there.
    pub async fn switch_to_post_copy(&self, domain: &str) -> Result<(), ClientError> {
        let target = Target::new(&["domains", domain, "migrate", "post-copy"]);
        self.send(Method::POST, target, Payload::Empty).await.map(drop)
    }

    /// Breaks the connection of post-copy, which can go on later.
    pub async fn interrupt_post_copy(&self, domain: &str) -> Result<(), ClientError> {
        let target = Target::new(&["domains", domain, "migrate", "interrupt"]);
        self.send(Method::POST, target, Payload::Empty).await.map(drop)
    }

    /// What a migration of a domain may cost.
    pub async fn migration_limits(&self, domain: &str) -> Result<MigrationLimits, ClientError> {
        let target = Target::new(&["domains", domain, "migration-limits"]);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Sets what a migration of a domain may cost.
    pub async fn set_migration_limits(
        &self,
        domain: &str,
        limits: MigrationLimits,
    ) -> Result<MigrationLimits, ClientError> {
        let target = Target::new(&["domains", domain, "migration-limits"]);
        self.call(Method::PUT, target, Payload::json(&limits)?).await
    }

    /// Has another host make ready for a guest.
    pub async fn prepare_migration(
        &self,
        request: &PrepareMigration,
    ) -> Result<MigrationPrepared, ClientError> {
        self.call(Method::POST, Target::new(&["migrations"]), Payload::json(request)?).await
    }

    /// Has another host make ready to go on with post-copy.
    pub async fn resume_migration(
        &self,
        migration: Uuid,
        request: &ResumeMigration,
    ) -> Result<MigrationPrepared, ClientError> {
        let target = Target::new(&["migrations", &migration.to_string(), "resume"]);
        self.call(Method::POST, target, Payload::json(request)?).await
    }

    /// Has another host make ready for more streams of a guest that is on its way to it.
    pub async fn add_migration_streams(
        &self,
        migration: Uuid,
        request: &AddStreams,
    ) -> Result<MigrationPrepared, ClientError> {
        let target = Target::new(&["migrations", &migration.to_string(), "streams"]);
        self.call(Method::POST, target, Payload::json(request)?).await
    }

    /// How another host sees a migration.
    pub async fn migration_report(&self, migration: Uuid) -> Result<MigrationReport, ClientError> {
        let target = Target::new(&["migrations", &migration.to_string()]);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Opens the stream of a guest to another host that made ready for it.
    pub async fn migration_stream(
        &self,
        migration: Uuid,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + use<>, ClientError> {
        let target = Target::new(&["migrations", &migration.to_string(), "stream"]);
        self.upgraded(target, "reeve-migration").await
    }
}
