//! Directories that a domain shares with its guest (virtiofs): what they stand in the way of.

use reeve_model::domain::{DomainConfig, Filesystem};
use reeve_model::{Error, ErrorCode};

/// Refuses what would take a guest out of its machine: which files it has open is known to who serves them, and stays there. `done` is what would be
/// done, e.g. `saved`.
pub(in crate::domain) fn refuse_shares(config: &DomainConfig, done: &str) -> Result<(), Error> {
    let shares = |each: &&Filesystem| each.driver.as_deref() == Some("virtiofs");
    let Some(shared) = config.devices.filesystems.iter().find(shares) else { return Ok(()) };
    let message = format!(
        "domain '{}' shares the directory '{}' with its guest, and can't be {done}: what the guest has open there is known to virtiofsd only",
        config.name,
        shared.source.as_deref().unwrap_or_default()
    );
    let hint = format!(
        "shut it down instead ('reeve domain shutdown {}'); without <filesystem target='{}'> its next start can be {done}",
        config.name,
        shared.name()
    );
    Err(Error::new(ErrorCode::Unsupported, message).with_hint(hint))
}
