//! `policy.toml`, the file a policy's author writes: the manifest, and how the policy is built.
//!
//! ```toml
//! name = "too-small"
//! version = "0.1.0"
//! hooks = ["domain-define"]
//!
//! [[wants]]
//! grant = "domain:read"
//! reason = "to add up what runs already"
//!
//! [build]            # not part of the manifest
//! lang = "rust"
//! ```

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::grant::{Grant, GrantError};
use crate::lang::Lang;
use crate::manifest::{Manifest, ManifestError};

/// Name of the file.
pub const FILE: &str = "policy.toml";

const BUILD: &str = "build";
const REQUIRED: [&str; 3] = ["name", "version", "hooks"];

/// What a policy.toml says.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyToml {
    /// The manifest.
    pub manifest: Manifest,
    /// The manifest as JSON, as it travels in the component.
    pub json: String,
    /// The language of `[build]`, if it says one.
    pub lang: Option<Lang>,
}

/// What is wrong with a policy.toml.
#[derive(Debug, thiserror::Error)]
pub enum PolicyTomlError {
    /// It cannot be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("'{}': {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What.
        source: Mistake,
    },
}

/// A mistake in the text of a policy.toml.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// It is no TOML.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A key that every manifest has is not there.
    #[error("'{0}' is missing")]
    Missing(&'static str),
    /// A grant is asked for without a reason.
    #[error("the wanted grant '{0}' says no reason: operators read it when they decide")]
    Reason(String),
    /// A grant is not one.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The manifest itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The table `[build]`.
    #[error("[build] holds lang = \"{}\" and nothing else", languages("|"))]
    Build,
}

fn languages(between: &str) -> String {
    Lang::ALL.map(Lang::as_str).join(between)
}

impl PolicyToml {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self, PolicyTomlError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| PolicyTomlError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|source| PolicyTomlError::Invalid { path: path.to_owned(), source })
    }

    /// Reads the text of one. Stricter than what a host accepts: every wanted grant must be a grant, with a reason.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let mut table: Map<String, Value> = toml::from_str(text)?;
        let lang = table.remove(BUILD).map(|build| build_lang(&build).ok_or(Mistake::Build)).transpose()?;
        if let Some(missing) = REQUIRED.into_iter().find(|key| !table.contains_key(*key)) {
            return Err(Mistake::Missing(missing));
        }
        let json = Value::Object(table).to_string();
        let manifest = Manifest::parse(json.as_bytes())?;
        for want in &manifest.wants {
            Grant::parse(&want.grant)?;
            if want.reason.trim().is_empty() {
                return Err(Mistake::Reason(want.grant.clone()));
            }
        }
        Ok(Self { manifest, json, lang })
    }
}

fn build_lang(build: &Value) -> Option<Lang> {
    match build.as_object()?.iter().next() {
        Some((key, value)) if key == "lang" && build.as_object()?.len() == 1 => Lang::parse(value.as_str()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name = 'a'\nversion = '1.0.0'\nhooks = ['ksm-tune']\n";

    #[test]
    fn toml_becomes_a_manifest() {
        let text =
            format!("{SMALL}[[wants]]\ngrant = 'node:read'\nreason = 'to look'\n[build]\nlang = 'go'\n");
        let policy = PolicyToml::parse(&text).unwrap();
        assert_eq!(policy.manifest.wants[0].grant, "node:read");
        assert_eq!(policy.lang, Some(Lang::Go));
        assert!(!policy.json.contains("build"), "{}", policy.json);
        assert_eq!(Manifest::parse(policy.json.as_bytes()).unwrap(), policy.manifest);
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| PolicyToml::parse(text).unwrap_err().to_string();
        assert!(error(&format!("{SMALL}hook = 1\n")).contains("unknown field `hook`"));
        assert_eq!(error("name = 'a'\nversion = '1'\n"), "'hooks' is missing");
        assert!(
            error(&format!("{SMALL}[[wants]]\ngrant = 'node:read'\nreason = ''\n")).contains("no reason")
        );
        assert!(
            error(&format!("{SMALL}[[wants]]\ngrant = 'node:raed'\nreason = 'x'\n"))
                .contains("did you mean 'node:read'")
        );
        assert!(error(&format!("{SMALL}[build]\nlang = 'cobol'\n")).contains("rust|js|python"));
        assert!(error(&format!("{SMALL}[build]\nlang = 'c'\nmake = 'x'\n")).contains("nothing else"));
    }
}
