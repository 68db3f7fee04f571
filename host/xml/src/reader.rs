//! How typed readers take an element apart: each ticks off what it understands, and what is left goes to `Extra`.

use std::borrow::Cow;
use std::str::FromStr;

use reeve_model::CpuSet;
use reeve_model::domain::Extra;

use crate::error::Fault;
use crate::grammar::{Grammar, Rule};
use crate::print;
use crate::suggest::nearest;
use crate::tree::{Element, Node, is_blank};

/// An element that is being read.
pub(crate) struct Reader<'e, 't> {
    /// The element.
    pub element: &'e Element<'t>,
    /// Its grammar: what is left is kept in this order, so that a document means the same however it is ordered.
    rule: Option<(&'e Grammar, &'e Rule)>,
    attributes: Vec<bool>,
    children: Vec<Child>,
}

/// What became of a child.
#[derive(Clone)]
enum Child {
    /// Nobody asked for it yet.
    Left,
    /// All of it is in the model.
    Taken,
    /// Its typed part is in the model, this is the rest.
    Rest(Element<'static>),
}

impl<'e, 't> Reader<'e, 't> {
    pub(crate) fn new(element: &'e Element<'t>, rule: Option<(&'e Grammar, &'e Rule)>) -> Self {
        Self {
            element,
            rule,
            attributes: vec![false; element.attributes.len()],
            children: vec![Child::Left; element.children.len()],
        }
    }

    fn child(&self, child: &'e Element<'t>) -> Self {
        let rule = self.rule.and_then(|(grammar, rule)| Some((grammar, grammar.child(rule, &child.name)?)));
        Self::new(child, rule)
    }

    /// Place of a child in libvirt's order; what the grammar does not know goes last.
    fn rank(&self, name: &str) -> usize {
        self.rule.map_or(usize::MAX, |(grammar, rule)| grammar.rank(rule, name))
    }

    /// A fault of this element.
    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.element.offset, message)
    }

    /// A fault of one of its attributes.
    pub(crate) fn attribute_fault(&self, name: &str, message: impl Into<String>) -> Fault {
        let offset = self.element.attribute(name).map_or(self.element.offset, |attribute| attribute.offset);
        Fault::new(offset, message)
    }

    /// Takes an attribute.
    pub(crate) fn attribute(&mut self, name: &str) -> Option<&'e str> {
        let index = self.element.attributes.iter().position(|attribute| attribute.name == name)?;
        self.attributes[index] = true;
        Some(&self.element.attributes[index].value)
    }

    /// Takes an attribute as an owned word.
    pub(crate) fn word(&mut self, name: &str) -> Option<String> {
        self.attribute(name).map(str::to_owned)
    }

    /// Takes an attribute that must be there; `example` is what the fix shows.
    pub(crate) fn required(&mut self, name: &str, example: &str) -> Result<String, Fault> {
        self.word(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            let element = &self.element.name;
            self.fault(format!(
                "<{element}> needs the attribute {name}; write <{element} {name}='{example}'…>"
            ))
        })
    }

    /// Takes a decimal attribute.
    pub(crate) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Fault> {
        let Some(value) = self.attribute(name) else { return Ok(None) };
        parse_number(value).map(Some).ok_or_else(|| {
            let message = format!("{name}='{value}' is not a whole number that fits here");
            self.attribute_fault(name, message)
        })
    }

    /// Takes a number that is decimal, `0x` hexadecimal or `0` octal, as addresses are written; it must be at most `max`.
    pub(crate) fn address_number(&mut self, name: &str, max: u32) -> Result<Option<u32>, Fault> {
        let Some(value) = self.attribute(name) else { return Ok(None) };
        let text = value.trim();
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) if !digits.starts_with('+') => u32::from_str_radix(digits, 16).ok(),
            Some(_) => None,
            None => parse_number(text),
        };
        number.filter(|number| *number <= max).map(Some).ok_or_else(|| {
            let message = format!("{name}='{value}' is not a number from 0 to {max:#x}");
            self.attribute_fault(name, message)
        })
    }

    /// Takes an attribute that a type reads; `what` says what it should be.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &str, what: &str) -> Result<Option<T>, Fault> {
        let Some(value) = self.attribute(name) else { return Ok(None) };
        value.trim().parse().map(Some).map_err(|_| {
            let value: String = value.chars().take(64).collect();
            self.attribute_fault(name, format!("{name}='{value}' is not {what}"))
        })
    }

    /// As [`Self::parsed`], of an attribute that must be there.
    pub(crate) fn needed<T: FromStr>(&mut self, name: &str, what: &str) -> Result<T, Fault> {
        self.parsed(name, what)?.ok_or_else(|| {
            let element = &self.element.name;
            self.fault(format!("<{element}> needs the attribute {name}: {what}"))
        })
    }

    /// Takes an attribute that has one of two words: true for the first.
    pub(crate) fn either(&mut self, name: &str, yes: &str, no: &str) -> Result<Option<bool>, Fault> {
        match self.attribute(name) {
            None => Ok(None),
            Some(value) if value == yes => Ok(Some(true)),
            Some(value) if value == no => Ok(Some(false)),
            Some(value) => {
                Err(self.attribute_fault(name, format!("{name}='{value}' is neither '{yes}' nor '{no}'")))
            }
        }
    }

    /// Takes an attribute that is a set of CPUs or nodes.
    pub(crate) fn cpu_set(&mut self, name: &str) -> Result<Option<CpuSet>, Fault> {
        let Some(value) = self.attribute(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|error| self.attribute_fault(name, format!("{error}")))
    }

    /// Takes the text as it is.
    pub(crate) fn text(&mut self) -> Cow<'e, str> {
        for (child, state) in self.element.children.iter().zip(&mut self.children) {
            if matches!(child, Node::Text(_)) {
                *state = Child::Taken;
            }
        }
        self.element.text()
    }

    /// Takes the text without the spaces around it.
    pub(crate) fn trimmed(&mut self) -> String {
        self.text().trim().to_owned()
    }

    /// Takes the text as a number.
    pub(crate) fn text_number<T: FromStr>(&mut self) -> Result<T, Fault> {
        let text = self.trimmed();
        parse_number(&text).ok_or_else(|| {
            self.fault(format!(
                "<{}> holds '{text}', which is not a whole number that fits here",
                self.element.name
            ))
        })
    }

    /// How many children have this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.element.elements().filter(|child| child.name == name).count()
    }

    /// Reads the only child of a name, if there is one. What `read` leaves of it is kept and later joins it again.
    pub(crate) fn one<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Reader<'e, 't>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let mut found = self.element.children.iter().enumerate().filter_map(|(index, child)| {
            child.as_element().filter(|child| child.name == name).map(|child| (index, child))
        });
        let Some((index, child)) = found.next() else { return Ok(None) };
        if let Some((_, second)) = found.next() {
            let parent = &self.element.name;
            let message = format!("<{parent}> has more than one <{name}>; keep one");
            return Err(Fault::new(second.offset, message));
        }
        let mut reader = self.child(child);
        let value = read(&mut reader)?;
        self.children[index] = reader.rest().map_or(Child::Taken, Child::Rest);
        Ok(Some(value))
    }

    /// True when there is a child of this name.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, Fault> {
        self.one(name, |_| Ok(())).map(|found| found.is_some())
    }

    /// Reads every child of a name. One of which `read` leaves something is kept as XML instead.
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        read: impl FnMut(&mut Reader<'e, 't>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.each_that(|child| child == name, read)
    }

    /// As [`Self::each`], of every name that is wanted.
    pub(crate) fn each_that<T>(
        &mut self,
        wanted: impl Fn(&str) -> bool,
        mut read: impl FnMut(&mut Reader<'e, 't>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut values = vec![];
        for (index, child) in self.element.children.iter().enumerate() {
            let Some(child) = child.as_element().filter(|child| wanted(&child.name)) else { continue };
            let mut reader = self.child(child);
            let value = read(&mut reader)?;
            if reader.rest().is_none() {
                self.children[index] = Child::Taken;
                values.push(value);
            }
        }
        Ok(values)
    }

    /// Refuses what nobody took: of an element that has to be in force as it is written, nothing can be kept aside.
    pub(crate) fn nothing_left(&self) -> Result<(), Fault> {
        let name = &self.element.name;
        let mut attributes = self.element.attributes.iter().zip(&self.attributes);
        if let Some((left, _)) = attributes.find(|(_, taken)| !**taken) {
            let known = self.rule.iter().flat_map(|(grammar, rule)| grammar.attributes(rule));
            let hint = meant(&left.name, known.map(|word| word.name));
            return Err(Fault::new(left.offset, format!("<{name}> has no attribute '{}'{hint}", left.name)));
        }
        for (child, state) in self.element.children.iter().zip(&self.children) {
            if let (Node::Element(child), Child::Left | Child::Rest(_)) = (child, state) {
                let known = self.rule.iter().flat_map(|(grammar, rule)| grammar.children(rule));
                let hint = meant(&child.name, known.map(|rule| rule.name));
                return Err(Fault::new(
                    child.offset,
                    format!("<{name}> has no element <{}>{hint}", child.name),
                ));
            }
        }
        match self.stray() {
            Some(words) => {
                let words: String = words.chars().take(40).collect();
                Err(self.fault(format!(
                    "the text '{}' in <{name}> means nothing; remove it",
                    words.escape_debug()
                )))
            }
            None => Ok(()),
        }
    }

    /// Takes a child as XML text, canonical.
    pub(crate) fn fragment(&mut self, name: &str) -> Result<Option<String>, Fault> {
        self.one(name, |child| {
            child.attributes.fill(true);
            child.children.fill(Child::Taken);
            Ok(print::fragment(&Node::Element(child.element.clone())))
        })
    }

    /// Takes all attributes that nobody took.
    pub(crate) fn all_attributes(&mut self) -> Vec<(String, String)> {
        let left = self.element.attributes.iter().zip(&mut self.attributes).filter(|(_, taken)| !**taken);
        left.map(|(attribute, taken)| {
            *taken = true;
            (attribute.name.to_string(), attribute.value.to_string())
        })
        .collect()
    }

    /// Takes everything that nobody took.
    pub(crate) fn extra(&mut self) -> Extra {
        let attributes = self.all_attributes();
        let elements = self.left().iter().map(print::fragment).collect();
        self.children.fill(Child::Taken);
        Extra { attributes, elements }
    }

    /// Children that nobody took, what is left of others, and loose words.
    fn left(&self) -> Vec<Node<'static>> {
        let mut left = vec![];
        for (child, state) in self.element.children.iter().zip(&self.children) {
            match (child, state) {
                (Node::Element(_), Child::Left) => left.push(child.clone().into_owned()),
                (_, Child::Rest(rest)) => left.push(Node::Element(rest.clone())),
                _ => {}
            }
        }
        left.sort_by_cached_key(|node| node.as_element().map_or(usize::MAX, |child| self.rank(&child.name)));
        left.extend(self.stray().map(Node::Stray));
        left
    }

    /// Text between elements: kept as one fragment. Text of an element without typed children is not stray.
    fn stray(&self) -> Option<String> {
        let left = self.element.children.iter().zip(&self.children);
        let texts = left.filter_map(|(child, state)| match (child, state) {
            (Node::Text(text), Child::Left | Child::Rest(_)) if !is_blank(text) => Some(text.as_ref()),
            _ => None,
        });
        let words: Vec<&str> = texts.flat_map(str::split_whitespace).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// What nobody took, as an element of the same name; none when all was taken.
    fn rest(&self) -> Option<Element<'static>> {
        let mut rest = Element { name: Cow::Owned(self.element.name.to_string()), ..Element::default() };
        for (attribute, _) in
            self.element.attributes.iter().zip(&self.attributes).filter(|(_, taken)| !**taken)
        {
            rest.set(attribute.name.to_string(), attribute.value.to_string());
        }
        if let Some((grammar, rule)) = self.rule {
            grammar.sort_attributes(rule, &mut rest);
        }
        rest.children = self.left();
        (!rest.attributes.is_empty() || !rest.children.is_empty()).then_some(rest)
    }
}

fn meant<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    nearest(name, known).map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"))
}

/// Decimal digits with at most a minus sign; no plus sign, which `FromStr` would take.
fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    let text = text.trim();
    if text.starts_with('+') { None } else { text.parse().ok() }
}
