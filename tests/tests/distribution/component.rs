//! Components that are changed or made by hand.

use anyhow::Context as _;
use reeve_tests::policy;

/// The shipped policy `naming` with another version in its manifest: one of as many letters as `0.1.0`.
pub fn naming(version: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = std::fs::read(policy("naming")?)?;
    let old = b"\"version\":\"0.1.0\"";
    let new = format!("\"version\":\"{version}\"");
    anyhow::ensure!(new.len() == old.len(), "a version of five letters");
    let at = bytes.windows(old.len()).position(|part| part == old).context("naming has version 0.1.0")?;
    bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    Ok(bytes)
}

/// A component of text form.
pub fn of(text: &str) -> anyhow::Result<Vec<u8>> {
    Ok(wat::parse_str(text)?)
}

/// The component with one more manifest in it.
pub fn with_manifest(mut component: Vec<u8>, json: &str) -> Vec<u8> {
    let name = b"reeve.policy";
    let mut section = Vec::new();
    length(name.len(), &mut section);
    section.extend_from_slice(name);
    section.extend_from_slice(json.as_bytes());
    component.push(0);
    length(section.len(), &mut component);
    component.extend(section);
    component
}

/// Unsigned LEB128.
fn length(mut value: usize, to: &mut Vec<u8>) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        to.push(if value == 0 { byte } else { byte | 0x80 });
        if value == 0 {
            return;
        }
    }
}
