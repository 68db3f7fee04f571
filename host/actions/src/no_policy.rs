//! A host without policies: everything that is authorized is allowed.

use async_trait::async_trait;
use reeve_model::policy::{Decision, DecisionFilter, PolicyInfo, PolicyMode};
use reeve_model::{Error, ErrorCode, Verb};

use crate::policy_port::{GuardRequest, GuardVerdict, LoadRequest, MacRequest, PolicyAdmin, PolicyPort};

/// No policy is loaded and none can be. For tests and for daemons that are built without the policy engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPolicy;

fn absent(name: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("policy '{name}' is not loaded"))
}

#[async_trait]
impl PolicyPort for NoPolicy {
    async fn guard(&self, request: GuardRequest) -> GuardVerdict {
        GuardVerdict::Allow { config: Box::new(request.config), rewrites: Vec::new() }
    }

    async fn propose_mac(&self, _request: MacRequest) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn permits(&self, _name: &str, _verb: Verb, _subject: &str) -> bool {
        false
    }
}

#[async_trait]
impl PolicyAdmin for NoPolicy {
    fn list(&self) -> Vec<PolicyInfo> {
        Vec::new()
    }

    fn show(&self, name: &str) -> Result<PolicyInfo, Error> {
        Err(absent(name))
    }

    async fn load(&self, _request: LoadRequest) -> Result<PolicyInfo, Error> {
        Err(Error::new(ErrorCode::Unsupported, "this host runs without the policy engine"))
    }

    async fn unload(&self, name: &str) -> Result<(), Error> {
        Err(absent(name))
    }

    async fn set_mode(&self, name: &str, _mode: PolicyMode) -> Result<PolicyInfo, Error> {
        Err(absent(name))
    }

    async fn grant(&self, name: &str, _grants: Vec<String>) -> Result<PolicyInfo, Error> {
        Err(absent(name))
    }

    async fn revoke(&self, name: &str, _grants: Vec<String>) -> Result<PolicyInfo, Error> {
        Err(absent(name))
    }

    async fn resume(&self, name: &str) -> Result<PolicyInfo, Error> {
        Err(absent(name))
    }

    async fn decisions(&self, _filter: DecisionFilter) -> Result<Vec<Decision>, Error> {
        Ok(Vec::new())
    }
}
