//! Verbs on storage pools. `pool` is a name or a UUID everywhere.

use hyper::Method;
use reeve_model::api::{EditOptions, SetAutostart, XmlOptions};
use reeve_model::storage::{
    BuildMode, BuildPool, DefinedPool, FoundSource, PoolFilter, PoolSummary, SourceLookup, StorageJob,
    TakePool,
};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Rows of all pools that pass the filter, by name.
    pub async fn list_pools(&self, filter: &PoolFilter) -> Result<Vec<PoolSummary>, ClientError> {
        self.call(Method::GET, Target::new(&["pools"]).with_fields(filter), Payload::Empty).await
    }

    /// Takes in a pool document: as a definition, or as a transient pool that is started at once.
    pub async fn define_pool(&self, xml: &str, options: TakePool) -> Result<DefinedPool, ClientError> {
        self.call(Method::POST, Target::new(&["pools"]).with_fields(&options), Payload::Xml(xml)).await
    }

    /// What is known of a pool.
    pub async fn pool_info(&self, pool: &str) -> Result<PoolSummary, ClientError> {
        self.call(Method::GET, Target::new(&["pools", pool]), Payload::Empty).await
    }

    /// Removes the definition of a pool that is not active.
    pub async fn undefine_pool(&self, pool: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, Target::new(&["pools", pool]), Payload::Empty).await.map(drop)
    }

    /// The pool's document as XML text.
    pub async fn pool_xml(&self, pool: &str, options: XmlOptions) -> Result<String, ClientError> {
        self.text(Method::GET, Target::new(&["pools", pool, "xml"]).with_fields(&options)).await
    }

    /// Replaces the definition of a pool; name and UUID stay.
    pub async fn edit_pool(
        &self,
        pool: &str,
        xml: &str,
        options: &EditOptions,
    ) -> Result<DefinedPool, ClientError> {
        let target = Target::new(&["pools", pool, "xml"]).with_fields(options);
        self.call(Method::PUT, target, Payload::Xml(xml)).await
    }

    /// Makes the source of a pool.
    pub async fn build_pool(&self, pool: &str, mode: BuildMode) -> Result<(), ClientError> {
        let body = Payload::json(&BuildPool { mode })?;
        self.send(Method::POST, Target::new(&["pools", pool, "build"]), body).await.map(drop)
    }

    /// Starts a defined pool.
    pub async fn start_pool(&self, pool: &str) -> Result<PoolSummary, ClientError> {
        self.call(Method::POST, Target::new(&["pools", pool, "start"]), Payload::Empty).await
    }

    /// Stops a pool; its data stays.
    pub async fn destroy_pool(&self, pool: &str) -> Result<(), ClientError> {
        self.send(Method::POST, Target::new(&["pools", pool, "destroy"]), Payload::Empty).await.map(drop)
    }

    /// Removes the source of a pool for good; the definition stays.
    pub async fn delete_pool(&self, pool: &str) -> Result<(), ClientError> {
        self.send(Method::POST, Target::new(&["pools", pool, "delete"]), Payload::Empty).await.map(drop)
    }

    /// Reads the volumes of a pool again.
    pub async fn refresh_pool(&self, pool: &str) -> Result<PoolSummary, ClientError> {
        self.call(Method::POST, Target::new(&["pools", pool, "refresh"]), Payload::Empty).await
    }

    /// What pools of a kind could be made of, on the host or at a server.
    pub async fn pool_sources(&self, lookup: &SourceLookup) -> Result<Vec<FoundSource>, ClientError> {
        let target = Target::new(&["pool-sources"]).with_fields(lookup);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Long operations on a pool and its volumes that go on.
    pub async fn pool_jobs(&self, pool: &str) -> Result<Vec<StorageJob>, ClientError> {
        self.call(Method::GET, Target::new(&["pools", pool, "jobs"]), Payload::Empty).await
    }

    /// The long operations on all pools and on disks that are in none, the oldest first.
    pub async fn storage_jobs(&self) -> Result<Vec<StorageJob>, ClientError> {
        self.call(Method::GET, Target::new(&["storage-jobs"]), Payload::Empty).await
    }

    /// Switches whether the daemon starts a pool by itself.
    pub async fn set_pool_autostart(&self, pool: &str, enabled: bool) -> Result<PoolSummary, ClientError> {
        let body = Payload::json(&SetAutostart { enabled })?;
        self.call(Method::PUT, Target::new(&["pools", pool, "autostart"]), body).await
    }
}
