//! `reeve xml check`: any libvirt document, without a daemon.

use crate::audit::{Depth, audit};
use crate::error::{Fault, ParseOptions, Warning, XmlError};
use crate::kind::Kind;
use crate::suggest::nearest;
use crate::{domain, filter, host_interface, network, pool, print, secret, tree, volume};

/// A document that was found to be good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it describes.
    pub kind: Kind,
    /// The same document in libvirt's layout. A typed one (domain, network, filter, pool, volume, secret, host interface) also gets libvirt's order,
    /// units and defaults, and loses comments between typed elements; a UUID that it lacks is not made up.
    pub canonical: String,
    /// What has no effect, in document order.
    pub warnings: Vec<Warning>,
}

/// Reads a document of a kind, or of the kind that its root element tells.
pub fn check(text: &str, kind: Option<Kind>) -> Result<Checked, XmlError> {
    let root = tree::document(text)?;
    let refuse = |message| Err(tree::placed(text, &root, Fault::new(root.offset, message)));
    let kind = match (kind, Kind::of_root(&root.name)) {
        (Some(asked), _) if asked.roots().contains(&root.name.as_ref()) => asked,
        (Some(asked), _) => {
            let roots = asked.roots().join("> or <");
            return refuse(format!("a {asked} document starts with <{roots}>, not <{}>", root.name));
        }
        (None, Some(found)) => found,
        (None, None) => {
            let roots = Kind::ALL.iter().flat_map(|kind| kind.roots()).copied();
            let hint = nearest(&root.name, roots)
                .map_or_else(String::new, |meant| format!("; did you mean <{meant}>?"));
            return refuse(format!("<{}> starts no kind of libvirt document{hint}", root.name));
        }
    };
    let had_uuid = root.elements().any(|child| child.name == "uuid");
    let options = ParseOptions::default();
    let typed = match kind {
        Kind::Domain => {
            let parsed = domain::parse(text, &options)?;
            Some((domain::format_as_written(&parsed.document, had_uuid), parsed.warnings))
        }
        Kind::Network => {
            let parsed = network::parse(text, &options)?;
            Some((network::format_as_written(&parsed.document, had_uuid), parsed.warnings))
        }
        Kind::Filter => {
            let parsed = filter::parse(text, &options)?;
            Some((filter::format_as_written(&parsed.document, had_uuid), parsed.warnings))
        }
        Kind::Pool => {
            let parsed = pool::parse(text, &options)?;
            Some((pool::format_as_written(&parsed.document, had_uuid), parsed.warnings))
        }
        Kind::Volume => {
            let parsed = volume::parse(text, &options)?;
            Some((volume::format(&parsed.document), parsed.warnings))
        }
        Kind::Interface => {
            let parsed = host_interface::parse(text, &options)?;
            Some((host_interface::format(&parsed.document), parsed.warnings))
        }
        Kind::Secret => {
            let parsed = secret::parse(text, &options)?;
            Some((secret::format_as_written(&parsed.document, had_uuid), parsed.warnings))
        }
        _ => None,
    };
    if let Some((canonical, warnings)) = typed {
        return Ok(Checked { kind, canonical, warnings });
    }
    let path = format!("/{}", root.name);
    let rules = kind.grammar().and_then(|grammar| grammar.root(&root.name).map(|rule| (grammar, rule)));
    let warnings = rules.map(|rules| audit(text, &root, &path, rules, Depth::Unknown)).unwrap_or_default();
    Ok(Checked { kind, canonical: print::document(&root), warnings })
}

/// The text of a file; the error of one that is not UTF-8 says where.
pub fn decode(bytes: &[u8]) -> Result<&str, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let (line, column) = tree::position(&valid, valid.len());
        let message = "the document is not UTF-8 from here on; convert it".to_owned();
        XmlError { line, column, path: "/".to_owned(), message }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
