//! The engine as the verbs see it.

use async_trait::async_trait;
use reeve_actions::policy_port::{
    Denial, FilterRequest, GuardRequest, GuardVerdict, MacRequest, NetworkGuard, PolicyPort,
};
use reeve_model::filter::Ruleset;
use reeve_model::{Error, Verb};

use crate::policy_engine::PolicyEngine;
use crate::{chain, filter, propose};

#[async_trait]
impl PolicyPort for PolicyEngine {
    async fn guard(&self, request: GuardRequest) -> GuardVerdict {
        chain::guard(&self.shared, request).await
    }

    async fn guard_network(&self, request: NetworkGuard) -> Result<(), Denial> {
        chain::guard_network(&self.shared, request).await
    }

    async fn propose_filter(&self, request: FilterRequest) -> Result<Option<Ruleset>, Error> {
        filter::propose(&self.shared, request).await
    }

    async fn propose_mac(&self, request: MacRequest) -> Result<Option<String>, Error> {
        propose::mac(&self.shared, request).await
    }

    fn permits(&self, name: &str, verb: Verb, subject: &str) -> bool {
        let binding = self.shared.registry.find(name);
        binding.is_some_and(|binding| binding.active().grants.permits(verb, subject))
    }
}
