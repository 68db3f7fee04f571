//! Components that are changed or made by hand.

use anyhow::Context as _;
use reeve_package::manifest::SECTION;
use reeve_package::section;
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
    section::append(&mut component, SECTION, json.as_bytes());
    component
}
