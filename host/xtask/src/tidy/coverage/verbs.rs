//! Every verb is denied to somebody in a test: one call names `Denied` and the verb, in words, `"domain:start"`.
//!
//! A verb that no code asks for yet can't be denied; it is a warning, so that it is not forgotten.

use proc_macro2::{Delimiter, TokenTree};
use reeve_model::Verb;

use super::source::{Source, inside, is, starts, text, word};
use super::{Finding, Tree};

const CODE: &str = "Denied";
/// Where the vocabulary itself is; naming a verb there is not asking for it.
const VOCABULARY: [&str; 2] = ["host/model", "host/xtask"];

/// Verbs that no test is denied.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let is_product = |source: &&Source| {
        source.path.iter().nth(2).is_some_and(|part| part == "src")
            && VOCABULARY.iter().all(|home| !source.path.starts_with(home))
    };
    let product: Vec<_> = tree.below("host").filter(is_product).collect();
    let verbs = Verb::ALL.map(|verb| {
        let name = format!("{verb:?}");
        (verb.as_str(), product.iter().any(|source| asks(source, &name)))
    });
    untested(&verbs, tree.tests())
}

/// True where a source hands the verb to something. An arm or an alternative of a pattern only sorts the vocabulary.
fn asks(source: &Source, name: &str) -> bool {
    let path = ["Verb", ":", ":", name];
    let mut found = false;
    source.sequences(&mut |tokens| {
        found |= (0..tokens.len()).filter(|index| starts(&tokens[*index..], &path)).any(|index| {
            let before = index.checked_sub(1).map(|before| &tokens[before]);
            let after = tokens.get(index + path.len());
            let is_pattern = |token: &TokenTree| is(token, '|') || is(token, '=');
            !before.is_some_and(|token| is(token, '|')) && !after.is_some_and(is_pattern)
        });
    });
    found
}

/// Verbs, each with whether any code asks for it.
fn untested<'a>(verbs: &[(&str, bool)], tests: impl Iterator<Item = &'a Source>) -> Vec<Finding> {
    let denials: Vec<String> = tests.flat_map(denials).collect();
    let is_denied = |verb: &str| denials.iter().any(|said| names(said, verb));
    let finding = |(verb, is_asked): &(&str, bool)| {
        if *is_asked {
            Finding::error(format!(
                "no test is denied '{verb}': add one to host/actions/tests or host/policy/tests whose call names {CODE} and \"{verb}\""
            ))
        } else {
            Finding::warning(format!("nothing asks for the verb '{verb}', so no test can be denied it"))
        }
    };
    verbs.iter().filter(|(verb, _)| !is_denied(verb)).map(finding).collect()
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
    use crate::tidy::Severity;

    fn missing(test: &str) -> usize {
        let source = Source::parse("host/actions/tests/verbs/access.rs".into(), test).expect("tokens");
        untested(&[("domain:start", true), ("node.ksm:write", true)], [&source].into_iter()).len()
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
    fn a_verb_that_nothing_asks_for_is_a_warning() {
        let severity = |code: &str| {
            let source = Source::parse("host/actions/src/x.rs".into(), code).expect("tokens");
            let verbs = [("domain:start", asks(&source, "DomainStart"))];
            untested(&verbs, std::iter::empty())[0].severity
        };
        assert_eq!(severity("fn f() { authorize(actor, Verb::DomainStart, name) }"), Severity::Error);
        for code in [
            "fn f() { Verb::DomainStartled; /* Verb::DomainStart */ }",
            "fn f() { match verb { Verb::DomainStart => 1, Verb::DomainStop | Verb::DomainStart => 2 } }",
            "fn f() { matches!(verb, Verb::DomainStart | Verb::DomainStop) }",
        ] {
            assert_eq!(severity(code), Severity::Warning, "{code}");
        }
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
