//! The engine as the verbs see it.

use std::sync::Arc;

use async_trait::async_trait;
use reeve_actions::policy_port::{
    CloneRequest, Denial, FilterRequest, GuardRequest, GuardVerdict, MacRequest, MigrationGuard,
    NetworkGuard, PolicyPort, Steering, StorageGuard, StrategyRequest,
};
use reeve_model::filter::Ruleset;
use reeve_model::storage::VolumeConfig;
use reeve_model::{Bytes, Error, Verb};

use crate::policy_engine::PolicyEngine;
use crate::{chain, filter, migration, propose};

#[async_trait]
impl PolicyPort for PolicyEngine {
    async fn guard(&self, request: GuardRequest) -> GuardVerdict {
        chain::guard(&self.shared, request).await
    }

    async fn guard_network(&self, request: NetworkGuard) -> Result<(), Denial> {
        chain::guard_network(&self.shared, request).await
    }

    async fn guard_storage(&self, request: StorageGuard) -> Result<Option<Arc<VolumeConfig>>, Denial> {
        chain::storage::guard(&self.shared, request).await
    }

    async fn guard_migration(&self, request: MigrationGuard) -> GuardVerdict {
        chain::guard_migration(&self.shared, request).await
    }

    async fn strategy(&self, request: StrategyRequest) -> Result<Option<Box<dyn Steering>>, Error> {
        migration::steer(&self.shared, request).await
    }

    async fn propose_filter(&self, request: FilterRequest) -> Result<Option<Ruleset>, Error> {
        filter::propose(&self.shared, request).await
    }

    async fn propose_mac(&self, request: MacRequest) -> Result<Option<String>, Error> {
        propose::mac(&self.shared, request).await
    }

    async fn propose_clone_name(&self, request: CloneRequest) -> Result<Option<String>, Error> {
        propose::clone_name::propose(&self.shared, request).await
    }

    fn volume_quota(&self, name: &str, verb: Verb, pool: &str) -> Option<Bytes> {
        // A policy that is gone may not use anything.
        let binding = self.shared.registry.find(name);
        binding.map_or(Some(0), |binding| binding.active().grants.volume_quota(verb, pool)).map(Bytes)
    }

    fn permits(&self, name: &str, verb: Verb, subject: &str) -> bool {
        let binding = self.shared.registry.find(name);
        binding.is_some_and(|binding| binding.active().grants.permits(verb, subject))
    }
}
