//! Tasks: policies that are run by hand, on a schedule or on events, and what came of their runs.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::policy::Outcome;

/// When a task runs by itself; empty means by hand only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TaskTriggers {
    /// A cron expression of five fields in the host's time zone (`0 3 * * mon-fri`), or an interval (`every 5m`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Events that start a run: `domain:started name=web-*`, `domain:*`, `daemon:started`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// True when one run shall stand for those that were missed while the daemon was down.
    #[serde(default)]
    pub catch_up: bool,
}

/// What started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TaskCause {
    /// Somebody asked for it.
    Manual,
    /// The schedule.
    Schedule,
    /// One run for all that were missed while the daemon was down.
    CatchUp,
    /// An event.
    Event,
}

/// One run of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskRun {
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub started: OffsetDateTime,
    /// What started it.
    pub cause: TaskCause,
    /// `done`, or how it failed.
    pub outcome: Outcome,
    /// What the task said it did, or why it failed; one line.
    pub summary: String,
    /// How long it took, microseconds.
    pub micros: u64,
}

/// A task as `policy task list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskInfo {
    /// The policy.
    pub policy: String,
    /// When it runs by itself.
    pub triggers: TaskTriggers,
    /// When it is due next; none without a schedule.
    #[serde(with = "time::serde::rfc3339::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub next: Option<OffsetDateTime>,
    /// True while it runs.
    pub running: bool,
    /// Events that wait for the present run to end.
    pub waiting: u32,
    /// The last run that ended; none when there was none yet.
    pub last: Option<TaskRun>,
}

/// Body that asks for a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RunTask {
    /// Handed to the task as they are; at most 64, 64 KiB together.
    #[serde(default)]
    pub arguments: Vec<String>,
}
