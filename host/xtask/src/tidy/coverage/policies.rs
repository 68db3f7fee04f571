//! Every policy of the project is loaded by a test, `policy("naming")` or `test_policy("hostile")`.

use std::path::Path;

use proc_macro2::Delimiter;

use super::source::{Source, group, inside, text, word};
use super::{Finding, Tree};

/// Functions that give the component of a policy: shipped ones, and those of tests.
const GIVES: [(&str, &str); 2] = [("scripts", "policy"), ("tests/policies", "test_policy")];

/// Policies that no test loads.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in &tree.policies {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        for (home, function) in GIVES {
            if folder.parent().is_some_and(|parent| parent == Path::new(home))
                && !tree.tests().any(|source| calls(source, function, &name))
            {
                findings.push(Finding::error(format!(
                    "no test loads {}: add one to tests/tests with {function}(\"{name}\")",
                    folder.display()
                )));
            }
        }
    }
    findings
}

fn calls(source: &Source, function: &str, argument: &str) -> bool {
    let mut found = false;
    source.sequences(&mut |tokens| {
        found |= tokens.windows(2).any(|pair| {
            let arguments = group(&pair[1], Delimiter::Parenthesis).map(inside);
            word(&pair[0]).as_deref() == Some(function)
                && arguments.is_some_and(
                    |arguments| matches!(&arguments[..], [only] if text(only).as_deref() == Some(argument)),
                )
        });
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_that_no_test_loads_are_named() {
        let tree = Tree::of(&[
            ("scripts/naming/Cargo.toml", ""),
            ("scripts/journal/Cargo.toml", ""),
            ("tests/policies/hostile/Cargo.toml", ""),
            (
                "tests/tests/policies/naming.rs",
                "fn t() { load(policy(\"naming\")?); said(\"journal\"); policy(\"hostile\") }",
            ),
        ]);
        assert_eq!(
            super::super::texts(check(&tree)),
            [
                "no test loads scripts/journal: add one to tests/tests with policy(\"journal\")",
                "no test loads tests/policies/hostile: add one to tests/tests with test_policy(\"hostile\")",
            ]
        );
    }
}
