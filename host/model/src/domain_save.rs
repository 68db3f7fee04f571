//! Saving and restoring domains, as verbs take and show it (guide 14.5.21, 14.8.3, 14.8.7 to 14.8.11).

use serde::{Deserialize, Serialize};

/// What a domain does once it is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RestoredState {
    /// It runs.
    Running,
    /// Its vCPUs stand still until it is resumed.
    Paused,
}

impl RestoredState {
    /// Whether its vCPUs run.
    pub fn runs(self) -> bool {
        self == Self::Running
    }
}

/// How a domain is saved or restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct SaveOptions {
    /// Read and write the file past the page cache of the host.
    #[serde(default)]
    pub bypass_cache: bool,
    /// What it does once it is restored; none is what it did when it was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<RestoredState>,
}

/// A file that a domain is saved to or restored from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct SaveFile {
    /// Absolute path on the host.
    pub path: String,
    /// Read and write the file past the page cache of the host.
    #[serde(default)]
    pub bypass_cache: bool,
    /// What it does once it is restored; none is what it did when it was saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<RestoredState>,
}

impl SaveFile {
    /// The file without options.
    pub fn at(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// What it says besides the path.
    pub fn options(&self) -> SaveOptions {
        SaveOptions { bypass_cache: self.bypass_cache, state: self.state }
    }
}

/// How far the save or dump of a domain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SaveStatus {
    /// Bytes of its memory that are done.
    pub done: u64,
    /// Bytes of its memory.
    pub total: u64,
    /// It is a dump.
    #[serde(default)]
    pub dump: bool,
}
