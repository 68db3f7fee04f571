//! Recordings and audits of policies. Part of [`PolicyAdmin`](crate::policy_port::PolicyAdmin).

use async_trait::async_trait;
use reeve_model::Error;
use reeve_model::record::{AuditRequest, Audited, Recorded, StartRecording};

/// Calls as sessions, and guards asked about what is there.
#[async_trait]
pub trait PolicyRecords: Send + Sync {
    /// Begins to record the next calls of a policy; one recording a policy at a time.
    fn start_recording(&self, name: &str, wanted: StartRecording) -> Result<(), Error>;

    /// Waits for a session, a second at most, and gives what was recorded since the last time.
    async fn recorded(&self, name: &str) -> Result<Recorded, Error>;

    /// Ends a recording, and gives the rest of it.
    fn stop_recording(&self, name: &str) -> Result<Recorded, Error>;

    /// Asks a guard about every domain there is. Nothing changes, and nothing is logged as a decision.
    async fn audit(&self, request: AuditRequest) -> Result<Vec<Audited>, Error>;
}
