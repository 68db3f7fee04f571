//! What operators ask of policies in registries. Part of [`PolicyAdmin`](crate::policy_port::PolicyAdmin).

use async_trait::async_trait;
use reeve_model::Error;
use reeve_model::install::{InstallPolicy, Installed};

/// Policies from registries.
#[async_trait]
pub trait PolicyArtifacts: Send + Sync {
    /// Pulls an artifact, verifies it against the policy of trust, pins it by digest, and loads it as
    /// [`PolicyAdmin::load`](crate::policy_port::PolicyAdmin::load) does. What fails changes nothing.
    async fn install_artifact(&self, request: InstallPolicy) -> Result<Installed, Error>;
}
