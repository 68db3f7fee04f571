//! Policies from registries: what a client asks for, and what it gets.

use serde::{Deserialize, Serialize};

use crate::policy::{PolicyInfo, PolicyMode};

/// Body that installs a policy from a registry. What is left out keeps its present value, or takes the default for a new policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstallPolicy {
    /// `REGISTRY/REPOSITORY:TAG` or `REGISTRY/REPOSITORY@sha256:HEX`.
    pub reference: String,
    /// Name to load it under instead of the manifest's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mode to start in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PolicyMode>,
    /// Position in its chains, lowest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i32>,
    /// Grants to give.
    #[serde(default)]
    pub grants: Vec<String>,
    /// Configuration for it, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// Take it without a signature, where no rule of trust names its repository.
    #[serde(default)]
    pub allow_unsigned: bool,
    /// Take it although its version is older than that of the one in place.
    #[serde(default)]
    pub allow_downgrade: bool,
}

/// A policy that was installed from a registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Installed {
    /// The policy.
    pub policy: PolicyInfo,
    /// What was asked for.
    pub reference: String,
    /// Digest of the artifact's manifest, `sha256:` and hex: what the policy is pinned to.
    pub digest: String,
    /// Id of the key that signed it; none when it was taken without a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}
