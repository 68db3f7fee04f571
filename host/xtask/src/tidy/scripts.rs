//! Every shipped policy is complete: documentation, manifest and a crate named after its folder.

use std::path::Path;

use anyhow::{Context, Result};
use toml::Table;

use super::Finding;
use super::tree;

/// Checks every folder under scripts/.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for policy in tree::crates(root, "scripts")? {
        let (name, folder) = (policy.name(), policy.folder.display());
        if !root.join(&policy.folder).join("README.md").exists() {
            findings.push(Finding::error(format!("{folder} has no README.md")));
        }
        let package = policy.manifest.get("package").and_then(|package| package.get("name"));
        if package.and_then(toml::Value::as_str) != Some(&format!("reeve-policy-{name}")) {
            findings.push(Finding::error(format!("{folder}: the crate must be named reeve-policy-{name}")));
        }
        let manifest = root.join(&policy.folder).join("policy.toml");
        if !manifest.exists() {
            findings.push(Finding::error(format!("{folder} has no policy.toml")));
            continue;
        }
        let text = std::fs::read_to_string(&manifest)?;
        let table: Table = text.parse().with_context(|| format!("{} is no TOML", manifest.display()))?;
        if table.get("name").and_then(toml::Value::as_str) != Some(&name) {
            findings.push(Finding::error(format!("{folder}/policy.toml must say name = \"{name}\"")));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_policies_fail() {
        let root = tree::sample(&[
            ("scripts/good/Cargo.toml", "[package]\nname = 'reeve-policy-good'\n"),
            ("scripts/good/README.md", ""),
            ("scripts/good/policy.toml", "name = 'good'\n"),
            ("scripts/bad/Cargo.toml", "[package]\nname = 'bad'\n"),
            ("scripts/odd/Cargo.toml", "[package]\nname = 'reeve-policy-odd'\n"),
            ("scripts/odd/README.md", ""),
            ("scripts/odd/policy.toml", "name = 'even'\n"),
        ]);
        let found: Vec<_> =
            check(root.path()).expect("readable").into_iter().map(|finding| finding.text).collect();
        assert_eq!(
            found,
            [
                "scripts/bad has no README.md",
                "scripts/bad: the crate must be named reeve-policy-bad",
                "scripts/bad has no policy.toml",
                "scripts/odd/policy.toml must say name = \"odd\"",
            ]
        );
    }
}
