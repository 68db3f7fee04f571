//! The reference of the contract says what the contract says.

use std::path::Path;

use anyhow::Result;

use super::Finding;
use crate::reference;

/// Compares wit/REFERENCE.md with what would be written now.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    if !root.join("wit").is_dir() {
        return Ok(Vec::new());
    }
    let present = std::fs::read_to_string(root.join(reference::PAGE)).unwrap_or_default();
    let is_current = present == reference::page(root)?;
    let stale =
        || Finding::error(format!("{} is out of date; 'cargo xtask reference' writes it", reference::PAGE));
    Ok(if is_current { Vec::new() } else { vec![stale()] })
}
