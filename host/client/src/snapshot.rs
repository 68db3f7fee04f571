//! Snapshots of domains. `domain` is a name or a UUID.

use hyper::Method;
use reeve_model::snapshot::{CreateSnapshot, DeleteSnapshot, RevertSnapshot, SnapshotRow};
use reeve_model::stats::DomainSummary;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Snapshots of a domain by name.
    pub async fn snapshots(&self, domain: &str) -> Result<Vec<SnapshotRow>, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain, "snapshots"]), Payload::Empty).await
    }

    /// Makes a snapshot as a document and options say.
    pub async fn create_snapshot(
        &self,
        domain: &str,
        xml: &str,
        how: CreateSnapshot,
    ) -> Result<SnapshotRow, ClientError> {
        let target = Target::new(&["domains", domain, "snapshots"]).with_fields(&how);
        self.call(Method::POST, target, Payload::Xml(xml)).await
    }

    /// The document of a snapshot.
    pub async fn snapshot_xml(&self, domain: &str, snapshot: &str) -> Result<String, ClientError> {
        self.text(Method::GET, Target::new(&["domains", domain, "snapshots", snapshot, "xml"])).await
    }

    /// Makes a snapshot the current one.
    pub async fn set_current_snapshot(&self, domain: &str, snapshot: &str) -> Result<(), ClientError> {
        let target = Target::new(&["domains", domain, "snapshots", snapshot, "current"]);
        self.send(Method::PUT, target, Payload::Empty).await.map(drop)
    }

    /// Takes a domain back to a snapshot.
    pub async fn revert_snapshot(
        &self,
        domain: &str,
        snapshot: &str,
        how: RevertSnapshot,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "snapshots", snapshot, "revert"]).with_fields(&how);
        self.call(Method::POST, target, Payload::Empty).await
    }

    /// Deletes snapshots; the names that are gone.
    pub async fn delete_snapshot(
        &self,
        domain: &str,
        snapshot: &str,
        how: DeleteSnapshot,
    ) -> Result<Vec<String>, ClientError> {
        let target = Target::new(&["domains", domain, "snapshots", snapshot]).with_fields(&how);
        self.call(Method::DELETE, target, Payload::Empty).await
    }
}
