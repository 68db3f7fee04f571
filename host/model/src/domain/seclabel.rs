//! `<seclabel>`: labels of a security driver.

use serde::{Deserialize, Serialize};

use super::Extra;

/// `<seclabel>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecLabel {
    /// `type`: `none`, `dynamic` or `static`; none means `dynamic`.
    #[serde(default)]
    pub kind: Option<String>,
    /// `model`: `selinux`, `apparmor` or `dac`; none is the host's first.
    #[serde(default)]
    pub model: Option<String>,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl SecLabel {
    /// True when it says that there is no label.
    pub fn is_none(&self) -> bool {
        self.kind.as_deref() == Some("none")
    }
}
