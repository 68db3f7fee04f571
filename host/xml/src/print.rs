//! Elements to text in libvirt's layout: two spaces a level, single quotes, an element a line.

use std::fmt::Write as _;

use crate::tree::{Element, Node, is_blank, is_legal};

/// A whole document, with a newline at the end.
pub(crate) fn document(root: &Element<'_>) -> String {
    let mut out = String::with_capacity(4096);
    element(&mut out, root, 0);
    out.push('\n');
    out
}

/// One node as a fragment of its own, without a newline at the end.
pub(crate) fn fragment(content: &Node<'_>) -> String {
    let mut out = String::new();
    node(&mut out, content, 0);
    out
}

fn element(out: &mut String, element: &Element<'_>, depth: usize) {
    out.push('<');
    out.push_str(&element.name);
    for attribute in &element.attributes {
        out.push(' ');
        out.push_str(&attribute.name);
        out.push_str("='");
        escape_attribute(out, &attribute.value);
        out.push('\'');
    }
    if element.children.is_empty() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    if is_inline(element) {
        for child in &element.children {
            node(out, child, depth);
        }
    } else {
        for child in element.children.iter().filter(|child| !matches!(child, Node::Text(_))) {
            indent(out, depth + 1);
            node(out, child, depth + 1);
        }
        indent(out, depth);
    }
    out.push_str("</");
    out.push_str(&element.name);
    out.push('>');
}

fn indent(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Text decides: with words between its children, or nothing but text, an element keeps its layout.
fn is_inline(element: &Element<'_>) -> bool {
    let is_text = |child: &Node<'_>| matches!(child, Node::Text(_));
    let is_word = |child: &Node<'_>| matches!(child, Node::Text(text) if !is_blank(text));
    element.children.iter().all(is_text) || element.children.iter().any(is_word)
}

fn node(out: &mut String, node: &Node<'_>, depth: usize) {
    match node {
        Node::Element(child) => element(out, child, depth),
        Node::Text(text) => escape_text(out, text),
        Node::Stray(text) => escape_text(out, text),
        Node::Comment(comment) => {
            out.push_str("<!--");
            out.push_str(comment);
            out.push_str("-->");
        }
        Node::Instruction(instruction) => {
            out.push_str("<?");
            out.push_str(instruction);
            out.push_str("?>");
        }
    }
}

fn escape_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\r' => out.push_str("&#13;"),
            // As it is, it would be taken for a byte order mark where kept text begins with it.
            '\u{feff}' => out.push_str("&#65279;"),
            c => out.push(if is_legal(c) { c } else { char::REPLACEMENT_CHARACTER }),
        }
    }
}

fn escape_attribute(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(if is_legal(c) { c } else { char::REPLACEMENT_CHARACTER }),
        }
    }
}
