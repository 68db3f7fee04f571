//! Which virtiofsd there is, and how it is told what to do.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reeve_sys::process::Run;

use super::Share;

/// Where distributions have it; the one in Rust first, for only that is still worked on.
const PLACES: [&str; 4] = [
    "/usr/libexec/virtiofsd",
    "/usr/lib/virtiofsd",
    "/usr/lib/qemu/virtiofsd",
    "/usr/local/libexec/virtiofsd",
];
/// How long it may take to say what it can.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_HELP: usize = 64 << 10;
/// The descriptor of the listening socket, the first that a program is given.
const SOCKET: &str = "--fd=3";

/// The program of a document, of the configuration, or of this host. It runs as root, and documents are written by more than this host's
/// operator (policies rewrite them): they choose among what distributions have and what the configuration names.
pub(super) fn find(own: Option<&Path>, setting: Option<&Path>) -> Result<PathBuf, String> {
    let known = |own: &Path| PLACES.iter().map(Path::new).chain(setting).any(|known| known == own);
    if let Some(other) = own.filter(|own| !known(own)) {
        return Err(format!(
            "'{}' may not serve it: <binary path='…'/> is one of {}, or what the configuration of this host says in workers.virtiofsd",
            other.display(),
            PLACES.join(", ")
        ));
    }
    if let Some(named) = own.or(setting) {
        let missing = || format!("what is to serve it, '{}', is not there", named.display());
        return named.is_file().then(|| named.to_owned()).ok_or_else(missing);
    }
    let found = PLACES.iter().map(Path::new).find(|place| place.is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        "this host has no virtiofsd to serve it: install the package virtiofsd (on Debian 12 qemu-system-common), or name one in workers.virtiofsd"
            .to_owned()
    })
}

/// The options that a virtiofsd knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// That of QEMU until 7.2, in C.
    Qemu,
    /// The one in Rust.
    Rust,
}

impl Dialect {
    /// Asks a program.
    pub fn of(program: &Path) -> Result<Self, String> {
        let run = Run {
            path: program,
            args: vec![OsStr::new("--help")],
            input: &[],
            deadline: PATIENCE,
            output_limit: MOST_HELP,
        };
        let said =
            run.finish().map_err(|error| format!("'{}' can't be asked: {error}", program.display()))?;
        let text = [said.stdout, said.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        match (text.contains("--shared-dir"), text.contains("source=PATH")) {
            (true, _) => Ok(Self::Rust),
            (false, true) => Ok(Self::Qemu),
            (false, false) => Err(format!("'{}' is no virtiofsd that is known here", program.display())),
        }
    }

    /// Arguments to serve a directory at the socket it is given.
    pub fn arguments(self, share: &Share, source: &Path) -> Vec<OsString> {
        let threads = share.threads.map(|count| format!("--thread-pool-size={count}").into());
        let mut arguments: Vec<OsString> = vec![SOCKET.into()];
        match self {
            Self::Qemu => {
                let mut options = OsString::from("source=");
                options.push(escaped(source));
                let xattr = if share.xattr { "xattr" } else { "no_xattr" };
                options
                    .push(format!(",cache={},sandbox={},{xattr},log_level=warn", share.cache, share.sandbox));
                arguments.extend(["-f".into(), "-o".into(), options]);
            }
            Self::Rust => {
                let cache = if share.cache == "none" { "never" } else { &share.cache };
                arguments.extend(["--shared-dir".into(), source.into()]);
                arguments.extend([
                    format!("--cache={cache}").into(),
                    format!("--sandbox={}", share.sandbox).into(),
                ]);
                arguments.extend(share.xattr.then(|| "--xattr".into()));
            }
        }
        arguments.extend(threads);
        arguments
    }
}

/// A path among options with commas between them.
fn escaped(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let special = |byte: &u8| matches!(byte, b',' | b'\\');
    let bytes = path.as_os_str().as_bytes().iter();
    let escaped = bytes.flat_map(|byte| special(byte).then_some(b'\\').into_iter().chain([*byte]));
    OsString::from_vec(escaped.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> Share {
        Share {
            alias: "fs0".into(),
            tag: "t".into(),
            source: "/a,b".into(),
            program: None,
            readonly: false,
            xattr: true,
            cache: "none".into(),
            sandbox: "chroot".into(),
            threads: Some(4),
        }
    }

    #[test]
    fn each_program_is_spoken_to_in_its_own_words() {
        let words = |dialect: Dialect| {
            let arguments = dialect.arguments(&share(), Path::new("/a,b"));
            arguments
                .into_iter()
                .map(|argument| argument.into_string().unwrap())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            words(Dialect::Qemu),
            r"--fd=3 -f -o source=/a\,b,cache=none,sandbox=chroot,xattr,log_level=warn --thread-pool-size=4"
        );
        assert_eq!(
            words(Dialect::Rust),
            "--fd=3 --shared-dir /a,b --cache=never --sandbox=chroot --xattr --thread-pool-size=4"
        );
    }

    #[test]
    fn a_program_is_told_by_what_it_says_of_itself() {
        let dir = tempfile::tempdir().unwrap();
        let told = |text: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = dir.path().join("virtiofsd");
            std::fs::write(&path, format!("#!/bin/sh\necho '{text}'\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            Dialect::of(&path)
        };
        assert_eq!(told("      --shared-dir <SHARED_DIR>"), Ok(Dialect::Rust));
        assert_eq!(told("    -o source=PATH   shared directory tree"), Ok(Dialect::Qemu));
        assert!(told("usage: true").unwrap_err().contains("is no virtiofsd"));
        let (none, own) = (dir.path().join("none"), dir.path().join("virtiofsd"));
        for missing in [find(None, Some(&none)), find(Some(&none), Some(&none))] {
            assert!(missing.as_ref().is_err_and(|why| why.contains("is not there")), "{missing:?}");
        }
        assert_eq!(find(None, Some(&own)), Ok(own.clone()));
        assert_eq!(find(Some(&own), Some(&own)), Ok(own.clone()));
        let not_the_operators = find(Some(&own), None).unwrap_err();
        assert!(not_the_operators.contains("may not serve it"), "{not_the_operators}");
    }
}
