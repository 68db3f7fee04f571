//! A document as elements that know where they stand: the one place that reads XML text.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error as SyntaxError, IllFormedError, SyntaxError as Unclosed};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::{AttrError, Attributes};
use quick_xml::events::{BytesRef, Event};

use crate::error::{Fault, XmlError};

/// Largest document in bytes.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting of elements.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most attributes of one element.
pub(crate) const MAX_ATTRIBUTES: usize = 128;
/// Most elements, texts and comments of a document.
pub(crate) const MAX_NODES: usize = 100_000;

/// An element of a document that was read, or that is about to be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Element<'t> {
    /// Name with its prefix.
    pub name: Cow<'t, str>,
    /// In document order.
    pub attributes: Vec<Attribute<'t>>,
    /// In document order.
    pub children: Vec<Node<'t>>,
    /// Byte offset of `<` in the document.
    pub offset: usize,
    /// Made by a writer: its children are put into libvirt's order.
    pub built: bool,
    /// Made by a writer for a typed child that occurs once: what the model keeps in `Extra` under this name joins it.
    pub single: bool,
    /// Something joined it: its attributes are put into libvirt's order.
    pub joined: bool,
}

/// `name='value'`.
#[derive(Debug, Clone)]
pub(crate) struct Attribute<'t> {
    /// Name with its prefix.
    pub name: Cow<'t, str>,
    /// Value without escapes.
    pub value: Cow<'t, str>,
    /// Byte offset of the name in the document.
    pub offset: usize,
}

/// What stands inside an element.
#[derive(Debug, Clone)]
pub(crate) enum Node<'t> {
    /// A child element.
    Element(Element<'t>),
    /// Text without escapes.
    Text(Cow<'t, str>),
    /// Text without meaning between typed elements: printed on a line of its own.
    Stray(String),
    /// Inside of `<!-- -->`.
    Comment(Cow<'t, str>),
    /// Inside of `<? ?>`.
    Instruction(Cow<'t, str>),
}

impl<'t> Element<'t> {
    /// Child elements in document order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element<'t>> {
        self.children.iter().filter_map(Node::as_element)
    }

    /// Value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute<'t>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// All text directly inside, joined.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        let mut texts = self.children.iter().filter_map(|child| match child {
            Node::Text(text) => Some(text.as_ref()),
            _ => None,
        });
        let first = texts.next().unwrap_or_default();
        texts.fold(Cow::Borrowed(first), |all, text| all + text)
    }

    /// Step of a path to `child`: its name, numbered from 1 when it has siblings of that name.
    pub(crate) fn step(&self, child: &Element<'_>) -> String {
        let namesakes = || self.elements().filter(|sibling| sibling.name == child.name);
        if namesakes().nth(1).is_none() {
            return child.name.to_string();
        }
        let before = namesakes().take_while(|sibling| sibling.offset != child.offset).count();
        format!("{}[{}]", child.name, before + 1)
    }

    /// Path of the element or attribute at a byte offset.
    pub(crate) fn path_of(&self, offset: usize) -> String {
        let mut path = format!("/{}", self.name);
        let mut element = self;
        loop {
            if let Some(attribute) = element.attributes.iter().find(|attribute| attribute.offset == offset) {
                return format!("{path}/@{}", attribute.name);
            }
            let Some(child) = element.elements().take_while(|child| child.offset <= offset).last() else {
                return path;
            };
            path = format!("{path}/{}", element.step(child));
            element = child;
        }
    }

    /// Offset of what a path of a broken rule names (`ip[0].dhcp.range[1]`: dots, numbers from 0, attributes as children), or
    /// of the deepest part of it that exists.
    pub(crate) fn offset_of_violation(&self, path: &str) -> usize {
        let mut element = self;
        for step in path.split('.') {
            let (name, index) = match step.split_once('[') {
                Some((name, rest)) => (name, rest.trim_end_matches(']').parse().unwrap_or(0)),
                None => (step, 0_usize),
            };
            match element.elements().filter(|child| child.name == name).nth(index) {
                Some(child) => element = child,
                None => {
                    let attribute = element.attribute(name);
                    return attribute.map_or(element.offset, |attribute| attribute.offset);
                }
            }
        }
        element.offset
    }

    /// Offset of what a path names, or of the deepest part of it that exists.
    pub(crate) fn offset_of(&self, path: &str) -> usize {
        let mut element = self;
        for step in path.split('/').skip(2) {
            if let Some(name) = step.strip_prefix('@') {
                return element.attribute(name).map_or(element.offset, |attribute| attribute.offset);
            }
            let (name, index) = match step.split_once('[') {
                Some((name, rest)) => (name, rest.trim_end_matches(']').parse().unwrap_or(1)),
                None => (step, 1_usize),
            };
            let child = element.elements().filter(|child| child.name == name).nth(index.saturating_sub(1));
            let Some(child) = child else { break };
            element = child;
        }
        element.offset
    }
}

impl<'t> Node<'t> {
    /// The element, if it is one.
    pub(crate) fn as_element(&self) -> Option<&Element<'t>> {
        match self {
            Self::Element(element) => Some(element),
            _ => None,
        }
    }
}

/// Line and column of a byte offset, both from 1, the column in characters.
pub(crate) fn position(text: &str, offset: usize) -> (u32, u32) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// The error that a fault is, with its place in the text and its path in the tree.
pub(crate) fn placed(text: &str, root: &Element<'_>, fault: Fault) -> XmlError {
    let (line, column) = position(text, fault.offset);
    XmlError { line, column, path: root.path_of(fault.offset), message: fault.message }
}

/// Reads a whole document and gives its root element.
pub(crate) fn document(text: &str) -> Result<Element<'_>, XmlError> {
    let mut root = None;
    for node in nodes(text)? {
        match node {
            Node::Element(element) if root.is_none() => root = Some(element),
            Node::Element(second) => {
                let message =
                    "a second root element; a document has only one, put each into a file of its own";
                return Err(at(text, second.offset, &[], message));
            }
            Node::Text(stray) if !is_blank(&stray) => {
                let offset = text.find(stray.trim()).unwrap_or(0);
                return Err(at(text, offset, &[], "text outside the root element; remove it"));
            }
            _ => {}
        }
    }
    root.ok_or_else(|| {
        at(text, 0, &[], "there is no element; an XML document starts with one, e.g. <domain>")
    })
}

/// Reads XML content: any number of elements, texts and comments.
pub(crate) fn nodes(text: &str) -> Result<Vec<Node<'_>>, XmlError> {
    if text.len() > MAX_BYTES {
        let message = format!("the document has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(at(text, 0, &[], message));
    }
    let mut builder = Builder { text, open: vec![], top: vec![], count: 0 };
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    loop {
        let offset = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
        match reader.read_event() {
            Ok(Event::Eof) => return builder.finish(),
            Ok(event) => {
                let end = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
                builder.event(event, offset, end).map_err(|fault| builder.error(fault))?;
            }
            Err(error) => {
                let offset = usize::try_from(reader.error_position()).unwrap_or(offset);
                return Err(builder.syntax_error(offset, &error));
            }
        }
    }
}

fn at(text: &str, offset: usize, open: &[Element<'_>], message: impl Into<String>) -> XmlError {
    let (line, column) = position(text, offset);
    let path: String = open.iter().map(|element| format!("/{}", element.name)).collect();
    let path = if path.is_empty() { "/".to_owned() } else { path };
    XmlError { line, column, path, message: message.into() }
}

/// True for text that only lays a document out.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// True for a character that XML 1.0 can hold, written as it is or as a reference.
pub(crate) fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

fn is_name(name: &str) -> bool {
    let start = |c: char| c.is_alphabetic() || c == '_' || c == ':' || !c.is_ascii();
    name.starts_with(start) && name.chars().all(|c| start(c) || c.is_ascii_digit() || c == '-' || c == '.')
}

/// Puts events together to elements.
struct Builder<'t> {
    text: &'t str,
    /// Elements whose end has not come yet, outermost first.
    open: Vec<Element<'t>>,
    top: Vec<Node<'t>>,
    count: usize,
}

impl<'t> Builder<'t> {
    fn event(&mut self, event: Event<'t>, offset: usize, end: usize) -> Result<(), Fault> {
        match event {
            Event::Start(_) => {
                let element = self.element(offset, end, 1)?;
                if self.open.len() >= MAX_DEPTH {
                    let message = format!("elements are nested more than {MAX_DEPTH} deep");
                    return Err(Fault::new(offset, message));
                }
                self.open.push(element);
            }
            Event::Empty(_) => {
                let element = self.element(offset, end, 2)?;
                self.push(Node::Element(element), offset)?;
            }
            Event::End(_) => {
                if let Some(element) = self.open.pop() {
                    self.push(Node::Element(element), offset)?;
                }
            }
            Event::Text(text) => self.push_text(text.xml10_content(), offset)?,
            Event::CData(text) => self.push_text(text.xml10_content(), offset)?,
            Event::GeneralRef(reference) => self.push_text(resolve(&reference, offset)?, offset)?,
            Event::Comment(comment) => self.push(Node::Comment(comment.xml10_content()), offset)?,
            Event::PI(instruction) => self.push(Node::Instruction(instruction.into_inner()), offset)?,
            Event::Decl(declaration) => {
                if let Some(Ok(encoding)) = declaration.encoding()
                    && !["utf-8", "us-ascii", "ascii"].contains(&encoding.to_ascii_lowercase().as_str())
                {
                    let message =
                        format!("the encoding '{encoding}' is not read; convert the document to UTF-8");
                    return Err(Fault::new(offset, message));
                }
            }
            Event::DocType(_) => {
                let message =
                    "document type declarations and their entities are refused; remove <!DOCTYPE …>";
                return Err(Fault::new(offset, message));
            }
            Event::Eof => {}
        }
        Ok(())
    }

    /// The element of the tag between two offsets; `tail` is the length of `>` or `/>`.
    fn element(&mut self, offset: usize, end: usize, tail: usize) -> Result<Element<'t>, Fault> {
        let content: &'t str = self.text.get(offset + 1..end - tail).unwrap_or_default();
        let length = content.find([' ', '\t', '\r', '\n', '/']).unwrap_or(content.len());
        let name = &content[..length];
        if !is_name(name) {
            return Err(Fault::new(offset, format!("'{}' is not an element name", name.escape_debug())));
        }
        let mut element = Element { name: Cow::Borrowed(name), offset, ..Element::default() };
        for attribute in Attributes::new(content, length) {
            let attribute = attribute.map_err(|error| attribute_fault(offset + 1, name, content, &error))?;
            let key: &'t str = attribute.key.0;
            // Both are parts of one text, so the distance of their addresses is an offset.
            let place = offset + 1 + (key.as_ptr() as usize).saturating_sub(content.as_ptr() as usize);
            if !is_name(key) {
                let message = format!("'{}' in <{name}> is not an attribute name", key.escape_debug());
                return Err(Fault::new(place, message));
            }
            if attribute.value.contains('<') {
                let message = format!(
                    "'<' in the value of attribute '{key}'; write &lt;, or close the quote before it"
                );
                return Err(Fault::new(place, message));
            }
            let value = attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).map_err(|_| {
                let message = format!("attribute '{key}' has a '&' that is not an escape; write &amp;");
                Fault::new(place, message)
            })?;
            legal(&value, place)?;
            if element.attributes.len() >= MAX_ATTRIBUTES {
                return Err(Fault::new(place, format!("<{name}> has more than {MAX_ATTRIBUTES} attributes")));
            }
            element.attributes.push(Attribute { name: Cow::Borrowed(key), value, offset: place });
        }
        Ok(element)
    }

    fn push_text(&mut self, text: Cow<'t, str>, offset: usize) -> Result<(), Fault> {
        legal(&text, offset)?;
        let siblings = self.open.last_mut().map_or(&mut self.top, |element| &mut element.children);
        if let Some(Node::Text(before)) = siblings.last_mut() {
            before.to_mut().push_str(&text);
            return Ok(());
        }
        self.push(Node::Text(text), offset)
    }

    fn push(&mut self, node: Node<'t>, offset: usize) -> Result<(), Fault> {
        self.count += 1;
        if self.count > MAX_NODES {
            let message = format!("the document has more than {MAX_NODES} elements, texts and comments");
            return Err(Fault::new(offset, message));
        }
        self.open.last_mut().map_or(&mut self.top, |element| &mut element.children).push(node);
        Ok(())
    }

    fn finish(self) -> Result<Vec<Node<'t>>, XmlError> {
        match self.open.last() {
            None => Ok(self.top),
            Some(element) => {
                let message = format!("<{name}> is never closed; add </{name}>", name = element.name);
                Err(at(self.text, element.offset, &self.open, message))
            }
        }
    }

    fn error(&self, fault: Fault) -> XmlError {
        at(self.text, fault.offset, &self.open, fault.message)
    }

    fn syntax_error(&self, offset: usize, error: &SyntaxError) -> XmlError {
        let message = match error {
            SyntaxError::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                let line = self.open.last().map_or(0, |element| position(self.text, element.offset).0);
                format!(
                    "</{found}> stands where <{expected}> of line {line} must be closed; write </{expected}>"
                )
            }
            SyntaxError::IllFormed(IllFormedError::UnmatchedEndTag(found)) => {
                format!("</{found}> closes an element that was never opened; remove it")
            }
            SyntaxError::IllFormed(IllFormedError::UnclosedReference) => {
                "a '&' that is not an escape; write &amp;".to_owned()
            }
            SyntaxError::Syntax(Unclosed::UnclosedComment) => {
                "the comment is never closed; end it with -->".to_owned()
            }
            SyntaxError::Syntax(Unclosed::UnclosedTag) => "the tag is never closed; end it with >".to_owned(),
            SyntaxError::Syntax(
                Unclosed::UnclosedSingleQuotedAttributeValue | Unclosed::UnclosedDoubleQuotedAttributeValue,
            ) => "an attribute value of this tag is never closed; end it with a quote".to_owned(),
            SyntaxError::IllFormed(IllFormedError::DoubleHyphenInComment) => {
                "a comment cannot contain '--'; take it out".to_owned()
            }
            other => other.to_string(),
        };
        at(self.text, offset, &self.open, message)
    }
}

fn legal(text: &str, offset: usize) -> Result<(), Fault> {
    match text.chars().find(|c| !is_legal(*c)) {
        None => Ok(()),
        Some(c) => Err(Fault::new(offset, format!("{c:?} is a character that XML cannot hold; remove it"))),
    }
}

fn resolve<'t>(reference: &BytesRef<'t>, offset: usize) -> Result<Cow<'t, str>, Fault> {
    if reference.is_char_ref() {
        return match reference.resolve_char_ref() {
            Ok(Some(c)) => Ok(Cow::Owned(c.to_string())),
            _ => Err(Fault::new(offset, format!("&{}; is not a character", &**reference))),
        };
    }
    resolve_xml_entity(reference).map(Cow::Borrowed).ok_or_else(|| {
        let message = format!(
            "entity &{}; is not defined; XML knows &lt; &gt; &amp; &quot; &apos;, others are refused",
            &**reference
        );
        Fault::new(offset, message)
    })
}

fn attribute_fault(base: usize, name: &str, content: &str, error: &AttrError) -> Fault {
    let (relative, message) = match error {
        AttrError::ExpectedEq(at) => {
            (*at, format!("an attribute of <{name}> has no value; write name='value'"))
        }
        AttrError::ExpectedValue(at) => (*at, format!("an attribute of <{name}> has no value after '='")),
        AttrError::UnquotedValue(at) => {
            (*at, format!("an attribute value of <{name}> needs quotes: name='value'"))
        }
        AttrError::ExpectedQuote(at, _) => {
            (*at, format!("an attribute value of <{name}> is not closed by a quote"))
        }
        AttrError::Duplicated(at, _) => {
            let key: String =
                content.get(*at..).unwrap_or_default().chars().take_while(|c| *c != '=').collect();
            (*at, format!("attribute '{}' stands twice in <{name}>; keep one", key.trim()))
        }
    };
    Fault::new(base + relative, message)
}
