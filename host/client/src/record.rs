//! Recordings and audits of policies.

use hyper::Method;
use reeve_model::record::{AuditRequest, Audited, Recorded, StartRecording};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Begins to record the next calls of a policy.
    pub async fn start_recording(&self, policy: &str, wanted: &StartRecording) -> Result<(), ClientError> {
        let body = Payload::json(wanted)?;
        self.send(Method::POST, recording(policy), body).await.map(drop)
    }

    /// What was recorded since the last time; waits a second when there is nothing yet.
    pub async fn recorded(&self, policy: &str) -> Result<Recorded, ClientError> {
        self.call(Method::GET, recording(policy), Payload::Empty).await
    }

    /// Ends a recording, and gives the rest of it.
    pub async fn stop_recording(&self, policy: &str) -> Result<Recorded, ClientError> {
        self.call(Method::DELETE, recording(policy), Payload::Empty).await
    }

    /// Asks a guard about every domain there is; nothing changes.
    pub async fn audit(&self, request: AuditRequest) -> Result<Vec<Audited>, ClientError> {
        let AuditRequest { policy, component, grants, config, hook } = request;
        let mut target = Target::new(&["audit"]);
        if let Some(policy) = &policy {
            target = target.with("policy", policy);
        }
        if let Some(hook) = hook {
            target = target.with("hook", hook.as_str());
        }
        if let Some(config) = &config {
            target = target.with("config", &config.to_string());
        }
        let target = grants.iter().fold(target, |target, grant| target.with("grant", grant));
        self.call(Method::POST, target, Payload::Component(component)).await
    }
}

fn recording(policy: &str) -> Target {
    Target::new(&["policies", policy, "recording"])
}
