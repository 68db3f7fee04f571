//! `<resource>` (guide 20.10): below which group of the host a domain's own is.

use serde::{Deserialize, Serialize};

use super::Extra;

/// `<resource>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceConfig {
    /// `<partition>`: a path in every hierarchy of control groups; none is the host's own.
    #[serde(default)]
    pub partition: Option<String>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl ResourceConfig {
    /// What libvirt writes for a domain that names none.
    pub const DEFAULT: &str = "/machine";

    /// True when the document says nothing of it.
    pub fn is_empty(&self) -> bool {
        self.partition.is_none() && self.extra.is_empty()
    }

    /// The group that an operator has made for it.
    pub fn own_partition(&self) -> Option<&str> {
        self.partition.as_deref().filter(|partition| *partition != Self::DEFAULT)
    }
}
