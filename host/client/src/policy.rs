//! Policies and the decision log.

use hyper::Method;
use reeve_model::api::{Grants, RollBack, SetMode};
use reeve_model::policy::{
    BreakerSettings, Decision, DecisionFilter, FailureMode, PolicyInfo, PolicyMode, PolicySettings,
};
use reeve_model::task::TaskTriggers;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

/// A component to load and how to bind it. What is none keeps its present value, or the default for a new policy.
#[derive(Debug, Clone, Default)]
pub struct PolicyUpload {
    /// The component's bytes.
    pub component: Vec<u8>,
    /// Name to load it under; none takes the manifest's.
    pub name: Option<String>,
    /// Mode to start in.
    pub mode: Option<PolicyMode>,
    /// Grants to give.
    pub grants: Vec<String>,
    /// Configuration for it.
    pub config: Option<serde_json::Value>,
    /// Position in its chains, lowest first.
    pub order: Option<i32>,
    /// What a failure means.
    pub on_failure: Option<FailureMode>,
    /// When the circuit breaker stops it.
    pub breaker: Option<BreakerSettings>,
    /// When its task runs by itself.
    pub triggers: Option<TaskTriggers>,
}

impl PolicyUpload {
    fn target(&self) -> Target {
        let mut target = Target::new(&["policies"]);
        if let Some(name) = &self.name {
            target = target.with("name", name);
        }
        if let Some(mode) = self.mode {
            target = target.with_fields(&SetMode { mode });
        }
        if let Some(order) = self.order {
            target = target.with("order", &order.to_string());
        }
        if let Some(on_failure) = self.on_failure {
            target = target.with("on_failure", on_failure.as_str());
        }
        if let Some(BreakerSettings { failures, within }) = self.breaker {
            target = target.with("breaker", &format!("{failures}/{within}"));
        }
        if let Some(triggers) = &self.triggers {
            if let Some(schedule) = &triggers.schedule {
                target = target.with("schedule", schedule);
            }
            target = triggers.events.iter().fold(target, |target, event| target.with("event", event));
            target = target.with("catch_up", &triggers.catch_up.to_string());
        }
        if let Some(config) = &self.config {
            target = target.with("config", &config.to_string());
        }
        self.grants.iter().fold(target, |target, grant| target.with("grant", grant))
    }
}

impl Client {
    /// All loaded policies, in chain order.
    pub async fn list_policies(&self) -> Result<Vec<PolicyInfo>, ClientError> {
        self.call(Method::GET, Target::new(&["policies"]), Payload::Empty).await
    }

    /// One loaded policy.
    pub async fn policy(&self, name: &str) -> Result<PolicyInfo, ClientError> {
        self.call(Method::GET, Target::new(&["policies", name]), Payload::Empty).await
    }

    /// Loads a policy, or a new version of a loaded one.
    pub async fn load_policy(&self, upload: PolicyUpload) -> Result<PolicyInfo, ClientError> {
        let target = upload.target();
        self.call(Method::POST, target, Payload::Component(upload.component)).await
    }

    /// Takes a policy out.
    pub async fn unload_policy(&self, name: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, Target::new(&["policies", name]), Payload::Empty).await.map(drop)
    }

    /// Switches a policy between monitor and enforce.
    pub async fn set_policy_mode(&self, name: &str, mode: PolicyMode) -> Result<PolicyInfo, ClientError> {
        let body = Payload::json(&SetMode { mode })?;
        self.call(Method::PUT, Target::new(&["policies", name, "mode"]), body).await
    }

    /// Gives grants to a policy.
    pub async fn grant_policy(&self, name: &str, grants: Vec<String>) -> Result<PolicyInfo, ClientError> {
        let body = Payload::json(&Grants { grants })?;
        self.call(Method::POST, Target::new(&["policies", name, "grant"]), body).await
    }

    /// Takes grants back from a policy.
    pub async fn revoke_policy(&self, name: &str, grants: Vec<String>) -> Result<PolicyInfo, ClientError> {
        let body = Payload::json(&Grants { grants })?;
        self.call(Method::POST, Target::new(&["policies", name, "revoke"]), body).await
    }

    /// Lets a parked policy run again.
    pub async fn resume_policy(&self, name: &str) -> Result<PolicyInfo, ClientError> {
        self.call(Method::POST, Target::new(&["policies", name, "resume"]), Payload::Empty).await
    }

    /// Changes settings of a policy: all that are given or, when one of them is refused, none.
    pub async fn set_policy(&self, name: &str, settings: &PolicySettings) -> Result<PolicyInfo, ClientError> {
        let body = Payload::json(settings)?;
        self.call(Method::PATCH, Target::new(&["policies", name]), body).await
    }

    /// Puts an earlier version of a policy back; none takes the newest good one.
    pub async fn roll_back_policy(&self, name: &str, to: Option<String>) -> Result<PolicyInfo, ClientError> {
        let body = Payload::json(&RollBack { to })?;
        self.call(Method::POST, Target::new(&["policies", name, "rollback"]), body).await
    }

    /// Rows of the decision log, oldest first.
    pub async fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<Decision>, ClientError> {
        self.call(Method::GET, Target::new(&["decisions"]).with_fields(filter), Payload::Empty).await
    }
}
