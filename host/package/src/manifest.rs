//! The manifest of a policy: JSON in the custom section `reeve.policy` of its component.

use std::collections::BTreeMap;

use reeve_model::policy::{Hook, WantedGrant};
use serde::{Deserialize, Serialize};

/// Name of the custom section.
pub const SECTION: &str = "reeve.policy";

const NAME_LIMIT: usize = 64;
const TEXT_LIMIT: usize = 1024;
const WANTS_LIMIT: usize = 64;

/// What a policy says of itself. Nothing in it is believed beyond what the operator grants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// Name it is loaded under when the operator gives no other: lower-case letters, digits and dashes.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// SPDX expression.
    #[serde(default, alias = "license", skip_serializing_if = "String::is_empty")]
    pub licence: String,
    /// Hooks it says it answers; when given, they must be those it exports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// Grants it asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wants: Vec<WantedGrant>,
    /// Limits it asks for.
    #[serde(default, skip_serializing_if = "WantedLimits::is_empty")]
    pub limits: WantedLimits,
    /// How long its instances live.
    #[serde(default, skip_serializing_if = "InstanceMode::is_default")]
    pub instance: InstanceMode,
    /// JSON Schema of its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_schema: Option<serde_json::Value>,
    /// Contract packages it was built against, with their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contract: BTreeMap<String, String>,
}

/// How long an instance of a policy lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceMode {
    /// For one call: nothing is left of it afterwards.
    #[default]
    PerCall,
    /// For all calls about one subject, until one of them fails; for tuners only.
    PerSubject,
}

impl InstanceMode {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Limits a manifest asks for; none takes the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WantedLimits {
    /// Wall-clock time a call, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Linear memory, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Instruction budget a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Log bytes a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Bytes written to kv a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_bytes: Option<u64>,
    /// Host calls a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_calls: Option<u32>,
}

impl WantedLimits {
    /// True when it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is none.
    #[error("the component has no manifest: its custom section '{SECTION}' is missing")]
    Missing,
    /// There are two.
    #[error("the component has more than one custom section '{SECTION}'")]
    Repeated,
    /// It is not JSON of the right shape.
    #[error("the manifest in section '{SECTION}' is not valid: {0}")]
    Json(#[from] serde_json::Error),
    /// A name that cannot be used.
    #[error(
        "'{0}' is not a policy name: it takes 1 to {NAME_LIMIT} lower-case letters, digits and dashes and begins with a letter or digit"
    )]
    Name(String),
    /// A text is too long or empty.
    #[error("the manifest's {field} must be 1 to {TEXT_LIMIT} bytes")]
    Text {
        /// Which field.
        field: &'static str,
    },
    /// Too many grants.
    #[error("the manifest asks for {0} grants, {WANTS_LIMIT} are the most")]
    Wants(usize),
}

impl Manifest {
    /// Reads the JSON text of the section.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(json)?;
        check_name(&manifest.name)?;
        if manifest.version.is_empty() || manifest.version.len() > TEXT_LIMIT {
            return Err(ManifestError::Text { field: "version" });
        }
        if manifest.description.len() > TEXT_LIMIT {
            return Err(ManifestError::Text { field: "description" });
        }
        if manifest.wants.len() > WANTS_LIMIT {
            return Err(ManifestError::Wants(manifest.wants.len()));
        }
        Ok(manifest)
    }
}

/// Refuses a name that could not be a file name or a table key.
pub fn check_name(name: &str) -> Result<(), ManifestError> {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = name.len() <= NAME_LIMIT
        && name.bytes().next().is_some_and(word)
        && name.bytes().all(|byte| word(byte) || byte == b'-');
    if good { Ok(()) } else { Err(ManifestError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_manifest() {
        let manifest = Manifest::parse(
            br#"{"name":"naming","version":"0.1.0","hooks":["domain-prepare"],
                 "wants":[{"grant":"domain:rewrite path=devices.*","reason":"adds a balloon"}],
                 "limits":{"deadline-ms":50}}"#,
        )
        .unwrap();
        assert_eq!(manifest.hooks, [Hook::DomainPrepare]);
        assert_eq!(manifest.limits.deadline_ms, Some(50));
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let json = br#"{"name":"a","version":"1","hooks":["ksm-tune"],"limits":{"memory":1},"contract":{"reeve:kv":"0.1.0"}}"#;
        let manifest = Manifest::parse(json).unwrap();
        let written = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(Manifest::parse(&written).unwrap(), manifest);
        let small = Manifest::parse(br#"{"name":"a","version":"1"}"#).unwrap();
        assert_eq!(serde_json::to_string(&small).unwrap(), r#"{"name":"a","version":"1"}"#);
    }

    #[test]
    fn refuses_bad_names_and_unknown_fields() {
        for name in ["", "A", "-x", "a/b", "a b", &"x".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        let error = Manifest::parse(br#"{"name":"x","version":"1","limit":{}}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `limit`"), "{error}");
    }
}
