//! What libvirt's documents may contain, and what of it the native driver acts on: tables in `grammar/`, a file a kind.
//!
//! ```text
//! disk+ @device+disk|cdrom @snapshot     an element, its attributes
//!   driver+ @cache+ @queues              two spaces deeper: a child
//!   &device                              the attributes and children of a group
//! metadata+!                             anything may stand inside
//! backend+~ @model                       text may stand beside the children
//! =device                                a group, usable in this file
//! ```
//!
//! `+` after a name: the native driver acts on it; with words after the `+` of an attribute, on these values only. The order
//! of children is the order in which libvirt writes them.

use std::collections::HashMap;

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
