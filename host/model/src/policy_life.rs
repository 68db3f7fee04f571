//! What of a policy outlives one version of it: its history, its circuit breaker and what an operator may set.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::policy::{FailureMode, PolicyMode};

/// When the circuit breaker stops a policy: after so many failures within so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BreakerSettings {
    /// Failures that park the policy, 1 to 1000.
    pub failures: u32,
    /// How long a failure counts, 1 to 86400 seconds.
    pub within: u32,
}

impl BreakerSettings {
    /// True when both numbers are in their range.
    pub fn is_valid(self) -> bool {
        (1..=1000).contains(&self.failures) && (1..=86_400).contains(&self.within)
    }
}

impl Default for BreakerSettings {
    /// Five failures within a minute.
    fn default() -> Self {
        Self { failures: 5, within: 60 }
    }
}

/// A breaker is written `failures/seconds`, e.g. `5/60`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no breaker: write failures/seconds, e.g. 5/60 for five failures within a minute")]
pub struct BadBreaker(String);

impl std::str::FromStr for BreakerSettings {
    type Err = BadBreaker;

    fn from_str(text: &str) -> Result<Self, BadBreaker> {
        let numbers = text.split_once('/').and_then(|(failures, within)| {
            Some(Self { failures: failures.parse().ok()?, within: within.parse().ok()? })
        });
        numbers.filter(|breaker| breaker.is_valid()).ok_or_else(|| BadBreaker(text.to_owned()))
    }
}

impl std::fmt::Display for BreakerSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} failures within {} s", self.failures, self.within)
    }
}

/// Since when and why a policy is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Parked {
    /// When the circuit breaker stopped it.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: OffsetDateTime,
    /// The last failure, one sentence.
    pub reason: String,
}

/// One version of an installed policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyVersion {
    /// sha256 of the component, hex.
    pub digest: String,
    /// Version from its manifest.
    pub version: String,
    /// When it was put in place last.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub installed: OffsetDateTime,
    /// The configuration it ran with last.
    pub config: serde_json::Value,
    /// False once the circuit breaker stopped it or an operator rolled back from it.
    pub good: bool,
}

/// What an operator changes of a loaded policy; what is none stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// Whether its answers count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<PolicyMode>,
    /// Whether it is asked at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What a failure means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<FailureMode>,
    /// Position in its chains, lowest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i32>,
    /// When the circuit breaker stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerSettings>,
    /// Its configuration; takes the place of the present one as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::BreakerSettings;

    #[test]
    fn breakers_are_two_numbers() {
        assert_eq!("3/10".parse(), Ok(BreakerSettings { failures: 3, within: 10 }));
        for bad in ["", "3", "0/10", "3/0", "1001/1", "3/86401", "-1/2", "3/10/1"] {
            assert!(bad.parse::<BreakerSettings>().is_err(), "{bad}");
        }
    }
}
