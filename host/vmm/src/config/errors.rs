//! What becomes of requests to disks that fail.

use serde::{Deserialize, Serialize};

/// What becomes of a request that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorAction {
    /// The guest is told.
    Report,
    /// The guest is told that all is well.
    Ignore,
    /// The machine stands still until somebody lets it run; then the request is made once more.
    Stop,
    /// As Stop where the disk of the host is full, as Report otherwise.
    Enospace,
}

/// What becomes of requests to a disk that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorPolicy {
    /// Of those that change it, and of flushes.
    pub write: ErrorAction,
    /// Of reads.
    pub read: ErrorAction,
}

impl Default for ErrorPolicy {
    fn default() -> Self {
        Self { write: ErrorAction::Enospace, read: ErrorAction::Report }
    }
}

impl ErrorPolicy {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
