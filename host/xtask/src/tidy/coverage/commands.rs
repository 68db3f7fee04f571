//! Every command is run by a test that starts the real binary.
//!
//! The commands are those of the enums that derive clap's `Subcommand`, from [`TOP`] down. A test runs one where its words
//! begin an array of arguments, `["domain", "start", name]`, or where they follow the name of a helper that adds the first
//! word itself, `author.policy(&["push", …])`, or on a line of a shell script that a test runs. A variable in the place of a
//! word proves nothing: a loop over verbs must have their arrays in it. A command of one word counts only where
//! the array is handed to a function that starts `reeve`, since `["events", …]` may be a list of anything.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenTree};

use super::source::{Source, group, inside, is, split, starts, text, word};
use super::{Finding, Tree};

/// The enum of the first words.
const TOP: &str = "Command";
const SOURCES: &str = "host/cli/src";
const TESTS: &str = "tests/tests";
/// Names of the functions that start the binary begin so.
const STARTS_THE_BINARY: &str = "reeve";

/// Commands that no test runs.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let (commands, mut findings) = commands(tree.below(SOURCES));
    let mut runs: Vec<Run> = tree.below(TESTS).flat_map(runs).collect();
    runs.extend(tree.shell.iter().flat_map(|script| typed(script)));
    for command in commands {
        if !runs.iter().any(|run| run.is_of(&command)) {
            let words = command.join("\", \"");
            findings.push(Finding::error(format!(
                "no test runs 'reeve {}': add one to {TESTS} with the arguments [\"{words}\", …]",
                command.join(" ")
            )));
        }
    }
    findings
}

/// What a test hands to the binary: its first words.
struct Run {
    words: Vec<String>,
    /// The arguments are seen to go to the binary, not just to be a list of strings.
    handed_over: bool,
}

impl Run {
    fn is_of(&self, command: &[String]) -> bool {
        self.words.starts_with(command) && (self.handed_over || command.len() > 1)
    }
}

fn runs(source: &Source) -> Vec<Run> {
    let mut found = Vec::new();
    source.sequences(&mut |tokens| {
        for (index, token) in tokens.iter().enumerate() {
            if let Some(array) = group(token, Delimiter::Bracket) {
                found.push(Run { words: leading(&inside(array)), handed_over: false });
            }
            let caller = index.checked_sub(1).and_then(|before| word(&tokens[before]));
            if let (Some(caller), Some(arguments)) = (caller, group(token, Delimiter::Parenthesis)) {
                for argument in split(&inside(arguments)) {
                    found.extend(handed(&caller, argument));
                }
            }
        }
    });
    found.retain(|run| !run.words.is_empty());
    found
}

/// The array that a function gets, with the function's own name as the first word unless it starts the binary.
fn handed(function: &str, argument: &[TokenTree]) -> Option<Run> {
    let ([array] | [_, array]) = argument else { return None };
    let words = leading(&inside(group(array, Delimiter::Bracket)?));
    if function.starts_with(STARTS_THE_BINARY) {
        return Some(Run { words, handed_over: true });
    }
    let words = std::iter::once(function.to_owned()).chain(words).collect();
    Some(Run { words, handed_over: false })
}

/// The strings at the front of an array.
fn leading(array: &[TokenTree]) -> Vec<String> {
    let words = split(array).into_iter().map_while(|element| match element {
        [only] => text(only),
        _ => None,
    });
    words.collect()
}

/// What a script has behind the name of the binary.
fn typed(script: &str) -> Vec<Run> {
    let line = |line: &str| {
        let words: Vec<_> = line.split([' ', '(', ')', ';', '|', '&', '`', '"', '$']).collect();
        let starts =
            words.iter().enumerate().filter(|(_, word)| **word == "reeve" || word.ends_with("/reeve"));
        let runs = starts.map(|(index, _)| {
            let words = words[index + 1..].iter().filter(|word| !word.is_empty());
            Run { words: words.map(|word| (*word).to_owned()).collect(), handed_over: true }
        });
        runs.collect::<Vec<_>>()
    };
    script.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(line).collect()
}

/// A variant of an enum: the word it is written as, and the enum of the words that may follow it.
struct Variant {
    word: String,
    below: Option<String>,
}

/// Every command that can be run, and what could not be followed.
fn commands<'a>(sources: impl Iterator<Item = &'a Source>) -> (Vec<Vec<String>>, Vec<Finding>) {
    let mut enums = BTreeMap::new();
    let (mut found, mut findings) = (Vec::new(), Vec::new());
    for (name, variants) in sources.flat_map(subcommands) {
        if enums.insert(name.clone(), variants).is_some() {
            findings.push(Finding::error(format!("two enums of commands in {SOURCES} are named {name}")));
        }
    }
    let mut open = vec![(TOP.to_owned(), Vec::new())];
    while let Some((name, before)) = open.pop() {
        let Some(variants) = enums.remove(&name) else {
            findings.push(Finding::error(format!("{SOURCES} has no enum {name} that derives Subcommand")));
            continue;
        };
        for variant in variants {
            let command: Vec<_> = before.iter().cloned().chain([variant.word]).collect();
            match variant.below {
                Some(below) => open.push((below, command)),
                None => found.push(command),
            }
        }
    }
    found.sort();
    (found, findings)
}

fn subcommands(source: &Source) -> Vec<(String, Vec<Variant>)> {
    let mut found = Vec::new();
    source.sequences(&mut |tokens| {
        for index in 0..tokens.len() {
            if !starts(&tokens[index..], &["#"]) || !derives(tokens.get(index + 1), "Subcommand") {
                continue;
            }
            let rest = &tokens[index + 2..];
            let Some(at) = rest.iter().position(|token| word(token).as_deref() == Some("enum")) else {
                continue;
            };
            if let (Some(name), Some(TokenTree::Group(body))) =
                (rest.get(at + 1).and_then(word), rest.get(at + 2))
            {
                found.push((name, split(&inside(body)).into_iter().map(variant).collect()));
            }
        }
    });
    found
}

fn derives(attribute: Option<&TokenTree>, what: &str) -> bool {
    let Some(TokenTree::Group(attribute)) = attribute else { return false };
    match &inside(attribute)[..] {
        [derive, TokenTree::Group(list)] if word(derive).as_deref() == Some("derive") => {
            inside(list).iter().any(|token| word(token).as_deref() == Some(what))
        }
        _ => false,
    }
}

fn variant(tokens: &[TokenTree]) -> Variant {
    let mut named = None;
    let mut has_more = false;
    let mut rest = tokens;
    while let [hash, TokenTree::Group(attribute), after @ ..] = rest
        && is(hash, '#')
    {
        if let [command, TokenTree::Group(options)] = &inside(attribute)[..]
            && word(command).as_deref() == Some("command")
        {
            for option in split(&inside(options)) {
                match option {
                    [only] => has_more |= word(only).as_deref() == Some("subcommand"),
                    [key, _, value] if word(key).as_deref() == Some("name") => named = text(value),
                    _ => {}
                }
            }
        }
        rest = after;
    }
    let name = rest.first().and_then(word).unwrap_or_default();
    let holds = match rest.get(1) {
        Some(TokenTree::Group(fields)) => inside(fields).iter().rev().find_map(word),
        _ => None,
    };
    Variant { word: named.unwrap_or_else(|| kebab(&name)), below: holds.filter(|_| has_more) }
}

/// `AttachDevice` as clap writes it: `attach-device`.
fn kebab(name: &str) -> String {
    let mut written = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !written.is_empty() {
            written.push('-');
        }
        written.extend(letter.to_lowercase());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::coverage::texts;

    const ARGS: (&str, &str) = (
        "host/cli/src/args.rs",
        "/// Words.
         #[derive(Debug, Subcommand)]
         pub enum Command {
             /// A noun
             #[command(subcommand, visible_alias = \"dom\")]
             Domain(domain::DomainCommand),
             /// Follow
             Events(events::Events),
         }",
    );
    const DOMAIN: (&str, &str) = (
        "host/cli/src/domain.rs",
        "#[derive(Subcommand)] enum DomainCommand { Start(Start), AttachDevice { device: String }, #[command(name = \"ls\")] List }
         #[derive(Debug)] enum Other { Not }",
    );

    fn missing(test: &str) -> Vec<String> {
        let tree = Tree::of(&[ARGS, DOMAIN, ("tests/tests/cli.rs", test)]);
        let named = |text: String| text.split('\'').nth(1).unwrap_or(&text).replace("reeve ", "");
        texts(check(&tree)).into_iter().map(named).collect()
    }

    #[test]
    fn commands_without_a_run_are_named() {
        assert_eq!(missing(""), ["domain attach-device", "domain ls", "domain start", "events"]);
        let test = "fn t() { assert!(d.reeve(&[\"domain\", \"start\", name])); domain(&[\"ls\"]); vec![\"domain\", \"attach-device\"]; Run::reeve(x, &[\"events\"]) }";
        assert!(missing(test).is_empty());
        let text = texts(check(&Tree::of(&[ARGS, DOMAIN, ("tests/tests/cli.rs", "")]))).remove(0);
        assert_eq!(
            text,
            "no test runs 'reeve domain attach-device': add one to tests/tests with the arguments [\"domain\", \"attach-device\", …]"
        );
    }

    #[test]
    fn what_only_looks_like_a_run_does_not_count() {
        for test in [
            "// [\"domain\", \"start\"]",
            "fn t() { said.contains(\"reeve domain start\") }",
            "fn t() { [\"domain\", verb]; [\"start\"]; [\"web\", \"domain\", \"start\"] }",
        ] {
            assert_eq!(missing(test).len(), 4, "{test}");
        }
        assert!(missing("fn t() { kinds([\"events\", \"logs\"]) }").contains(&"events".to_owned()));
    }

    #[test]
    fn scripts_and_the_tutorial_count() {
        let tree = Tree::of(&[
            ARGS,
            DOMAIN,
            ("tests/fixtures/init", "#!/bin/sh\nx=$(/bin/reeve domain start web)\n# reeve domain ls\n"),
            ("tests/fixtures/notes", "reeve domain ls\n"),
            ("guest-sdk/TUTORIAL.md", "reeve domain ls\n```sh\nreeve events --after 0\n```\n"),
        ]);
        assert_eq!(texts(check(&tree)).len(), 2, "ls and attach-device");
    }

    #[test]
    fn a_noun_that_leads_nowhere_is_an_error() {
        let found = texts(check(&Tree::of(&[ARGS, ("tests/tests/cli.rs", "")])));
        assert!(found[0].contains("no enum DomainCommand"), "{found:?}");
    }
}
