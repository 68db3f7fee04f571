//! Dumping the memory of domains, as verbs take it (guide 14.5.22).

use serde::{Deserialize, Serialize};

/// What becomes of a domain that is dumped. Without it the domain is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DumpMode {
    /// It runs on while it is dumped.
    Live,
    /// It counts as crashed afterwards and is ended.
    Crash,
    /// It is reset afterwards.
    Reset,
}

/// How a core is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DumpFormat {
    /// An ELF core; pages of zeros take no room.
    #[default]
    Elf,
    /// As kdump writes it, compressed by zlib.
    KdumpZlib,
    /// As kdump writes it, compressed by LZO.
    KdumpLzo,
    /// As kdump writes it, compressed by Snappy.
    KdumpSnappy,
}

impl DumpFormat {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elf => "elf",
            Self::KdumpZlib => "kdump-zlib",
            Self::KdumpLzo => "kdump-lzo",
            Self::KdumpSnappy => "kdump-snappy",
        }
    }
}

/// A file that a domain is dumped to, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DumpFile {
    /// Absolute path on the host.
    pub path: String,
    /// Write the file past the page cache of the host.
    #[serde(default)]
    pub bypass_cache: bool,
    /// Memory and vCPUs alone, which is all that there is in a core.
    #[serde(default)]
    pub memory_only: bool,
    /// What becomes of the domain; none leaves it paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub mode: Option<DumpMode>,
    /// How it is written.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub format: DumpFormat,
}
