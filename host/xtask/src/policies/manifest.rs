//! A policy's manifest: policy.toml in its folder, JSON in the section `reeve.policy` of its component.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

/// Name of the component's section.
pub const SECTION: &str = "reeve.policy";

const KEYS: [&str; 11] = [
    "name",
    "version",
    "description",
    "author",
    "licence",
    "hooks",
    "wants",
    "limits",
    "instance",
    "config-schema",
    "contract",
];
const REQUIRED: [&str; 3] = ["name", "version", "hooks"];

/// The manifest as JSON, or nothing if the policy has none.
pub fn read(path: &Path) -> Result<Option<String>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    to_json(&text).map(Some).with_context(|| format!("manifest {}", path.display()))
}

fn to_json(text: &str) -> Result<String> {
    let manifest: Map<String, Value> = toml::from_str(text)?;
    for key in manifest.keys() {
        ensure!(
            KEYS.contains(&key.as_str()),
            "'{key}' is no key of a manifest; there are {}",
            KEYS.join(", ")
        );
    }
    for key in REQUIRED {
        ensure!(manifest.contains_key(key), "'{key}' is missing");
    }
    for want in manifest.get("wants").and_then(Value::as_array).into_iter().flatten() {
        let said = |key| want.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        ensure!(said("grant") && said("reason"), "every wanted grant says its reason: {want}");
    }
    Ok(serde_json::to_string(&manifest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name = 'a'\nversion = '1.0.0'\nhooks = ['ksm-tune']\n";

    #[test]
    fn toml_becomes_json() {
        let json =
            to_json(&format!("{SMALL}[[wants]]\ngrant = 'node:read'\nreason = 'to look'\n")).expect("valid");
        let value: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["wants"][0]["grant"], "node:read");
        assert_eq!(value["hooks"][0], "ksm-tune");
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| to_json(text).expect_err("refused").to_string();
        assert!(error(&format!("{SMALL}hook = 1\n")).contains("'hook' is no key"));
        assert!(error("name = 'a'\nversion = '1'\n").contains("'hooks' is missing"));
        assert!(error(&format!("{SMALL}[[wants]]\ngrant = 'node:read'\n")).contains("reason"));
    }
}
