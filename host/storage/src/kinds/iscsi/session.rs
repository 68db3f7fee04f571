//! Targets that a server offers, sessions with one, and the units that a session has: what `iscsiadm` prints and the kernel shows.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::kinds::units::{Unit, address_of, at, names};

const SESSIONS: &str = "/sys/class/iscsi_session";
/// The most targets of one server, and units of one target, that are looked at.
const MOST: usize = 4096;

/// Names of the targets in what a discovery prints: `portal,group name`, a line each.
pub(super) fn discovered(printed: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(printed);
    let names = text.lines().filter_map(|line| line.split_whitespace().nth(1)).take(MOST);
    let mut names: Vec<String> = names.filter(|name| is_target(name)).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// RFC 7143: what a target may be called.
fn is_target(name: &str) -> bool {
    let is_legal = |letter: char| letter.is_alphanumeric() || "-.:".contains(letter);
    (1..=223).contains(&name.len()) && name.chars().all(is_legal)
}

/// Numbers of the sessions with a target.
pub(super) fn of(target: &str) -> io::Result<Vec<u32>> {
    let entries = match std::fs::read_dir(SESSIONS) {
        // No initiator was ever loaded.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let number: Option<u32> =
            entry.file_name().to_str().and_then(|name| name.strip_prefix("session")?.parse().ok());
        let name = std::fs::read_to_string(entry.path().join("targetname")).unwrap_or_default();
        if name.trim() == target {
            found.extend(number);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The units of a session.
pub(super) fn units(session: u32) -> io::Result<Vec<Unit>> {
    let session = Path::new(SESSIONS).join(format!("session{session}/device"));
    let mut found = Vec::new();
    for target in names(&session)?.into_iter().filter(|name| name.starts_with("target")) {
        let target = session.join(target);
        for name in names(&target)? {
            let Some((_, address)) = address_of(&name) else { continue };
            found.extend(at(&target.join(name), address)?);
        }
    }
    found.sort();
    found.truncate(MOST);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn targets_are_found_in_what_a_discovery_prints() {
        let printed = b"127.0.0.1:3260,1 iqn.2010-05.com.example:a\n[::1]:3260,1 iqn.2010-05.com.example:a\n\
                        127.0.0.1:3260,1 iqn.2010-05.com.example:b\nnonsense\n1 $(reboot)\n";
        assert_eq!(discovered(printed), ["iqn.2010-05.com.example:a", "iqn.2010-05.com.example:b"]);
        assert_eq!(discovered(b""), Vec::<String>::new());
    }

    #[test]
    fn a_target_nobody_logged_in_to_has_no_session() {
        assert_eq!(of("iqn.2010-05.com.example:nobody").unwrap(), Vec::<u32>::new());
        assert_eq!(units(u32::MAX).unwrap(), []);
    }

    proptest! {
        #[test]
        fn whatever_is_printed_gives_names_of_targets_only(printed in proptest::collection::vec(any::<u8>(), 0..512)) {
            prop_assert!(discovered(&printed).iter().all(|name| is_target(name)));
        }
    }
}
