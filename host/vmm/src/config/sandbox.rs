//! How a worker is locked in.

use serde::{Deserialize, Serialize};

/// How the worker locks itself in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxConfig {
    /// User the worker becomes; needs root. None keeps the user it was started as.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Group the worker becomes; needs root.
    #[serde(default)]
    pub gid: Option<u32>,
    /// Filter of system calls.
    #[serde(default)]
    pub seccomp: SeccompMode,
    /// No file can be opened by path any more (Landlock; skipped by kernels without it).
    #[serde(default)]
    pub landlock: bool,
}

/// What a forbidden system call does to the worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeccompMode {
    /// No filter.
    #[default]
    Off,
    /// It is allowed and written to the kernel log (audit).
    Log,
    /// It raises SIGSYS, which ends the worker with a core for debugging.
    Trap,
    /// The kernel kills the worker.
    Kill,
}
