//! The watchdog of a machine.

use serde::{Deserialize, Serialize};

/// A watchdog timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchdogConfig {
    /// What happens when it expires.
    pub action: WatchdogAction,
}

/// What happens when a watchdog expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchdogAction {
    /// The machine is reset.
    Reset,
    /// The power button is pressed.
    Shutdown,
    /// As if the guest had switched itself off.
    Poweroff,
    /// vCPUs stop.
    Pause,
    /// vCPUs stop, so that whoever listens can dump the guest and resume it.
    Dump,
    /// It is told, and nothing else.
    None,
    /// Every vCPU gets a non-maskable interrupt.
    InjectNmi,
}
