//! `<pool>` documents (guide ch. 12, 14.11), and the `<source>` that pools are looked for with.

mod source;
pub(crate) mod target;

use std::sync::LazyLock;

use reeve_model::storage::{PoolConfig, PoolKind, PoolSource, PoolTarget};
use uuid::Uuid;

use crate::audit::{Depth, audit, not_honoured};
use crate::domain::read_uuid;
use crate::error::{Fault, ParseOptions, Parsed, XmlError};
use crate::grammar::Grammar;
use crate::print;
use crate::reader::Reader;
use crate::tree::{self, Element};
use crate::write::written;

/// What a pool document may contain.
pub(crate) static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::new(include_str!("grammar/pool.grammar")));

/// Reads a pool document, and checks it ([`PoolConfig::check`]). A UUID is made when the document has none.
///
/// ```
/// let text = "<pool type='dir'><name>images</name><target><path>/srv/images</path></target></pool>";
/// let parsed = reeve_xml::pool::parse(text, &Default::default())?;
/// assert_eq!(parsed.document.target.path.as_deref(), Some("/srv/images"));
/// # Ok::<(), reeve_xml::XmlError>(())
/// ```
pub fn parse(text: &str, options: &ParseOptions) -> Result<Parsed<PoolConfig>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = GRAMMAR.root(&root.name).filter(|rule| rule.name == "pool").ok_or_else(|| {
        let message = format!("a pool document starts with <pool>, not <{}>", root.name);
        placed(Fault::new(root.offset, message))
    })?;
    let document = read(&mut Reader::new(&root, Some((&GRAMMAR, rule)))).map_err(placed)?;
    document
        .check()
        .map_err(|broken| placed(Fault::new(root.offset_of_violation(&broken.path), broken.message)))?;
    let mut warnings = audit(text, &root, "/pool", (&GRAMMAR, rule), Depth::NotHonoured);
    // Only who logs in somewhere proves who it is.
    if document.kind != PoolKind::Iscsi {
        let sources = root.elements().filter(|child| child.name == "source");
        let auths = sources.flat_map(|source| source.elements().filter(|child| child.name == "auth"));
        warnings.extend(auths.map(|auth| not_honoured(text, auth, "/pool/source/auth", None)));
    }
    crate::error::finish(document, warnings, options)
}

/// Writes a pool in libvirt's layout and order. Reading it back gives the same pool.
pub fn format(pool: &PoolConfig) -> String {
    print::document(&written(write(pool), &GRAMMAR))
}

/// As [`format`](fn@format), without the UUID when the document had none.
pub(crate) fn format_as_written(pool: &PoolConfig, had_uuid: bool) -> String {
    let mut root = written(write(pool), &GRAMMAR);
    root.children.retain(|child| had_uuid || child.as_element().is_none_or(|child| child.name != "uuid"));
    print::document(&root)
}

/// Reads a `<source>` that says where pools are to be looked for (guide 14.11.1).
pub fn parse_source(text: &str) -> Result<PoolSource, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    if root.name != "source" {
        let message = format!("a source to look for pools with starts with <source>, not <{}>", root.name);
        return Err(placed(Fault::new(root.offset, message)));
    }
    let rule = GRAMMAR.root("sources").and_then(|rule| GRAMMAR.child(rule, "source"));
    source::read(&mut Reader::new(&root, rule.map(|rule| (&*GRAMMAR, rule)))).map_err(placed)
}

/// Writes `<sources>`: what pools could be made of.
pub fn format_sources(sources: &[PoolSource]) -> String {
    let root = Element::new("sources").each(sources.iter().map(source::write));
    print::document(&written(root, &GRAMMAR))
}

fn read(pool: &mut Reader<'_, '_>) -> Result<PoolConfig, Fault> {
    let word = pool.required("type", "dir")?;
    let kind = PoolKind::from_word(&word).ok_or_else(|| {
        let words: Vec<&str> = PoolKind::ALL.iter().map(|(_, word)| *word).collect();
        pool.attribute_fault("type", format!("type='{word}' is not one of {}", words.join(", ")))
    })?;
    let source = pool.one("source", source::read)?.unwrap_or_default();
    let name = pool.one("name", |name| Ok(name.trimmed()))?.or_else(|| source.name.clone());
    Ok(PoolConfig {
        kind,
        // libvirt takes the name of the source for one that is missing.
        name: name.ok_or_else(|| pool.fault("the pool has no name; add <name>…</name>"))?,
        uuid: pool.one("uuid", read_uuid)?.unwrap_or_else(Uuid::new_v4),
        capacity: pool.one("capacity", target::read_size)?,
        allocation: pool.one("allocation", target::read_size)?,
        available: pool.one("available", target::read_size)?,
        cow: pool
            .one("features", |features| features.one("cow", |cow| cow.either("state", "yes", "no")))?
            .flatten()
            .flatten(),
        source,
        target: pool.one("target", read_target)?.unwrap_or_default(),
        extra: pool.extra(),
    })
}

fn read_target(pool: &mut Reader<'_, '_>) -> Result<PoolTarget, Fault> {
    Ok(PoolTarget {
        path: pool.one("path", |path| Ok(path.trimmed()))?.filter(|path| !path.is_empty()),
        permissions: pool.one("permissions", target::read_permissions)?,
        encryption: pool.one("encryption", target::read_encryption)?,
        extra: pool.extra(),
    })
}

fn write(pool: &PoolConfig) -> Element<'_> {
    let cow = Element::new("cow").with_choice("state", pool.cow);
    Element::new("pool")
        .with("type", pool.kind.as_str())
        .one_text("name", Some(&pool.name))
        .one(Element::new("uuid").with_text(pool.uuid.to_string()))
        .one_some(target::write_size("capacity", pool.capacity))
        .one_some(target::write_size("allocation", pool.allocation))
        .one_some(target::write_size("available", pool.available))
        .one_unless_empty(Element::new("features").one_unless_empty(cow))
        .one_unless_empty(source::write(&pool.source))
        .one_unless_empty(write_target(&pool.target))
        .extra(&pool.extra)
}

fn write_target(pool: &PoolTarget) -> Element<'_> {
    Element::new("target")
        .one_text("path", pool.path.as_ref())
        .one_some(pool.permissions.as_ref().map(target::write_permissions))
        .one_some(pool.encryption.as_ref().map(target::write_encryption))
        .extra(&pool.extra)
}
