//! How typed writers put an element together, and how what the model keeps as XML finds its place again.

use std::borrow::Cow;

use reeve_model::domain::Extra;

use crate::grammar::{Grammar, Rule};
use crate::tree::{Attribute, Element, Node, is_blank, nodes};

impl<'c> Element<'c> {
    /// An element that a writer makes.
    pub(crate) fn new(name: impl Into<Cow<'c, str>>) -> Self {
        Self { name: name.into(), built: true, ..Self::default() }
    }

    /// Adds an attribute, without looking for one of the same name.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'c, str>>, value: impl Into<Cow<'c, str>>) {
        self.attributes.push(Attribute { name: name.into(), value: value.into(), offset: 0 });
    }

    /// With an attribute.
    pub(crate) fn with(mut self, name: &'c str, value: impl Into<Cow<'c, str>>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds an attribute that is `on` or `off`, where it is said.
    pub(crate) fn with_switch(mut self, name: &'c str, on: Option<bool>) -> Self {
        if let Some(on) = on {
            self.set(name, if on { "on" } else { "off" });
        }
        self
    }

    /// With an attribute, if there is a value.
    pub(crate) fn with_some<V: ToText>(mut self, name: &'c str, value: Option<&'c V>) -> Self {
        if let Some(value) = value {
            self.set(name, value.to_text());
        }
        self
    }

    /// With text.
    pub(crate) fn with_text(mut self, text: impl Into<Cow<'c, str>>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.children.push(Node::Text(text));
        }
        self
    }

    /// With a child that occurs once; what the model keeps under its name joins it.
    pub(crate) fn one(mut self, mut child: Element<'c>) -> Self {
        child.single = true;
        self.children.push(Node::Element(child));
        self
    }

    /// With a child that occurs once, if it says anything.
    pub(crate) fn one_unless_empty(self, child: Element<'c>) -> Self {
        if child.attributes.is_empty() && child.children.is_empty() { self } else { self.one(child) }
    }

    /// With a child that occurs once, if there is one.
    pub(crate) fn one_some(self, child: Option<Element<'c>>) -> Self {
        match child {
            Some(child) => self.one(child),
            None => self,
        }
    }

    /// With an attribute that says yes, if `set`.
    pub(crate) fn with_yes(self, name: &'c str, set: bool) -> Self {
        if set { self.with(name, "yes") } else { self }
    }

    /// With an attribute that says yes or no, if anything.
    pub(crate) fn with_choice(self, name: &'c str, choice: Option<bool>) -> Self {
        match choice {
            Some(choice) => self.with(name, if choice { "yes" } else { "no" }),
            None => self,
        }
    }

    /// With a child that holds text, if there is a value.
    pub(crate) fn one_text<V: ToText>(self, name: &'c str, value: Option<&'c V>) -> Self {
        match value {
            Some(value) => self.one(Element::new(name).with_text(value.to_text())),
            None => self,
        }
    }

    /// With an empty child, if `present`.
    pub(crate) fn one_flag(self, name: &'c str, present: bool) -> Self {
        if present { self.one(Element::new(name)) } else { self }
    }

    /// With children that may repeat.
    pub(crate) fn each(mut self, children: impl IntoIterator<Item = Element<'c>>) -> Self {
        self.children.extend(children.into_iter().map(Node::Element));
        self
    }

    /// With what the model keeps as it was written. A kept attribute never overrides a typed one.
    pub(crate) fn extra(mut self, extra: &'c Extra) -> Self {
        for (name, value) in &extra.attributes {
            if self.attribute(name).is_none() {
                self.set(name.as_str(), value.as_str());
            }
        }
        for text in &extra.elements {
            self.fragment(text);
        }
        self
    }

    /// Adds XML text; text that is no XML is added as words.
    pub(crate) fn fragment(&mut self, text: &'c str) {
        match nodes(text) {
            Ok(nodes) => nodes.into_iter().for_each(|node| self.join(node)),
            Err(_) => self.children.push(Node::Stray(text.to_owned())),
        }
    }

    /// Adds a kept node: an element goes into the typed child of its name, if there is one.
    fn join(&mut self, node: Node<'c>) {
        let Node::Element(kept) = node else {
            match node {
                Node::Text(text) if is_blank(&text) => {}
                Node::Text(text) => self.children.push(Node::Stray(text.trim().to_owned())),
                other => self.children.push(other),
            }
            return;
        };
        let typed = self.children.iter_mut().find_map(|child| match child {
            Node::Element(child) if child.single && child.name == kept.name => Some(child),
            _ => None,
        });
        let Some(typed) = typed else {
            self.children.push(Node::Element(kept));
            return;
        };
        typed.joined = true;
        for attribute in kept.attributes {
            if typed.attribute(&attribute.name).is_none() {
                typed.attributes.push(attribute);
            }
        }
        kept.children.into_iter().for_each(|child| typed.join(child));
    }
}

impl Node<'_> {
    /// The same node, free of the text it was read from.
    pub(crate) fn into_owned(self) -> Node<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        match self {
            Self::Element(element) => Node::Element(Element {
                name: own(element.name),
                attributes: element
                    .attributes
                    .into_iter()
                    .map(|attribute| Attribute {
                        name: own(attribute.name),
                        value: own(attribute.value),
                        offset: attribute.offset,
                    })
                    .collect(),
                children: element.children.into_iter().map(Node::into_owned).collect(),
                offset: element.offset,
                built: element.built,
                single: element.single,
                joined: element.joined,
            }),
            Self::Text(text) => Node::Text(own(text)),
            Self::Stray(text) => Node::Stray(text),
            Self::Comment(text) => Node::Comment(own(text)),
            Self::Instruction(text) => Node::Instruction(own(text)),
        }
    }
}

/// A value as it stands in a document.
pub(crate) trait ToText {
    /// The text.
    fn to_text(&self) -> Cow<'_, str>;
}

impl ToText for String {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

macro_rules! by_display {
    ($($type:ty),*) => {$(
        impl ToText for $type {
            fn to_text(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }
        }
    )*};
}

by_display!(u16, u32, u64, i32, i64, std::net::IpAddr, reeve_model::CpuSet, reeve_model::MacAddress);

/// A whole document in libvirt's order.
pub(crate) fn written<'c>(mut root: Element<'c>, grammar: &Grammar) -> Element<'c> {
    let name = root.name.clone();
    if let Some(rule) = grammar.root(&name) {
        order(&mut root, grammar, rule);
    }
    root
}

/// Puts the children of written elements into libvirt's order. What is not in the grammar goes last, then loose words;
/// namesakes keep their order, and so does the inside of what was kept as XML.
pub(crate) fn order(element: &mut Element<'_>, grammar: &Grammar, rule: &Rule) {
    if element.children.len() > 1 {
        // Loose words after unknown elements.
        element.children.sort_by_cached_key(|node| match node {
            Node::Element(child) => (grammar.rank(rule, &child.name), false),
            _ => (usize::MAX, true),
        });
    }
    if element.joined {
        grammar.sort_attributes(rule, element);
    }
    for child in &mut element.children {
        if let Node::Element(child) = child
            && child.built
            && let Some(rule) = grammar.child(rule, &child.name)
        {
            order(child, grammar, rule);
        }
    }
}
