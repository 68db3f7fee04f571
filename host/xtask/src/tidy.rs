//! `cargo xtask tidy`: the rules of the house that no compiler checks, a file a rule.

mod contract;
mod coverage;
mod crates;
mod files;
mod layers;
mod reference;
mod scripts;
mod tree;

use std::fmt;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::project::Project;

/// Something that breaks a rule, or is about to.
#[derive(Debug)]
struct Finding {
    severity: Severity,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Severity {
    Warning,
    Error,
}

impl Finding {
    fn error(text: impl fmt::Display) -> Self {
        Self { severity: Severity::Error, text: text.to_string() }
    }

    fn warning(text: impl fmt::Display) -> Self {
        Self { severity: Severity::Warning, text: text.to_string() }
    }
}

/// Checks every rule; with `freeze`, first records the digests of contract files that have none.
pub fn run(project: &Project, freeze: bool) -> Result<()> {
    if freeze {
        let added = contract::freeze(project.root())?;
        println!("tidy: {added} contract files frozen");
    }
    let findings = findings(project.root())?;
    for finding in &findings {
        let word = if finding.severity == Severity::Error { "error" } else { "warning" };
        println!("tidy: {word}: {}", finding.text);
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    ensure!(errors == 0, "the tree breaks {errors} of its rules");
    println!("tidy: ok, {} warnings", findings.len());
    Ok(())
}

/// Everything wrong with a tree.
fn findings(root: &Path) -> Result<Vec<Finding>> {
    let mut all = Vec::new();
    for rule in [
        layers::check,
        crates::check,
        files::check,
        contract::check,
        reference::check,
        scripts::check,
        coverage::check,
    ] {
        all.extend(rule(root)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_tree_keeps_its_rules() {
        let project = Project::locate().expect("the checkout");
        let errors: Vec<_> = findings(project.root())
            .expect("readable")
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.text)
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}
