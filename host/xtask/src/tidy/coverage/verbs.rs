//! Every verb is denied to somebody in a test: one call names `Denied` and the verb, in words, `"domain:start"`.

use proc_macro2::{Delimiter, TokenTree};
use reeve_model::Verb;

use super::source::{Source, inside, text, word};
use super::{Finding, Tree};

const CODE: &str = "Denied";

/// Verbs that no test is denied.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let verbs = Verb::ALL.map(Verb::as_str);
    untested(&verbs, tree.tests())
}

fn untested<'a>(verbs: &[&str], tests: impl Iterator<Item = &'a Source>) -> Vec<Finding> {
    let denials: Vec<String> = tests.flat_map(denials).collect();
    let is_denied = |verb: &str| denials.iter().any(|said| names(said, verb));
    let finding = |verb: &&str| {
        Finding::error(format!(
            "no test is denied '{verb}': add one to host/actions/tests or host/policy/tests whose call names {CODE} and \"{verb}\""
        ))
    };
    verbs.iter().filter(|verb| !is_denied(verb)).map(finding).collect()
}

/// True where the verb stands in a text, and is not just a part of a longer one.
fn names(said: &str, verb: &str) -> bool {
    let is_inside = |letter: char| letter.is_alphanumeric() || ":.-".contains(letter);
    said.split(|letter| !is_inside(letter)).any(|word| word.trim_end_matches([':', '.']) == verb)
}

/// The texts in calls, tuples and the like that also name the code of a denial.
fn denials(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    source.sequences(&mut |tokens| {
        for token in tokens {
            if let TokenTree::Group(group) = token
                && group.delimiter() == Delimiter::Parenthesis
            {
                let (mut texts, mut is_denial) = (Vec::new(), false);
                gather(&inside(group), &mut texts, &mut is_denial);
                if is_denial {
                    found.append(&mut texts);
                }
            }
        }
    });
    found
}

/// Texts and the code in one expression; what stands in blocks are statements of their own.
fn gather(tokens: &[TokenTree], texts: &mut Vec<String>, is_denial: &mut bool) {
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => {
                gather(&inside(group), texts, is_denial);
            }
            _ => {
                texts.extend(text(token));
                *is_denial |= word(token).as_deref() == Some(CODE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(test: &str) -> usize {
        let source = Source::parse("host/actions/tests/verbs/access.rs".into(), test).expect("tokens");
        untested(&["domain:start", "node.ksm:write"], [&source].into_iter()).len()
    }

    #[test]
    fn a_denial_names_its_verb() {
        assert_eq!(missing(""), 2);
        assert_eq!(missing("fn t() { refused(f(x), ErrorCode::Denied, &[\"4242\", \"domain:start\"]); }"), 1);
        assert_eq!(
            missing(
                "fn t() { for (a, b) in [(Denied, \"'node.ksm:write'\"), (Denied, \"domain:start\")] {} }"
            ),
            0
        );
    }

    #[test]
    fn what_only_looks_like_a_denial_does_not_count() {
        for test in [
            "fn t() { grant(\"domain:start\"); assert_eq!(code, Denied); }",
            "fn t() { refused(Denied, \"domain:starting\"); refused(Denied, \"xnode.ksm:write\"); }",
            "fn t() { block_on(async { grant(\"domain:start\"); denied(Denied); }) }",
            "// refused(Denied, \"domain:start\")",
        ] {
            assert_eq!(missing(test), 2, "{test}");
        }
    }
}
