//! `<secret>` documents: what a secret is for. No value is in any of them.

use std::sync::LazyLock;

use reeve_model::secret::{SecretConfig, SecretKind, SecretUsage};
use uuid::Uuid;

use crate::audit::{Depth, audit};
use crate::domain::read_uuid;
use crate::error::{Fault, ParseOptions, Parsed, XmlError};
use crate::grammar::Grammar;
use crate::print;
use crate::reader::Reader;
use crate::tree::{self, Element};
use crate::write::written;

/// What a secret document may contain.
pub(crate) static GRAMMAR: LazyLock<Grammar> =
    LazyLock::new(|| Grammar::new(include_str!("grammar/secret.grammar")));

/// Reads a secret document, and checks it ([`SecretConfig::check`]). A UUID is made when the document has none.
///
/// ```
/// let text = "<secret private='yes'><usage type='volume'><volume>/srv/a.img</volume></usage></secret>";
/// let parsed = reeve_xml::secret::parse(text, &Default::default())?;
/// assert!(parsed.document.private && !parsed.document.ephemeral);
/// assert_eq!(parsed.document.subject(), "/srv/a.img");
/// # Ok::<(), reeve_xml::XmlError>(())
/// ```
pub fn parse(text: &str, options: &ParseOptions) -> Result<Parsed<SecretConfig>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = GRAMMAR.root(&root.name).ok_or_else(|| {
        let message = format!("a secret document starts with <secret>, not <{}>", root.name);
        placed(Fault::new(root.offset, message))
    })?;
    let document = read(&mut Reader::new(&root, Some((&GRAMMAR, rule)))).map_err(placed)?;
    document.check().map_err(|message| placed(Fault::new(root.offset, message)))?;
    let warnings = audit(text, &root, "/secret", (&GRAMMAR, rule), Depth::NotHonoured);
    crate::error::finish(document, warnings, options)
}

/// Writes a secret in libvirt's layout and order. Reading it back gives the same secret.
pub fn format(secret: &SecretConfig) -> String {
    print::document(&written(write(secret), &GRAMMAR))
}

/// As [`format`](fn@format), without the UUID when the document had none.
pub(crate) fn format_as_written(secret: &SecretConfig, had_uuid: bool) -> String {
    let mut root = written(write(secret), &GRAMMAR);
    root.children.retain(|child| had_uuid || child.as_element().is_none_or(|child| child.name != "uuid"));
    print::document(&root)
}

fn read(secret: &mut Reader<'_, '_>) -> Result<SecretConfig, Fault> {
    Ok(SecretConfig {
        ephemeral: secret.either("ephemeral", "yes", "no")?.unwrap_or_default(),
        private: secret.either("private", "yes", "no")?.unwrap_or_default(),
        uuid: secret.one("uuid", read_uuid)?.unwrap_or_else(Uuid::new_v4),
        description: secret
            .one("description", |text| Ok(text.trimmed()))?
            .filter(|description| !description.is_empty()),
        usage: secret.one("usage", read_usage)?.flatten(),
        extra: secret.extra(),
    })
}

/// `type='none'` is no usage.
fn read_usage(usage: &mut Reader<'_, '_>) -> Result<Option<SecretUsage>, Fault> {
    let word = usage.required("type", "volume")?;
    if word == "none" {
        return Ok(None);
    }
    let kind = SecretKind::from_word(&word).ok_or_else(|| {
        let words: Vec<&str> = SecretKind::ALL.iter().map(|(_, word, _)| *word).collect();
        usage.attribute_fault("type", format!("type='{word}' is not one of none, {}", words.join(", ")))
    })?;
    let element = kind.element();
    let id = usage.one(element, |id| Ok(id.trimmed()))?.filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| {
        usage.fault(format!("a secret for '{word}' says for which; add <{element}>…</{element}>"))
    })?;
    Ok(Some(SecretUsage { kind, id }))
}

fn write(secret: &SecretConfig) -> Element<'_> {
    let yes_no = |set| if set { "yes" } else { "no" };
    let usage = secret.usage.as_ref().map(|usage| {
        let id = Element::new(usage.kind.element()).with_text(usage.id.as_str());
        Element::new("usage").with("type", usage.kind.as_str()).one(id)
    });
    Element::new("secret")
        .with("ephemeral", yes_no(secret.ephemeral))
        .with("private", yes_no(secret.private))
        .one(Element::new("uuid").with_text(secret.uuid.to_string()))
        .one_text("description", secret.description.as_ref())
        .one_some(usage)
        .extra(&secret.extra)
}
