//! Verbs on policies: authorization in front of [`PolicyAdmin`](crate::policy_port::PolicyAdmin).

use reeve_model::policy::{Decision, DecisionFilter, PolicyInfo, PolicyMode, PolicySettings};
use reeve_model::{Actor, Error, Verb};

use crate::Actions;
use crate::policy_port::LoadRequest;

impl Actions {
    /// All loaded policies, in chain order.
    pub fn policy_list(&self, actor: &Actor) -> Result<Vec<PolicyInfo>, Error> {
        self.authorize(actor, Verb::PolicyRead, "")?;
        Ok(self.policies.list())
    }

    /// One loaded policy.
    pub fn policy_show(&self, actor: &Actor, name: &str) -> Result<PolicyInfo, Error> {
        self.authorize(actor, Verb::PolicyRead, name)?;
        self.policies.show(name)
    }

    /// Loads a component, or puts it in place of an older version.
    pub async fn policy_load(&self, actor: &Actor, request: LoadRequest) -> Result<PolicyInfo, Error> {
        self.authorize(actor, Verb::PolicyAdmin, request.name.as_deref().unwrap_or(""))?;
        self.policies.load(request).await
    }

    /// Takes a policy out; calls in flight finish.
    pub async fn policy_unload(&self, actor: &Actor, name: &str) -> Result<(), Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.unload(name).await
    }

    /// Switches a policy between monitor and enforce.
    pub async fn policy_set_mode(
        &self,
        actor: &Actor,
        name: &str,
        mode: PolicyMode,
    ) -> Result<PolicyInfo, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.set_mode(name, mode).await
    }

    /// Gives grants to a policy.
    pub async fn policy_grant(
        &self,
        actor: &Actor,
        name: &str,
        grants: Vec<String>,
    ) -> Result<PolicyInfo, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.grant(name, grants).await
    }

    /// Takes grants back from a policy.
    pub async fn policy_revoke(
        &self,
        actor: &Actor,
        name: &str,
        grants: Vec<String>,
    ) -> Result<PolicyInfo, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.revoke(name, grants).await
    }

    /// Lets a parked policy run again.
    pub async fn policy_resume(&self, actor: &Actor, name: &str) -> Result<PolicyInfo, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.resume(name).await
    }

    /// Changes settings of a policy, all of them or, on an error, none.
    pub async fn policy_set(
        &self,
        actor: &Actor,
        name: &str,
        settings: PolicySettings,
    ) -> Result<PolicyInfo, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.set(name, settings).await
    }

    /// Puts an earlier version of a policy back.
    pub async fn policy_roll_back(
        &self,
        actor: &Actor,
        name: &str,
        to: Option<String>,
    ) -> Result<PolicyInfo, Error> {
        self.authorize(actor, Verb::PolicyAdmin, name)?;
        self.policies.roll_back(name, to).await
    }

    /// Rows of the decision log, oldest first.
    pub async fn decisions(&self, actor: &Actor, filter: DecisionFilter) -> Result<Vec<Decision>, Error> {
        self.authorize(actor, Verb::PolicyRead, filter.policy.as_deref().unwrap_or(""))?;
        self.policies.decisions(filter).await
    }
}
