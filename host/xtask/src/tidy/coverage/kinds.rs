//! Every kind of device that a worker can have is in a machine of a test.

use proc_macro2::TokenTree;

use super::source::{Source, inside, is, split, starts, word};
use super::{Finding, Tree};

/// Enums whose variants are kinds of something: the enum, where it is, and the tests that must have each of them.
const KINDS: [(&str, &str, &str); 1] = [("DeviceKind", "host/vmm/src", "host/vmm/tests")];

/// Kinds that no test has.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, sources, tests) in KINDS {
        let variants: Vec<String> = tree.below(sources).flat_map(|source| variants(source, name)).collect();
        if variants.is_empty() {
            findings.push(Finding::error(format!(
                "{sources} has no enum {name}: mend xtask's tidy/coverage/kinds.rs"
            )));
        }
        for variant in variants {
            if !tree.below(tests).any(|source| has(source, name, &variant)) {
                findings.push(Finding::error(format!("no test has a {name}::{variant}: add one to {tests}")));
            }
        }
    }
    findings
}

fn variants(source: &Source, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    source.sequences(&mut |tokens| {
        for index in 0..tokens.len() {
            if starts(&tokens[index..], &["enum", name])
                && let Some(TokenTree::Group(body)) = tokens.get(index + 2)
            {
                found.extend(split(&inside(body)).into_iter().filter_map(variant));
            }
        }
    });
    found
}

/// The name behind the attributes.
fn variant(tokens: &[TokenTree]) -> Option<String> {
    match tokens {
        [hash, _, rest @ ..] if is(hash, '#') => variant(rest),
        [name, ..] => word(name),
        [] => None,
    }
}

fn has(source: &Source, name: &str, variant: &str) -> bool {
    let mut found = false;
    source.sequences(&mut |tokens| {
        found |= (0..tokens.len()).any(|index| starts(&tokens[index..], &[name, ":", ":", variant]));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_no_test_has_are_named() {
        let kinds = (
            "host/vmm/src/config.rs",
            "pub enum DeviceKind { /// A disk.\n Block(Block), #[serde(x)] Net { tap: u8 }, Rng }",
        );
        let test = (
            "host/vmm/tests/worker/virtio.rs",
            "fn t() { device(DeviceKind::Block(b)); match k { DeviceKind::Rng => 1 } }",
        );
        let found = super::super::texts(check(&Tree::of(&[kinds, test])));
        assert_eq!(found, ["no test has a DeviceKind::Net: add one to host/vmm/tests"]);
        assert_eq!(check(&Tree::of(&[test])).len(), 1, "an enum that was renamed is no reason to be content");
    }
}
