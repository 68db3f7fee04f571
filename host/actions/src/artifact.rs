//! Verbs on policies in registries: authorization in front of [`PolicyArtifacts`].

use async_trait::async_trait;
use reeve_model::install::{InstallPolicy, Installed};
use reeve_model::{Actor, Error, ErrorCode, Verb};

use crate::artifact_port::PolicyArtifacts;
use crate::{Actions, NoPolicy};

impl Actions {
    /// Installs a policy from a registry, or puts it in place of an older version.
    pub async fn policy_install(&self, actor: &Actor, request: InstallPolicy) -> Result<Installed, Error> {
        self.authorize(actor, Verb::PolicyAdmin, request.name.as_deref().unwrap_or(""))?;
        self.policies.install_artifact(request).await
    }
}

#[async_trait]
impl PolicyArtifacts for NoPolicy {
    async fn install_artifact(&self, _request: InstallPolicy) -> Result<Installed, Error> {
        Err(Error::new(ErrorCode::Unsupported, "this host runs without the policy engine"))
    }
}
