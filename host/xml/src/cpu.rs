//! `<cpu>` elements wherever they stand: alone, several of them, in a domain, in the capabilities of a host (guide 14.16).

use reeve_model::domain::CpuConfig;

use crate::domain::cpu;
use crate::error::XmlError;
use crate::print;
use crate::reader::Reader;
use crate::tree::{self, Element};

/// Every `<cpu>` of a text, in order. The text may be a document, or several elements without one around them.
pub fn parse_all(text: &str) -> Result<Vec<CpuConfig>, XmlError> {
    let body = text.trim_start();
    let body = match body.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        Some((_, rest)) => rest,
        None => body,
    };
    let whole = format!("<cpus>{body}</cpus>");
    let root = tree::document(&whole)?;
    let mut found = Vec::new();
    collect(&root, &mut found);
    let read = |element: &Element<'_>| {
        cpu::read(&mut Reader::new(element, None)).map_err(|fault| tree::placed(&whole, &root, fault))
    };
    found.into_iter().map(read).collect()
}

fn collect<'e, 't>(element: &'e Element<'t>, found: &mut Vec<&'e Element<'t>>) {
    for child in element.elements() {
        // A cell of a NUMA node has CPUs too, but those are numbered.
        match child.name == "cpu" && child.attribute("id").is_none() {
            true => found.push(child),
            false => collect(child, found),
        }
    }
}

/// Writes one, with a newline at the end.
pub fn format(cpu: &CpuConfig) -> String {
    print::document(&cpu::write(cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_found_wherever_they_stand() {
        let one = "<cpu><arch>i686</arch><model>pentium3</model><feature name='lm'/></cpu>";
        for (text, count) in [
            (one.to_owned(), 1),
            (format!("{one}\n{one}"), 2),
            (
                format!(
                    "<?xml version='1.0'?><capabilities><host>{one}<topology><cpu id='0'/></topology></host></capabilities>"
                ),
                1,
            ),
            ("<domain/>".to_owned(), 0),
        ] {
            let found = parse_all(&text).expect("readable");
            assert_eq!(found.len(), count, "{text}");
            assert!(
                found.iter().all(|cpu| cpu.model.as_deref() == Some("pentium3") && cpu.features.len() == 1)
            );
        }
        assert!(parse_all("<cpu>").is_err());
    }
}
