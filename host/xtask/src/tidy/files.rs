//! Sizes and names of files.

use std::path::Path;

use anyhow::{Context, Result};

use super::Finding;
use super::tree;

/// Lines at which a Rust file should be looked at, and at which it must be split.
const WARN_LINES: usize = 450;
const FAIL_LINES: usize = 600;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// Checks every file of the tree.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in tree::files(root)? {
        let nameless = file.iter().any(|part| {
            let stem = Path::new(part).file_stem().unwrap_or_default();
            EMPTY_NAMES.iter().any(|name| stem == *name)
        });
        if nameless {
            findings.push(Finding::error(format!("{}: name it after what it holds", file.display())));
        }
        if file.extension().is_some_and(|extension| extension == "rs") {
            let path = root.join(&file);
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            findings.extend(size(&file, text.lines().count()));
        }
    }
    Ok(findings)
}

fn size(file: &Path, lines: usize) -> Option<Finding> {
    let text = format!("{} has {lines} lines", file.display());
    if lines > FAIL_LINES {
        Some(Finding::error(format!("{text}: split it by responsibility")))
    } else {
        (lines > WARN_LINES).then(|| Finding::warning(text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn long_files_warn_then_fail() {
        let long = "//\n".repeat(500);
        let too_long = "//\n".repeat(601);
        let root = tree::sample(&[("host/a/src/long.rs", &long), ("tests/src/huge.rs", &too_long)]);
        let found = check(root.path()).expect("readable");
        assert_eq!(
            found.iter().map(|finding| finding.severity).collect::<Vec<_>>(),
            [Severity::Warning, Severity::Error]
        );
        assert!(found[1].text.contains("tests/src/huge.rs has 601 lines"));
    }

    #[test]
    fn empty_names_fail_as_files_and_folders() {
        let root = tree::sample(&[
            ("host/a/src/utils.rs", ""),
            ("host/a/src/common/x.rs", ""),
            ("host/target/misc.rs", ""),
        ]);
        assert_eq!(check(root.path()).expect("readable").len(), 2);
    }
}
