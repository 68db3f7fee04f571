//! `<os>` (guide 20.4): what is booted and how.

use serde::{Deserialize, Serialize};

use super::Extra;

/// `<os>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsConfig {
    /// `<type>` text: `hvm` for everything this host runs.
    pub os_type: String,
    /// `<type arch='…'>`.
    #[serde(default)]
    pub arch: Option<String>,
    /// `<type machine='…'>`.
    #[serde(default)]
    pub machine: Option<String>,
    /// `<loader>`: firmware image; refused by the native driver.
    #[serde(default)]
    pub loader: Option<String>,
    /// `<kernel>`: path of an ELF or bzImage kernel on the host.
    #[serde(default)]
    pub kernel: Option<String>,
    /// `<initrd>`: path of an initial ram disk on the host.
    #[serde(default)]
    pub initrd: Option<String>,
    /// `<cmdline>`: kernel command line.
    #[serde(default)]
    pub cmdline: Option<String>,
    /// `<boot dev='…'/>` words in order.
    #[serde(default)]
    pub boot: Vec<String>,
    /// `<smbios mode='…'/>`: `emulate`, `host` or `sysinfo`; none is the driver's own.
    #[serde(default)]
    pub smbios: Option<String>,
    /// Everything else under `<os>`.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<features>` (guide 20.14).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// `<acpi/>`.
    pub acpi: bool,
    /// `<apic/>`.
    pub apic: bool,
    /// `<pae/>`.
    pub pae: bool,
    /// Everything else under `<features>`.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}
