//! Walks a document along its grammar and says what has no effect.

use crate::error::{Warning, WarningKind};
use crate::grammar::{Grammar, Rule, Word};
use crate::suggest::nearest;
use crate::tree::{Element, Node, is_blank, position};

/// What is to be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What the grammar does not know.
    Unknown,
    /// That, and what the native driver does not act on.
    NotHonoured,
}

/// Warnings about `root` and all inside it, in document order. `path` is that of `root`.
pub(crate) fn audit(
    text: &str,
    root: &Element<'_>,
    path: &str,
    rules: (&Grammar, &Rule),
    depth: Depth,
) -> Vec<Warning> {
    let mut audit = Audit { text, grammar: rules.0, warnings: vec![] };
    let mut scopes = vec![];
    audit.element(root, path, rules.1, depth, &mut scopes);
    audit.warnings
}

/// The warning about an element that is kept as a whole.
pub(crate) fn not_honoured(
    text: &str,
    element: &Element<'_>,
    path: &str,
    why: Option<&'static str>,
) -> Warning {
    let (line, column) = position(text, element.offset);
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    let message = format!("<{}> is kept, the native driver does not act on it{why}", element.name);
    Warning { line, column, path: path.to_owned(), message, kind: WarningKind::NotHonoured }
}

struct Audit<'a> {
    text: &'a str,
    grammar: &'a Grammar,
    warnings: Vec<Warning>,
}

impl Audit<'_> {
    fn warn(&mut self, kind: WarningKind, offset: usize, path: String, message: String) {
        let (line, column) = position(self.text, offset);
        self.warnings.push(Warning { line, column, path, message, kind });
    }

    /// `scopes` holds the namespace prefixes that are declared here.
    fn element<'d>(
        &mut self,
        element: &'d Element<'_>,
        path: &str,
        rule: &Rule,
        depth: Depth,
        scopes: &mut Vec<&'d str>,
    ) {
        let declared = scopes.len();
        let prefix = |name: &'d str| name.strip_prefix("xmlns:");
        scopes.extend(element.attributes.iter().filter_map(|attribute| prefix(&attribute.name)));
        for attribute in &element.attributes {
            self.attribute(element, attribute, path, rule, depth, scopes);
        }
        if !rule.open {
            self.stray_text(element, path, rule);
            for child in element.elements() {
                self.child(element, child, path, rule, depth, scopes);
            }
        }
        scopes.truncate(declared);
    }

    fn attribute(
        &mut self,
        element: &Element<'_>,
        attribute: &crate::tree::Attribute<'_>,
        path: &str,
        rule: &Rule,
        depth: Depth,
        scopes: &[&str],
    ) {
        let name = attribute.name.as_ref();
        let path = format!("{path}/@{name}");
        if name == "xmlns" || name.starts_with("xmlns:") || rule.open {
            return;
        }
        if let Some((prefix, _)) = name.split_once(':') {
            return self.foreign(attribute.offset, path, prefix, scopes, depth);
        }
        let known = self.grammar.attributes(rule).find(|word| word.name == name);
        match known {
            None => {
                let hint = hint(name, self.grammar.attributes(rule).map(|word| word.name));
                let message = format!("<{}> has no attribute '{name}'{hint}", element.name);
                self.warn(WarningKind::Unknown, attribute.offset, path, message);
            }
            Some(word) if depth == Depth::NotHonoured && !is_honoured(word, &attribute.value) => {
                let message = match word.honoured {
                    true => format!(
                        "{name}='{}' is kept, the native driver does not act on it (it does on {})",
                        attribute.value,
                        word.values.join(", ")
                    ),
                    false => format!("attribute '{name}' is kept, the native driver does not act on it"),
                };
                self.warn(WarningKind::NotHonoured, attribute.offset, path, message);
            }
            Some(_) => {}
        }
    }

    fn child<'d>(
        &mut self,
        parent: &Element<'_>,
        child: &'d Element<'_>,
        path: &str,
        rule: &Rule,
        depth: Depth,
        scopes: &mut Vec<&'d str>,
    ) {
        let name = child.name.as_ref();
        let path = format!("{path}/{}", parent.step(child));
        if let Some((prefix, _)) = name.split_once(':') {
            let own = child
                .attributes
                .iter()
                .any(|attribute| attribute.name.strip_prefix("xmlns:") == Some(prefix));
            let scopes: Vec<&str> = scopes.iter().copied().chain(own.then_some(prefix)).collect();
            return self.foreign(child.offset, path, prefix, &scopes, depth);
        }
        let grammar = self.grammar;
        match grammar.child(rule, name) {
            None => {
                let hint = hint(name, grammar.children(rule).map(|rule| rule.name));
                let message = format!("<{}> has no element <{name}>{hint}", parent.name);
                self.warn(WarningKind::Unknown, child.offset, path, message);
            }
            Some(rule) if depth == Depth::NotHonoured && !rule.honoured => {
                self.warnings.push(not_honoured(self.text, child, &path, rule.why));
                self.element(child, &path, rule, Depth::Unknown, scopes);
            }
            Some(rule) => self.element(child, &path, rule, depth, scopes),
        }
    }

    /// Another program's element or attribute.
    fn foreign(&mut self, offset: usize, path: String, prefix: &str, scopes: &[&str], depth: Depth) {
        if prefix != "xml" && !scopes.contains(&prefix) {
            let message = format!("the prefix '{prefix}' is not declared; add xmlns:{prefix}='…'");
            self.warn(WarningKind::Unknown, offset, path, message);
        } else if depth == Depth::NotHonoured {
            let message = "another program's part is kept, the native driver does not act on it".to_owned();
            self.warn(WarningKind::NotHonoured, offset, path, message);
        }
    }

    /// Words between the children of an element that has children by its grammar.
    fn stray_text(&mut self, element: &Element<'_>, path: &str, rule: &Rule) {
        if self.grammar.children(rule).next().is_none() || rule.text {
            return;
        }
        let words = element.children.iter().find_map(|child| match child {
            Node::Text(text) if !is_blank(text) => Some(text.trim()),
            _ => None,
        });
        if let Some(words) = words {
            let shown: String = words.chars().take(40).collect();
            let message =
                format!("the text '{}' in <{}> means nothing; remove it", shown.escape_debug(), element.name);
            self.warn(WarningKind::Unknown, element.offset, path.to_owned(), message);
        }
    }
}

fn is_honoured(word: &Word, value: &str) -> bool {
    word.honoured && (word.values.is_empty() || word.values.contains(&value))
}

fn hint<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    nearest(name, known).map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"))
}
