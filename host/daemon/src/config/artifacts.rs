//! `policies.registries` and `policies.trust`: where policies may come from, and who must have signed them.

use std::path::Path;

use anyhow::Context as _;
use reeve_oci::{PublicKey, Rule, Settings, TrustPolicy, Unsigned};
use reeve_policy::Artifacts;
use serde::{Deserialize, Serialize};

use super::PoliciesConfig;

/// How registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RegistriesConfig {
    pub ca: String,
    pub insecure: Vec<String>,
    pub credentials: String,
}

/// Whose signatures are demanded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct TrustConfig {
    pub rules: Vec<RuleConfig>,
    pub unsigned: UnsignedConfig,
    pub file_keys: Vec<String>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleConfig {
    pub repository: String,
    pub keys: Vec<String>,
}

/// What of repositories that no rule names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnsignedConfig {
    /// Refused, unless somebody says that this one is fine.
    #[default]
    Refuse,
    /// Refused whatever anybody says.
    Never,
    /// Taken.
    Allow,
}

impl PoliciesConfig {
    /// What the configuration says about registries and trust, with its keys read. Files are named from `etc` on; artifacts
    /// are kept in `directory`.
    pub fn artifacts(&self, etc: &Path, directory: &Path) -> anyhow::Result<Artifacts> {
        let trust = self.trust.read(etc)?;
        let file = |name: &str| Some(name).filter(|name| !name.is_empty()).map(|name| etc.join(name));
        let registries = &self.registries;
        let settings = Settings {
            ca: file(&registries.ca),
            insecure: registries.insecure.clone(),
            credentials: file(&registries.credentials),
        };
        Artifacts::open(directory, settings, trust).context("policies cannot be installed from registries")
    }
}

impl TrustConfig {
    fn read(&self, etc: &Path) -> anyhow::Result<TrustPolicy> {
        let keys =
            |texts: &[String]| texts.iter().map(|text| key(etc, text)).collect::<anyhow::Result<Vec<_>>>();
        let rules = self.rules.iter().map(|rule| {
            anyhow::ensure!(
                !rule.keys.is_empty(),
                "the rule for repository '{}' in 'policies.trust.rules' has no keys, so nothing could ever be installed from it",
                rule.repository
            );
            Ok(Rule { repository: rule.repository.clone(), keys: keys(&rule.keys)? })
        });
        let unsigned = match self.unsigned {
            UnsignedConfig::Refuse => Unsigned::Refuse,
            UnsignedConfig::Never => Unsigned::Never,
            UnsignedConfig::Allow => Unsigned::Allow,
        };
        Ok(TrustPolicy {
            rules: rules.collect::<anyhow::Result<_>>()?,
            unsigned,
            file_keys: keys(&self.file_keys)?,
        })
    }
}

/// A key as PEM text, or the name of a file with it.
fn key(etc: &Path, text: &str) -> anyhow::Result<PublicKey> {
    let read = match text.trim_start().starts_with("-----BEGIN") {
        true => PublicKey::from_pem("a key of 'policies.trust'", text.as_bytes()),
        false => PublicKey::load(&etc.join(text)),
    };
    read.context("a key of 'policies.trust' cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8410, section 10.1.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
                       MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                       -----END PUBLIC KEY-----\n";

    fn read(text: &str, etc: &Path) -> Result<TrustPolicy, String> {
        let config: TrustConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config.read(etc).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn keys_are_files_or_text() {
        let etc = tempfile::tempdir().unwrap();
        std::fs::write(etc.path().join("release.pub"), PEM).unwrap();
        let text = format!(
            "unsigned = 'never'\nfile-keys = ['release.pub']\n[[rules]]\nrepository = 'a.b/*'\nkeys = ['release.pub', '''{PEM}''']\n"
        );
        let trust = read(&text, etc.path()).unwrap();
        assert_eq!((trust.rules.len(), trust.rules[0].keys.len(), trust.file_keys.len()), (1, 2, 1));
        assert_eq!(trust.rules[0].keys[0], trust.rules[0].keys[1]);
        assert_eq!(trust.unsigned, Unsigned::Never);
    }

    #[test]
    fn a_rule_that_cannot_work_is_refused() {
        let etc = Path::new("/nowhere");
        let rule = |keys: &str| {
            read(&format!("[[rules]]\nrepository = 'a.b/*'\nkeys = [{keys}]\n"), etc).unwrap_err()
        };
        assert!(rule("").contains("the rule for repository 'a.b/*' in 'policies.trust.rules' has no keys"));
        assert!(rule("'release.pub'").contains("key '/nowhere/release.pub' cannot be read"));
        assert!(rule("'-----BEGIN PUBLIC KEY-----'").contains("has no PEM block"));
        assert!(read("unsigned = 'sometimes'", etc).unwrap_err().contains("unknown variant"));
    }
}
