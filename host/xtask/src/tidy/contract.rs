//! Released contract files are frozen: wit/digests.toml holds the SHA-256 of each.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::Finding;
use super::tree;

const FOLDER: &str = "wit";
const DIGESTS: &str = "wit/digests.toml";
const HEADING: &str = "\
# SHA-256 of every released contract file, written by `cargo xtask tidy --freeze`. A file in here never changes again: an additive
# change is a new version of its package, a breaking one a new package folder.

";

type Digests = BTreeMap<String, String>;

/// Compares every contract file with its digest.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let (frozen, present) = (frozen(root)?, present(root)?);
    let mut findings = Vec::new();
    for (file, digest) in &frozen {
        match present.get(file) {
            Some(now) if now == digest => {}
            Some(_) => findings.push(Finding::error(format!(
                "{FOLDER}/{file} was released and has changed; make a new version instead"
            ))),
            None => findings.push(Finding::error(format!("{FOLDER}/{file} was released and is gone"))),
        }
    }
    let open = present.keys().filter(|file| !frozen.contains_key(*file)).count();
    if open > 0 {
        findings.push(Finding::warning(format!("{open} contract files are not frozen yet (tidy --freeze)")));
    }
    Ok(findings)
}

/// Records the digests of files that have none; how many. What is frozen stays as it was.
pub fn freeze(root: &Path) -> Result<usize> {
    let mut digests = frozen(root)?;
    let before = digests.len();
    for (file, digest) in present(root)? {
        digests.entry(file).or_insert(digest);
    }
    let text = HEADING.to_owned() + &toml::to_string(&digests)?;
    std::fs::write(root.join(DIGESTS), text).with_context(|| format!("cannot write {DIGESTS}"))?;
    Ok(digests.len() - before)
}

fn frozen(root: &Path) -> Result<Digests> {
    let path = root.join(DIGESTS);
    if !path.exists() {
        return Ok(Digests::new());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {DIGESTS}"))?;
    toml::from_str(&text).with_context(|| format!("{DIGESTS} is damaged"))
}

fn present(root: &Path) -> Result<Digests> {
    let mut digests = Digests::new();
    for file in tree::files(root)? {
        let Ok(inside) = file.strip_prefix(FOLDER) else { continue };
        if file.extension().is_some_and(|extension| extension == "wit") {
            let bytes =
                std::fs::read(root.join(&file)).with_context(|| format!("cannot read {}", file.display()))?;
            let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            digests.insert(inside.display().to_string(), digest);
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn severities(root: &Path) -> Vec<Severity> {
        check(root).expect("readable").iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn a_frozen_file_may_not_change_or_vanish() {
        let root = tree::sample(&[("wit/kv/store.wit", "package a:b;"), ("wit/log/log.wit", "package a:c;")]);
        assert_eq!(severities(root.path()), [Severity::Warning]);
        assert_eq!(freeze(root.path()).expect("frozen"), 2);
        assert_eq!(severities(root.path()), []);

        std::fs::write(root.path().join("wit/kv/store.wit"), "package a:d;").expect("written");
        assert_eq!(freeze(root.path()).expect("frozen"), 0, "freezing again does not hide a change");
        assert_eq!(severities(root.path()), [Severity::Error]);

        std::fs::remove_file(root.path().join("wit/kv/store.wit")).expect("removed");
        assert_eq!(severities(root.path()), [Severity::Error]);
    }
}
