//! The sniffer as a process of its own: started by the daemon, locked in before it reads the first frame, and gone with the daemon.
//!
//! ```text
//!   reeve sniffer [UID GID]     descriptor 3 leads to the daemon
//! ```

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use reeve_filter::SnifferProgram;
use reeve_filter::learning::sniffer;
use reeve_sys::process::inherited;

use crate::config::Config;

/// The word that makes this binary a sniffer.
pub const WORD: &str = "sniffer";

/// How the daemon starts it: as the user of workers, where it can.
pub fn program(config: &Config) -> SnifferProgram {
    let mut args: Vec<OsString> = vec![WORD.into()];
    if rustix::process::geteuid().is_root() {
        args.extend([config.workers.uid, config.workers.gid].map(|id| id.to_string().into()));
    }
    // This very binary, even when the file was replaced by an upgrade since.
    SnifferProgram { path: "/proc/self/exe".into(), args }
}

/// Runs until the daemon ends.
pub fn main() -> ExitCode {
    let user: Vec<OsString> = std::env::args_os().skip(2).collect();
    match user_of(&user).and_then(|user| {
        let control = inherited(3).context("no daemon started this process")?;
        Ok(sniffer::run(control, user)?)
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is no other place to say it, and nobody to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "reeve sniffer: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn user_of(words: &[OsString]) -> anyhow::Result<Option<(u32, u32)>> {
    let id = |word: &OsString| word.to_str().and_then(|word| word.parse::<u32>().ok());
    match words {
        [] => Ok(None),
        [uid, gid] => id(uid).zip(id(gid)).map(Some).context("user and group must be numbers"),
        _ => anyhow::bail!("it takes a user and a group, or nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_two_numbers_or_nobody() {
        let user = |words: &[&str]| user_of(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(user(&[]).unwrap(), None);
        assert_eq!(user(&["65534", "65533"]).unwrap(), Some((65534, 65533)));
        for wrong in [&["65534"][..], &["nobody", "1"], &["1", "-1"], &["1", "2", "3"]] {
            assert!(user(wrong).is_err(), "{wrong:?}");
        }
    }
}
