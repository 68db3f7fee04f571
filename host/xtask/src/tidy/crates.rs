//! What every host crate must have: the workspace's lints, and no unsafe code but in `sys` and `vmm`.

use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use super::tree::{self, Crate};

/// Crates that may hold unsafe code, each block with its reason.
const MAY_BE_UNSAFE: [&str; 2] = ["sys", "vmm"];
const FORBID: &str = "#![forbid(unsafe_code)]";
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
        for file in ROOTS.map(|file| member.folder.join(file)) {
            let path = root.join(&file);
            if !path.exists() {
                continue;
            }
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if !text.contains(FORBID) {
                findings.push(Finding::error(format!("{} lacks `{FORBID}`", file.display())));
            }
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
}
