//! Calls of policies as they are recorded for replay, and what a guard would say of what is there already.

use serde::{Deserialize, Serialize};

use crate::DomainState;
use crate::policy::{Hook, Outcome, PathChange};

/// How much of a policy is recorded; whichever limit is reached first ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StartRecording {
    /// Calls, 1 to 100000.
    pub count: u32,
    /// Seconds, 1 to 3600.
    pub seconds: u32,
    /// Only calls of this hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
}

/// What was recorded since it was last fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Recorded {
    /// Sessions, oldest first.
    pub sessions: Vec<serde_json::Value>,
    /// Calls that found the buffer full.
    pub lost: u64,
    /// True when there will be no more; the recording is forgotten.
    pub done: bool,
}

/// Which guard is asked about the domains that exist.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditRequest {
    /// A loaded policy, as it is bound; else `component` counts.
    pub policy: Option<String>,
    /// A component that need not be loaded.
    pub component: Vec<u8>,
    /// Grants of the component.
    pub grants: Vec<String>,
    /// Configuration of the component.
    pub config: Option<serde_json::Value>,
    /// Which guard; none takes the first of domain-define, domain-prepare, domain-start and domain-stop that it answers.
    pub hook: Option<Hook>,
}

/// What a guard would say of one domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Audited {
    /// Name of the domain.
    pub domain: String,
    /// Its state.
    pub state: DomainState,
    /// Which guard was asked.
    pub hook: Hook,
    /// What it says.
    pub outcome: Outcome,
    /// Its reason or failure, one sentence; may be empty.
    pub reason: String,
    /// What it would change.
    pub changes: Vec<PathChange>,
}
