//! One device element: what `attach-device` and a policy's `add-device` bring.

use reeve_model::domain::Device;

use crate::audit::{Depth, audit};
use crate::domain::GRAMMAR;
use crate::domain::devices::{read_one, write_one};
use crate::error::{Fault, ParseOptions, Parsed, XmlError, finish};
use crate::grammar::Rule;
use crate::print;
use crate::reader::Reader;
use crate::suggest::nearest;
use crate::tree;
use crate::write::order;

/// Reads one device; warnings are not asked for.
pub fn parse(text: &str) -> Result<Device, XmlError> {
    parse_with(text, &ParseOptions::default()).map(|parsed| parsed.document)
}

/// Reads one device and says what of it has no effect. A root element that is no device is an error.
pub fn parse_with(text: &str, options: &ParseOptions) -> Result<Parsed<Device>, XmlError> {
    let root = tree::document(text)?;
    let placed = |fault| tree::placed(text, &root, fault);
    let rule = rule(&root.name).ok_or_else(|| {
        let meant =
            devices().and_then(|rule| nearest(&root.name, GRAMMAR.children(rule).map(|rule| rule.name)));
        let hint = meant.map_or_else(String::new, |meant| format!("; did you mean <{meant}>?"));
        placed(Fault::new(root.offset, format!("<{}> is not a device{hint}", root.name)))
    })?;
    let device = read_one(&mut Reader::new(&root, Some((&GRAMMAR, rule)))).map_err(placed)?;
    device.check().map_err(|broken| {
        let path = broken.path.strip_prefix("/domain/devices").unwrap_or(&broken.path);
        placed(Fault::new(root.offset_of(path), broken.message))
    })?;
    let path = format!("/{}", root.name);
    let depth = if rule.honoured { Depth::NotHonoured } else { Depth::Unknown };
    let mut warnings = vec![];
    if !rule.honoured {
        warnings.push(crate::audit::not_honoured(text, &root, &path, rule.why));
    }
    warnings.extend(audit(text, &root, &path, (&GRAMMAR, rule), depth));
    finish(device, warnings, options)
}

/// Writes one device in libvirt's layout, with a newline at the end.
pub fn format(device: &Device) -> String {
    let mut element = match write_one(device) {
        Ok(element) => element,
        Err(xml) => return format!("{xml}\n"),
    };
    if let Some(rule) = rule(&element.name) {
        order(&mut element, &GRAMMAR, rule);
    }
    print::document(&element)
}

fn devices() -> Option<&'static Rule> {
    GRAMMAR.root("domain").and_then(|domain| GRAMMAR.child(domain, "devices"))
}

fn rule(name: &str) -> Option<&'static Rule> {
    GRAMMAR.child(devices()?, name).filter(|rule| rule.name != "emulator")
}
