//! Verbs on recordings and audits: authorization in front of [`PolicyRecords`](crate::record_port::PolicyRecords). A session has
//! documents and values of the policy in it, so all of them are the administrator's.

use reeve_model::record::{AuditRequest, Audited, Recorded, StartRecording};
use reeve_model::{Actor, Error, Verb};

use crate::Actions;

impl Actions {
    /// Begins to record the next calls of a policy.
    pub fn policy_record(&self, actor: &Actor, name: &str, wanted: StartRecording) -> Result<(), Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.start_recording(name, wanted)
    }

    /// Gives what was recorded since the last time; waits a second at most when there is nothing yet.
    pub async fn policy_recorded(&self, actor: &Actor, name: &str) -> Result<Recorded, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.recorded(name).await
    }

    /// Ends a recording, and gives the rest of it.
    pub fn policy_stop_recording(&self, actor: &Actor, name: &str) -> Result<Recorded, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.stop_recording(name)
    }

    /// Asks a guard about every domain there is; nothing changes.
    pub async fn policy_audit(&self, actor: &Actor, request: AuditRequest) -> Result<Vec<Audited>, Error> {
        self.authorize(actor, Verb::PolicyAdmin, request.policy.as_deref().unwrap_or(""))?;
        self.policies.audit(request).await
    }
}
