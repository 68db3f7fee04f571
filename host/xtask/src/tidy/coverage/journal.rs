//! Every journaled operation is undone in a test: a file with a fault point that kills the daemon names its kind, or one of that file's modules.

use super::source::{Source, is, starts, text};
use super::{Finding, Tree};

const SOURCES: &str = "host/actions/src";
const TESTS: &str = "host/actions/tests";

/// Operations that are never killed.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let killers: Vec<_> =
        tree.below(TESTS).filter(|source| kills(source)).map(|source| &source.path).collect();
    let kills = |source: &&Source| {
        killers.iter().any(|path| source.path == **path || source.path.starts_with(path.with_extension("")))
    };
    let killed: Vec<String> = tree.below(TESTS).filter(kills).flat_map(texts).collect();
    let untested = tree.below(SOURCES).flat_map(kinds).filter(|kind| !killed.contains(kind));
    let finding = |kind: String| {
        Finding::error(format!(
            "no test kills a daemon at the steps of '{kind}': add the operation to {TESTS}/verbs/kill.rs"
        ))
    };
    untested.map(finding).collect()
}

/// The kinds of operations that a file has: `const KIND: &'static str = "…"`.
fn kinds(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    source.sequences(&mut |tokens| {
        for index in 0..tokens.len() {
            if starts(&tokens[index..], &["const", "KIND", ":"])
                && let Some(at) = tokens[index..].iter().position(|token| is(token, '=') || is(token, ';'))
            {
                found.extend(tokens.get(index + at + 1).and_then(text));
            }
        }
    });
    found
}

/// True when a file has a fault point of its own.
fn kills(source: &Source) -> bool {
    let mut found = false;
    source.sequences(&mut |tokens| {
        found |= (0..tokens.len()).any(|index| starts(&tokens[index..], &["impl", "FaultPoint", "for"]));
    });
    found
}

fn texts(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    source.sequences(&mut |tokens| found.extend(tokens.iter().filter_map(text)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_that_are_never_killed_are_named() {
        let operations = (
            "host/actions/src/domain/start.rs",
            "impl Operation for Start { const KIND: &'static str = \"domain-start\"; }
             impl Operation for Stop { const KIND: &'static str = \"domain-stop\"; }
             impl Operation for Move { const KIND: &'static str = \"domain-move\"; }
             trait Operation { const KIND: &'static str; }",
        );
        let killed = (
            "host/actions/tests/verbs/kill.rs",
            "impl FaultPoint for Killer {} fn kind() { \"domain-start\" }",
        );
        let module = ("host/actions/tests/verbs/kill/moves.rs", "fn kind() { \"domain-move\" }");
        let elsewhere = ("host/actions/tests/verbs/life.rs", "fn t() { \"domain-stop\" }");
        let found = super::super::texts(check(&Tree::of(&[operations, killed, module, elsewhere])));
        assert_eq!(
            found,
            [
                "no test kills a daemon at the steps of 'domain-stop': add the operation to host/actions/tests/verbs/kill.rs"
            ]
        );
    }
}
