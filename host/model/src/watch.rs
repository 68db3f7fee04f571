//! Policies while they work: their log lines, and how busy they are.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Bytes;
use crate::policy::{Hook, PolicyMode};

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Every detail.
    Debug,
    /// The normal course of things.
    Info,
    /// Something an operator should look at.
    Warn,
    /// Something failed.
    Error,
}

/// One line that a policy wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyLogLine {
    /// Number of the line, from 1; grows over all lines of the policy since the daemon began.
    pub seq: u64,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub time: OffsetDateTime,
    /// How important it is.
    pub level: LogLevel,
    /// The hook that wrote it.
    pub hook: Hook,
    /// The call that wrote it; its number before the dash is the chain of the decision log.
    pub call: String,
    /// The line.
    pub message: String,
}

/// Which lines of a policy are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct LogFilter {
    /// Lines after this number; none gives the newest ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many (default 100).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where there is none yet, wait for one, so many seconds at most (up to 60).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<u32>,
}

/// Calls whose length was within one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LatencyClass {
    /// Longest call of the class, microseconds; classes are a quarter of an octave wide.
    pub up_to: u64,
    /// How many there were.
    pub calls: u64,
}

/// How busy a policy was since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyActivity {
    /// The policy.
    pub policy: String,
    /// Whether its answers count.
    pub mode: PolicyMode,
    /// True when the circuit breaker stopped it.
    pub parked: bool,
    /// Invocations.
    pub calls: u64,
    /// Guard denials.
    pub denials: u64,
    /// Traps, deadline misses and exceeded limits.
    pub failures: u64,
    /// Largest linear memory of one call, bytes.
    pub memory_peak: Bytes,
    /// How long calls took; classes without a call are left out.
    pub latency: Vec<LatencyClass>,
}

/// The length of call below which the share `part` (0 to 1) of all calls was; none when there was no call.
pub fn percentile(classes: &[LatencyClass], part: f64) -> Option<u64> {
    let all: u64 = classes.iter().map(|class| class.calls).sum();
    // Rounded up, so that the 99th percentile of two calls is the longer one.
    let wanted = (all as f64 * part).ceil() as u64;
    let mut seen = 0;
    classes.iter().find_map(|class| {
        seen += class.calls;
        (all > 0 && seen >= wanted.max(1)).then_some(class.up_to)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_go_by_the_number_of_calls() {
        let classes = [(10, 98), (20, 1), (4000, 1)].map(|(up_to, calls)| LatencyClass { up_to, calls });
        assert_eq!(percentile(&classes, 0.5), Some(10));
        assert_eq!(percentile(&classes, 0.99), Some(20));
        assert_eq!(percentile(&classes, 1.0), Some(4000));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
