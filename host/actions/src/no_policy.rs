//! A host without policies: everything that is authorized is allowed.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_model::filter::Ruleset;
use reeve_model::policy::{Decision, DecisionFilter, PolicyInfo, PolicyMode, PolicySettings};
use reeve_model::record::{AuditRequest, Audited, Recorded, StartRecording};
use reeve_model::storage::VolumeConfig;
use reeve_model::task::{TaskInfo, TaskRun, TaskTriggers};
use reeve_model::watch::{LogFilter, PolicyActivity, PolicyLogLine};
use reeve_model::{Actor, Bytes, Error, ErrorCode, Verb};

use crate::policy_port::{
    CloneRequest, Denial, FilterRequest, GuardRequest, GuardVerdict, LoadRequest, MacRequest, MigrationGuard,
    NetworkGuard, PolicyAdmin, PolicyPort, Steering, StorageGuard, StrategyRequest,
};
use crate::record_port::PolicyRecords;
use crate::task_port::PolicyTasks;

/// No policy is loaded and none can be. For tests and for daemons that are built without the policy engine.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPolicy;

fn absent(name: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("policy '{name}' is not loaded"))
}

#[async_trait]
impl PolicyPort for NoPolicy {
    async fn guard(&self, request: GuardRequest) -> GuardVerdict {
        GuardVerdict::Allow { config: request.config, rewrites: Vec::new() }
    }

    async fn guard_network(&self, _request: NetworkGuard) -> Result<(), Denial> {
        Ok(())
    }

    async fn guard_migration(&self, request: MigrationGuard) -> GuardVerdict {
        GuardVerdict::Allow { config: request.config, rewrites: Vec::new() }
    }

    async fn strategy(&self, request: StrategyRequest) -> Result<Option<Box<dyn Steering>>, Error> {
        request.policy.map_or(Ok(None), |name| Err(absent(&name)))
    }

    async fn propose_filter(&self, _request: FilterRequest) -> Result<Option<Ruleset>, Error> {
        Ok(None)
    }

    async fn propose_mac(&self, _request: MacRequest) -> Result<Option<String>, Error> {
        Ok(None)
    }

    async fn guard_storage(&self, _request: StorageGuard) -> Result<Option<Arc<VolumeConfig>>, Denial> {
        Ok(None)
    }

    async fn propose_clone_name(&self, _request: CloneRequest) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn volume_quota(&self, _name: &str, _verb: Verb, _pool: &str) -> Option<Bytes> {
        Some(Bytes(0))
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

    async fn set(&self, name: &str, _settings: PolicySettings) -> Result<PolicyInfo, Error> {
        Err(absent(name))
    }

    async fn roll_back(&self, name: &str, _to: Option<String>) -> Result<PolicyInfo, Error> {
        Err(absent(name))
    }

    async fn decisions(&self, _filter: DecisionFilter) -> Result<Vec<Decision>, Error> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl PolicyRecords for NoPolicy {
    fn start_recording(&self, name: &str, _wanted: StartRecording) -> Result<(), Error> {
        Err(absent(name))
    }

    async fn recorded(&self, name: &str) -> Result<Recorded, Error> {
        Err(absent(name))
    }

    fn stop_recording(&self, name: &str) -> Result<Recorded, Error> {
        Err(absent(name))
    }

    async fn audit(&self, request: AuditRequest) -> Result<Vec<Audited>, Error> {
        Err(absent(&request.policy.unwrap_or_default()))
    }
}

#[async_trait]
impl PolicyTasks for NoPolicy {
    fn tasks(&self) -> Vec<TaskInfo> {
        Vec::new()
    }

    async fn run_task(&self, name: &str, _actor: Actor, _arguments: Vec<String>) -> Result<TaskRun, Error> {
        Err(absent(name))
    }

    async fn set_triggers(&self, name: &str, _triggers: TaskTriggers) -> Result<TaskInfo, Error> {
        Err(absent(name))
    }

    async fn logs(&self, name: &str, _filter: LogFilter) -> Result<Vec<PolicyLogLine>, Error> {
        Err(absent(name))
    }

    fn activity(&self) -> Vec<PolicyActivity> {
        Vec::new()
    }
}
