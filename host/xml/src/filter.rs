//! `<filter>` documents (guide 18.12). A rule is in force as it is written or it is refused: nothing of it is kept aside.

mod rule;

use std::sync::LazyLock;

use reeve_model::filter::{FilterConfig, FilterEntry, FilterReference, Parameter};
use uuid::Uuid;

use crate::audit::{Depth, audit};
use crate::domain::read_uuid;
use crate::error::{Fault, ParseOptions, Parsed, XmlError};
use crate::grammar::Grammar;
use crate::print;
use crate::reader::Reader;
use crate::tree::{self, Element};

/// What a filter document may contain.
pub(crate) static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::new(include_str!("grammar/nwfilter.grammar")));

/// Reads a filter document.
///
/// A UUID is made when the document has none. Filters that it refers to may be unknown. Rules of a whole filter are checked
/// ([`FilterConfig::check`]).
///
/// ```
/// let text = "<filter name='no-forged-mac'><rule action='drop' direction='out'><mac match='no' srcmacaddr='$MAC'/></rule></filter>";
/// let parsed = reeve_xml::filter::parse(text, &Default::default())?;
/// assert_eq!((parsed.document.chain.as_str(), parsed.document.entries.len()), ("root", 1));
/// # Ok::<(), reeve_xml::XmlError>(())
/// ```
pub fn parse(text: &str, options: &ParseOptions) -> Result<Parsed<FilterConfig>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = GRAMMAR.root(&root.name).filter(|rule| rule.name == "filter").ok_or_else(|| {
        let message = format!("a filter document starts with <filter>, not <{}>", root.name);
        placed(Fault::new(root.offset, message))
    })?;
    let document = read(&mut Reader::new(&root, Some((&GRAMMAR, rule)))).map_err(placed)?;
    document
        .check()
        .map_err(|broken| placed(Fault::new(root.offset_of_violation(&broken.path), broken.message)))?;
    let warnings = audit(text, &root, "/filter", (&GRAMMAR, rule), Depth::NotHonoured);
    crate::error::finish(document, warnings, options)
}

/// Writes a filter in libvirt's layout. Reading it back gives the same filter.
pub fn format(filter: &FilterConfig) -> String {
    print::document(&write(filter))
}

/// As [`format`](fn@format), without the UUID when the document had none.
pub(crate) fn format_as_written(filter: &FilterConfig, had_uuid: bool) -> String {
    let mut root = write(filter);
    root.children.retain(|child| had_uuid || child.as_element().is_none_or(|child| child.name != "uuid"));
    print::document(&root)
}

fn read(filter: &mut Reader<'_, '_>) -> Result<FilterConfig, Fault> {
    Ok(FilterConfig {
        name: filter.required("name", "no-forged-mac")?,
        chain: filter.word("chain").filter(|chain| !chain.is_empty()).unwrap_or_else(|| "root".to_owned()),
        priority: filter.number("priority")?,
        uuid: filter.one("uuid", read_uuid)?.unwrap_or_else(Uuid::new_v4),
        entries: filter.each_that(
            |name| ["filterref", "rule"].contains(&name),
            |entry| {
                Ok(match entry.element.name.as_ref() {
                    "rule" => FilterEntry::Rule(rule::read(entry)?),
                    _ => FilterEntry::Reference(read_reference(entry)?),
                })
            },
        )?,
        extra: filter.extra(),
    })
}

/// References and rules stay as they are ordered: libvirt's order of elements is the document's.
fn write(filter: &FilterConfig) -> Element<'_> {
    let entries = filter.entries.iter().map(|entry| match entry {
        FilterEntry::Reference(reference) => write_reference(reference),
        FilterEntry::Rule(rule) => rule::write(rule),
    });
    Element::new("filter")
        .with("name", &filter.name)
        .with("chain", &filter.chain)
        .with_some("priority", filter.priority.as_ref())
        .one(Element::new("uuid").with_text(filter.uuid.to_string()))
        .each(entries)
        .extra(&filter.extra)
}

/// `<filterref>` of a filter or of an interface of a domain.
pub(crate) fn read_reference(reference: &mut Reader<'_, '_>) -> Result<FilterReference, Fault> {
    let read = FilterReference {
        filter: reference.required("filter", "clean-traffic")?,
        parameters: reference.each("parameter", |parameter| {
            let name = parameter.required("name", "IP")?;
            let value = parameter.word("value").ok_or_else(|| {
                parameter.fault(format!("the parameter '{name}' has no value; add value='…'"))
            })?;
            parameter.nothing_left()?;
            Ok(Parameter { name, value })
        })?,
    };
    reference.nothing_left()?;
    Ok(read)
}

pub(crate) fn write_reference(reference: &FilterReference) -> Element<'_> {
    let parameters = reference.parameters.iter().map(|parameter| {
        Element::new("parameter").with("name", &parameter.name).with("value", &parameter.value)
    });
    Element::new("filterref").with("filter", &reference.filter).each(parameters)
}
