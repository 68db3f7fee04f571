//! `<pm>` (guide 8.12, 20.13): which ACPI sleep states the guest is told of.

use serde::{Deserialize, Serialize};

use super::Extra;

/// `<pm>`. What it does not say is the driver's to choose; the native one has both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PmConfig {
    /// `<suspend-to-mem enabled='…'/>`: S3.
    #[serde(default)]
    pub suspend_to_mem: Option<bool>,
    /// `<suspend-to-disk enabled='…'/>`: S4.
    #[serde(default)]
    pub suspend_to_disk: Option<bool>,
    /// Other attributes and children.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl PmConfig {
    /// Whether the guest may suspend to memory.
    pub fn mem(&self) -> bool {
        self.suspend_to_mem.unwrap_or(true)
    }

    /// Whether the guest may suspend to disk.
    pub fn disk(&self) -> bool {
        self.suspend_to_disk.unwrap_or(true)
    }
}
