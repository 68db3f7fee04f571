//! What libvirt's documents may contain, and what of it the native driver acts on: tables in `grammar/`, a file a kind.
//!
//! ```text
//! disk+ @device+disk|cdrom @snapshot     an element, its attributes
//!   driver+ @cache+ @queues              two spaces deeper: a child
//!   &device                              the attributes and children of a group
//! metadata+!                             anything may stand inside
//! backend+~ @model                       text may stand beside the children
//! emulator -- because                    why the native driver does not act on it
//! =device                                a group, usable in this file
//! ```
//!
//! `+` after a name: the native driver acts on it; with words after the `+` of an attribute, on these values only. The order
//! of children is the order in which libvirt writes them.

use std::collections::HashMap;

use crate::tree::Element;

/// An element as a grammar knows it.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    /// Name; of a group, the group's.
    pub name: &'static str,
    /// The native driver acts on it.
    pub honoured: bool,
    /// Anything may stand inside.
    pub open: bool,
    /// It may hold text beside its children.
    pub text: bool,
    /// Why the native driver does not act on it, where that is to be said.
    pub why: Option<&'static str>,
    attributes: Vec<Word>,
    children: Vec<Rule>,
    groups: Vec<&'static str>,
}

/// An attribute as a grammar knows it.
#[derive(Debug)]
pub(crate) struct Word {
    /// Name.
    pub name: &'static str,
    /// The native driver acts on it.
    pub honoured: bool,
    /// Values on which it acts; empty means all.
    pub values: Vec<&'static str>,
}

/// One kind of document.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// Root elements.
    roots: Vec<Rule>,
    groups: HashMap<&'static str, Rule>,
}

impl Grammar {
    /// Reads a table. It is part of the program, so a fault in it is a bug that the tests of this module find.
    pub(crate) fn new(table: &'static str) -> Self {
        let mut lines =
            table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).peekable();
        let mut top = Rule::default();
        read_children(&mut lines, 0, &mut top);
        let (groups, roots): (Vec<Rule>, Vec<Rule>) =
            top.children.into_iter().partition(|rule| rule.name.starts_with('='));
        let groups = groups.into_iter().map(|rule| (rule.name.trim_start_matches('='), rule)).collect();
        Self { roots, groups }
    }

    /// The rule of a root element.
    pub(crate) fn root(&self, name: &str) -> Option<&Rule> {
        self.roots.iter().find(|rule| rule.name == name)
    }

    /// Children of an element in libvirt's order, those of its groups last.
    pub(crate) fn children<'g>(&'g self, rule: &'g Rule) -> impl Iterator<Item = &'g Rule> {
        rule.children.iter().chain(self.groups_of(rule).flat_map(|group| &group.children))
    }

    /// Attributes of an element.
    pub(crate) fn attributes<'g>(&'g self, rule: &'g Rule) -> impl Iterator<Item = &'g Word> {
        rule.attributes.iter().chain(self.groups_of(rule).flat_map(|group| &group.attributes))
    }

    /// The rule of a child.
    pub(crate) fn child<'g>(&'g self, rule: &'g Rule, name: &str) -> Option<&'g Rule> {
        self.children(rule).find(|child| child.name == name)
    }

    /// Place of a child in libvirt's order; a name that is not known goes last.
    pub(crate) fn rank(&self, rule: &Rule, name: &str) -> usize {
        self.children(rule).position(|child| child.name == name).unwrap_or(usize::MAX)
    }

    /// Puts attributes into libvirt's order, unknown ones last.
    pub(crate) fn sort_attributes(&self, rule: &Rule, element: &mut Element<'_>) {
        let rank = |name: &str| self.attributes(rule).position(|known| known.name == name);
        element.attributes.sort_by_cached_key(|attribute| rank(&attribute.name).unwrap_or(usize::MAX));
    }

    fn groups_of<'g>(&'g self, rule: &'g Rule) -> impl Iterator<Item = &'g Rule> {
        rule.groups.iter().filter_map(|name| self.groups.get(name))
    }
}

fn depth(line: &str) -> usize {
    (line.len() - line.trim_start().len()) / 2
}

fn read_children(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'static str>>,
    level: usize,
    parent: &mut Rule,
) {
    while let Some(line) = lines.next_if(|line| depth(line) == level) {
        let (line, why) = line.split_once(" -- ").map_or((line, None), |(line, why)| (line, Some(why)));
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(group) = first.strip_prefix('&') {
            parent.groups.push(group);
            continue;
        }
        let mut rule = Rule {
            name: first.trim_end_matches(['!', '+', '~']),
            honoured: first.contains('+'),
            open: first.ends_with('!'),
            text: first.ends_with('~'),
            why,
            ..Rule::default()
        };
        for word in words {
            match word.strip_prefix('&') {
                Some(group) => rule.groups.push(group),
                None => rule.attributes.push(attribute(word)),
            }
        }
        read_children(lines, level + 1, &mut rule);
        parent.children.push(rule);
    }
}

fn attribute(word: &'static str) -> Word {
    let word = word.trim_start_matches('@');
    match word.split_once('+') {
        None => Word { name: word, honoured: false, values: vec![] },
        Some((name, "")) => Word { name, honoured: true, values: vec![] },
        Some((name, values)) => Word { name, honoured: true, values: values.split('|').collect() },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Kind;

    #[test]
    fn every_kind_has_a_table_for_its_roots() {
        for kind in Kind::ALL {
            let grammar = kind.grammar().expect("a table");
            for root in kind.roots() {
                assert!(grammar.root(root).is_some(), "{kind}: <{root}>");
            }
        }
    }

    #[test]
    fn tables_are_sound() {
        fn sound(grammar: &Grammar, rule: &Rule, path: &str) {
            for group in &rule.groups {
                assert!(grammar.groups.contains_key(group), "{path}: no group {group}");
            }
            let mut names = BTreeSet::new();
            for word in grammar.attributes(rule) {
                assert!(names.insert(format!("@{}", word.name)), "{path}: @{} twice", word.name);
            }
            for child in grammar.children(rule) {
                assert!(child.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
                assert!(names.insert(child.name.to_owned()), "{path}: <{}> twice", child.name);
                sound(grammar, child, &format!("{path}/{}", child.name));
            }
        }
        for kind in Kind::ALL {
            let grammar = kind.grammar().expect("a table");
            grammar.roots.iter().for_each(|root| sound(grammar, root, root.name));
        }
    }

    #[test]
    fn the_notation_is_read_as_described() {
        let grammar = Grammar::new("a+ @b+x|y @c\n  d! -- because\n  &g\n=g @e\n  f\n");
        let root = grammar.root("a").expect("a root");
        assert!(root.honoured);
        let words: Vec<&str> = grammar.attributes(root).map(|word| word.name).collect();
        assert_eq!(words, ["b", "c", "e"]);
        let children: Vec<(&str, bool)> = grammar.children(root).map(|rule| (rule.name, rule.open)).collect();
        assert_eq!(children, [("d", true), ("f", false)]);
        let reasons: Vec<Option<&str>> = grammar.children(root).map(|rule| rule.why).collect();
        assert_eq!(reasons, [Some("because"), None]);
        assert_eq!(grammar.attributes(root).next().expect("b").values, ["x", "y"]);
    }
}
