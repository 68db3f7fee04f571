//! What every host crate must have: the workspace's lints, and no unsafe code but in `sys` and `vmm`, and in the one file of
//! another crate that a decision allows.

use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use super::tree::{self, Crate};

/// Crates that may hold unsafe code, each block with its reason.
const MAY_BE_UNSAFE: [&str; 2] = ["sys", "vmm"];
const FORBID: &str = "#![forbid(unsafe_code)]";

/// Crates with one file that may hold unsafe code (host/decisions/0006): everything else in them denies it.
const ONE_UNSAFE_FILE: [(&str, &str); 1] = [("policy", "src/sealed.rs")];
const DENY: &str = "#![deny(unsafe_code)]";
const ALLOW: &str = "allow(unsafe_code)";
const ROOTS: [&str; 2] = ["src/lib.rs", "src/main.rs"];

/// Checks every crate under host/.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for member in tree::crates(root, "host")? {
        if !has_workspace_lints(&member) {
            findings.push(Finding::error(format!(
                "{} lacks `[lints] workspace = true`",
                member.folder.display()
            )));
        }
        if MAY_BE_UNSAFE.contains(&member.name().as_str()) {
            continue;
        }
        let exception = ONE_UNSAFE_FILE.iter().find(|(name, _)| *name == member.name());
        if let Some((_, only)) = exception {
            findings.extend(others_that_allow_unsafe(root, &member, only)?);
        }
        let wanted = if exception.is_some() { DENY } else { FORBID };
        for file in ROOTS.map(|file| member.folder.join(file)) {
            let path = root.join(&file);
            if !path.exists() {
                continue;
            }
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if !text.contains(wanted) {
                findings.push(Finding::error(format!("{} lacks `{wanted}`", file.display())));
            }
        }
    }
    Ok(findings)
}

/// Files of a crate that allow unsafe code although only one of them may.
fn others_that_allow_unsafe(root: &Path, member: &Crate, only: &str) -> Result<Vec<Finding>> {
    let only = member.folder.join(only);
    let mut findings = Vec::new();
    for file in tree::files(root)? {
        let other = file.starts_with(&member.folder) && file != only;
        if !other || file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let path = root.join(&file);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if text.contains(ALLOW) {
            let text = format!("{} allows unsafe code, only {} may", file.display(), only.display());
            findings.push(Finding::error(text));
        }
    }
    Ok(findings)
}

fn has_workspace_lints(member: &Crate) -> bool {
    let value = member.manifest.get("lints").and_then(|lints| lints.get("workspace"));
    value.and_then(toml::Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn a_crate_without_lints_or_with_room_for_unsafe_fails() {
        let root = tree::sample(&[
            ("host/xml/Cargo.toml", "[package]\n"),
            ("host/xml/src/lib.rs", "//! Documents.\n"),
            ("host/sys/Cargo.toml", LINTS),
            ("host/sys/src/lib.rs", ""),
            ("host/cli/Cargo.toml", LINTS),
            ("host/cli/src/main.rs", "#![forbid(unsafe_code)]\n"),
        ]);
        let found: Vec<_> =
            check(root.path()).expect("readable").into_iter().map(|finding| finding.text).collect();
        assert_eq!(
            found,
            [
                "host/xml lacks `[lints] workspace = true`",
                "host/xml/src/lib.rs lacks `#![forbid(unsafe_code)]`"
            ]
        );
    }

    #[test]
    fn one_file_of_the_policy_crate_may_be_unsafe() {
        let root = tree::sample(&[
            ("host/policy/Cargo.toml", LINTS),
            ("host/policy/src/lib.rs", "#![deny(unsafe_code)]\n"),
            ("host/policy/src/sealed.rs", "#![allow(unsafe_code)]\n"),
        ]);
        assert!(check(root.path()).expect("readable").is_empty());
        let root = tree::sample(&[
            ("host/policy/Cargo.toml", LINTS),
            ("host/policy/src/lib.rs", ""),
            ("host/policy/src/engine.rs", "#[allow(unsafe_code)]\n"),
        ]);
        let found: Vec<_> =
            check(root.path()).expect("readable").into_iter().map(|finding| finding.text).collect();
        assert_eq!(
            found,
            [
                "host/policy/src/engine.rs allows unsafe code, only host/policy/src/sealed.rs may",
                "host/policy/src/lib.rs lacks `#![deny(unsafe_code)]`"
            ]
        );
    }
}
