//! One grant: `verb key=value…`, e.g. `domain:read name=web-*` or `kv:use max-bytes=64KiB`.
//!
//! The verbs are those of the model's table; each takes the keys listed here and no others. Globs know `*` (any text) and `?`
//! (one character). A path glob covers everything below what it names: `devices.disks` covers `devices.disks[vda].driver.cache`,
//! and `devices.disks.*.driver.cache` covers the cache mode of every disk. Volumes are granted by the name of their pool; `max-bytes`
//! beside it bounds what the volumes of that pool may have together: `volume:create name=scratch max-bytes=10GiB`.

use reeve_model::{Bytes, Verb};

use crate::suggest::closest;

/// A parsed grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What is allowed.
    pub verb: Verb,
    /// To whom or what.
    pub scope: Scope,
}

/// What a grant is limited to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The whole host.
    Host,
    /// Domains, networks, pools… whose name matches this glob.
    Name(String),
    /// Pools whose name matches the glob, while their volumes together have so many bytes at most.
    Quota(String, u64),
    /// Document paths that match this glob, and everything below them.
    Path(String),
    /// At most so many bytes.
    MaxBytes(u64),
    /// Files below this directory of the host: an absolute path without `.`, `..` and a slash at its end.
    Directory(String),
}

/// What is wrong with the text of a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Nothing there.
    #[error("a grant is empty: it reads 'verb key=value…'")]
    Empty,
    /// No such verb.
    #[error("unknown grant '{word}'{}", .closest.map_or_else(String::new, |verb| format!(", did you mean '{verb}'?")))]
    Verb {
        /// What was written.
        word: String,
        /// The verb that looks most like it.
        closest: Option<Verb>,
    },
    /// The verb has no such key.
    #[error("grant '{verb}' has no key '{key}'{}", known_keys(*.verb))]
    Key {
        /// The verb.
        verb: Verb,
        /// What was written.
        key: String,
    },
    /// A word that is not key=value, or a key twice.
    #[error("grant '{verb}': '{word}' is not one 'key=value'")]
    Word {
        /// The verb.
        verb: Verb,
        /// What was written.
        word: String,
    },
    /// A directory that is none.
    #[error("grant '{verb}': '{value}' is no absolute path without '.' and '..'")]
    Directory {
        /// The verb.
        verb: Verb,
        /// What was written.
        value: String,
    },
    /// Which directory is not said.
    #[error("grant '{verb}' needs a directory, write '{verb} path=/…'")]
    NoDirectory {
        /// The verb.
        verb: Verb,
    },
    /// The value does not fit the key.
    #[error("grant '{verb}': '{value}' is no size, write e.g. 64KiB")]
    Size {
        /// The verb.
        verb: Verb,
        /// What was written.
        value: String,
    },
}

/// Quota of a `kv:use` grant that names none.
pub const KV_QUOTA: u64 = 64 * 1024;

fn keys_of(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::VolumeCreate | Verb::VolumeChange => &["name", "max-bytes"],
        Verb::DomainRead
        | Verb::DomainDefine
        | Verb::DomainUndefine
        | Verb::DomainStart
        | Verb::DomainShutdown
        | Verb::DomainDestroy
        | Verb::DomainSave
        | Verb::DomainSnapshot
        | Verb::DomainSuspend
        | Verb::DomainMigrate
        | Verb::DomainConfigure
        | Verb::DomainDevice
        | Verb::DomainConsole
        | Verb::DomainAgent
        | Verb::NetworkRead
        | Verb::NetworkDefine
        | Verb::NetworkUndefine
        | Verb::NetworkStart
        | Verb::NetworkDestroy
        | Verb::NetworkUpdate
        | Verb::FilterRead
        | Verb::FilterDefine
        | Verb::FilterUndefine
        | Verb::PoolRead
        | Verb::PoolDefine
        | Verb::PoolUndefine
        | Verb::PoolBuild
        | Verb::PoolStart
        | Verb::PoolDestroy
        | Verb::PoolDelete
        | Verb::VolumeRead
        | Verb::VolumeDelete
        | Verb::VolumeDownload
        | Verb::SecretRead
        | Verb::SecretDefine
        | Verb::SecretUndefine
        | Verb::SecretSet
        | Verb::SecretReveal => &["name"],
        Verb::DomainRewrite | Verb::VolumeRewrite | Verb::FsRead | Verb::FsWrite => &["path"],
        Verb::KvUse => &["max-bytes"],
        Verb::NodeRead
        | Verb::KsmWrite
        | Verb::NodeSuspend
        | Verb::InterfaceRead
        | Verb::InterfaceWrite
        | Verb::EventsRead
        | Verb::PolicyRead
        | Verb::PolicyAdmin
        | Verb::WasiClocks
        | Verb::WasiRandom
        | Verb::WasiCli => &[],
    }
}

fn known_keys(verb: Verb) -> String {
    match keys_of(verb) {
        [] => ", it takes none".to_owned(),
        [key] => format!(", did you mean '{key}'?"),
        keys => format!(", it takes {}", keys.join(" and ")),
    }
}

impl Grant {
    /// Reads a grant. A verb without its key means every subject (or, for `kv:use`, 64 KiB); `fs:read` and `fs:write` must say
    /// which directory.
    pub fn parse(text: &str) -> Result<Self, GrantError> {
        let mut words = text.split_whitespace();
        let word = words.next().ok_or(GrantError::Empty)?;
        let verb = Verb::parse(word).ok_or_else(|| GrantError::Verb {
            word: word.to_owned(),
            closest: closest(word, Verb::ALL.iter().map(|verb| verb.as_str())).and_then(Verb::parse),
        })?;
        let mut scope = None;
        let mut seen = Vec::new();
        for word in words {
            let (key, value) = word
                .split_once('=')
                .filter(|(key, value)| !value.is_empty() && !seen.contains(key))
                .ok_or_else(|| GrantError::Word { verb, word: word.to_owned() })?;
            if !keys_of(verb).contains(&key) {
                return Err(GrantError::Key { verb, key: key.to_owned() });
            }
            seen.push(key);
            scope = Some(match key {
                "name" => match scope {
                    Some(Scope::Quota(_, most)) => Scope::Quota(value.to_owned(), most),
                    _ => Scope::Name(value.to_owned()),
                },
                "path" if matches!(verb, Verb::FsRead | Verb::FsWrite) => {
                    let directory = directory(value)
                        .ok_or_else(|| GrantError::Directory { verb, value: value.to_owned() })?;
                    Scope::Directory(directory)
                }
                "path" => Scope::Path(segments(value)),
                _ => {
                    let most = parse_size(value)
                        .ok_or_else(|| GrantError::Size { verb, value: value.to_owned() })?;
                    match scope {
                        Some(Scope::Name(name)) => Scope::Quota(name, most),
                        _ if verb == Verb::KvUse => Scope::MaxBytes(most),
                        _ => Scope::Quota("*".to_owned(), most),
                    }
                }
            });
        }
        match scope {
            Some(scope) => Ok(Self { verb, scope }),
            None if matches!(verb, Verb::FsRead | Verb::FsWrite) => Err(GrantError::NoDirectory { verb }),
            None => Ok(Self { verb, scope: Self::widest(verb) }),
        }
    }

    fn widest(verb: Verb) -> Scope {
        match keys_of(verb).first() {
            Some(&"name") => Scope::Name("*".to_owned()),
            Some(&"path") => Scope::Path("*".to_owned()),
            Some(_) => Scope::MaxBytes(KV_QUOTA),
            None => Scope::Host,
        }
    }

    /// True when it allows `verb` on `subject`.
    pub fn covers(&self, verb: Verb, subject: &str) -> bool {
        self.verb == verb
            && match &self.scope {
                Scope::Host | Scope::MaxBytes(_) => true,
                Scope::Name(glob) | Scope::Quota(glob, _) => matches(glob, subject),
                Scope::Path(glob) => covers_path(glob, &segments(subject)),
                Scope::Directory(directory) => is_below(directory, subject),
            }
    }
}

impl Grant {
    /// True when it allows everything that `other` allows.
    pub fn includes(&self, other: &Self) -> bool {
        // A star in the narrower glob stands for any text, so a question mark of the wider one must not match it.
        let within = |wide: &str, narrow: &str| {
            wide == narrow || (!(wide.contains('?') && narrow.contains('*')) && matches(wide, narrow))
        };
        self.verb == other.verb
            && match (&self.scope, &other.scope) {
                (Scope::Host, Scope::Host) => true,
                (Scope::Name(wide), Scope::Name(narrow) | Scope::Quota(narrow, _)) => within(wide, narrow),
                (Scope::Quota(wide, most), Scope::Quota(narrow, bytes)) => {
                    most >= bytes && within(wide, narrow)
                }
                (Scope::Path(wide), Scope::Path(narrow)) => {
                    within(wide, narrow)
                        || narrow.match_indices('.').any(|(end, _)| within(wide, &narrow[..end]))
                }
                (Scope::MaxBytes(most), Scope::MaxBytes(bytes)) => most >= bytes,
                (Scope::Directory(wide), Scope::Directory(narrow)) => is_below(wide, narrow),
                _ => false,
            }
    }
}

/// A path with its selectors as segments: `devices.disks[vda].cache` is `devices.disks.vda.cache`.
fn segments(path: &str) -> String {
    path.replace('[', ".").replace(']', "")
}

/// A directory as it is kept in a grant.
fn directory(text: &str) -> Option<String> {
    let mut parts = text.strip_prefix('/')?.split('/').filter(|part| !part.is_empty()).peekable();
    let mut path = String::new();
    if parts.peek().is_none() {
        return Some("/".to_owned());
    }
    for part in parts {
        if matches!(part, "." | "..") {
            return None;
        }
        path.push('/');
        path.push_str(part);
    }
    Some(path)
}

/// True for a directory itself and for what is in it, at any depth.
pub fn is_below(directory: &str, path: &str) -> bool {
    let rest = path.strip_prefix(directory);
    directory == "/" && path.starts_with('/')
        || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn covers_path(glob: &str, path: &str) -> bool {
    matches(glob, path) || path.match_indices('.').any(|(end, _)| matches(glob, &path[..end]))
}

/// True when a glob (`*` any text, `?` one character) matches all of a text. Never goes back further than the last star.
pub fn matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if g < glob.len() && glob[g] == b'*' {
            star = Some((g, t));
            g += 1;
        } else if g < glob.len() && (glob[g] == b'?' || glob[g] == text[t]) {
            g += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            g = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|&byte| byte == b'*')
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "B" => 1,
        "KiB" | "K" | "k" => Bytes::kib(1).0,
        "MiB" | "M" => Bytes::mib(1).0,
        "GiB" | "G" => Bytes::gib(1).0,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(grant: &str, verb: Verb, subject: &str) -> bool {
        Grant::parse(grant).unwrap().covers(verb, subject)
    }

    #[test]
    fn names_and_paths() {
        assert!(covers("domain:read name=web-*", Verb::DomainRead, "web-1"));
        assert!(!covers("domain:read name=web-*", Verb::DomainRead, "db"));
        assert!(!covers("domain:read name=web-*", Verb::DomainStart, "web-1"));
        assert!(covers("domain:read", Verb::DomainRead, "any"));
        let cache = "devices.disks[vda].driver.cache";
        for grant in
            ["*", "devices", "devices.disks", "devices.disks.*", "devices.disks.*.driver.cache", cache]
        {
            assert!(covers(&format!("domain:rewrite path={grant}"), Verb::DomainRewrite, cache), "{grant}");
        }
        for grant in ["dev", "devices.disk", "devices.disks.*.driver.io", "memory", "devices.disks[vdb]"] {
            assert!(!covers(&format!("domain:rewrite path={grant}"), Verb::DomainRewrite, cache), "{grant}");
        }
    }

    #[test]
    fn a_wider_grant_includes_a_narrower_one() {
        let includes =
            |wide: &str, narrow: &str| Grant::parse(wide).unwrap().includes(&Grant::parse(narrow).unwrap());
        for (wide, narrow) in [
            ("domain:read", "domain:read name=web-*"),
            ("domain:read name=web-*", "domain:read name=web-1*"),
            ("domain:read name=web-?", "domain:read name=web-1"),
            ("domain:rewrite path=devices", "domain:rewrite path=devices.disks.*"),
            ("domain:rewrite path=devices.*", "domain:rewrite path=devices.disks"),
            ("kv:use max-bytes=1MiB", "kv:use"),
            ("node:read", "node:read"),
            ("fs:read path=/", "fs:read path=/srv"),
            ("volume:create", "volume:create name=a max-bytes=1GiB"),
            ("volume:create max-bytes=2GiB", "volume:create name=a max-bytes=1GiB"),
            ("fs:write path=/srv/", "fs:write path=/srv/images"),
        ] {
            assert!(includes(wide, narrow), "{wide} / {narrow}");
        }
        for (wide, narrow) in [
            ("domain:read name=web-*", "domain:read"),
            ("domain:read name=web-?", "domain:read name=web-*"),
            ("domain:read", "domain:start"),
            ("volume:create name=a max-bytes=1GiB", "volume:create name=a"),
            ("volume:create name=a max-bytes=1GiB", "volume:create name=a max-bytes=2GiB"),
            ("domain:rewrite path=devices.disks", "domain:rewrite path=devices"),
            ("kv:use", "kv:use max-bytes=1MiB"),
            ("fs:read path=/srv/images", "fs:read path=/srv"),
            ("fs:read path=/srv", "fs:read path=/srv2"),
            ("fs:read path=/srv", "fs:write path=/srv"),
        ] {
            assert!(!includes(wide, narrow), "{wide} / {narrow}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let text = |grant: &str| Grant::parse(grant).unwrap_err().to_string();
        assert_eq!(text("domain:raed"), "unknown grant 'domain:raed', did you mean 'domain:read'?");
        assert_eq!(text("domain:read nmae=x"), "grant 'domain:read' has no key 'nmae', did you mean 'name'?");
        assert_eq!(text("node:read name=x"), "grant 'node:read' has no key 'name', it takes none");
        assert_eq!(
            text("volume:create pool=x"),
            "grant 'volume:create' has no key 'pool', it takes name and max-bytes"
        );
        assert_eq!(text("domain:read web"), "grant 'domain:read': 'web' is not one 'key=value'");
        assert_eq!(text("domain:read name=a name=b"), "grant 'domain:read': 'name=b' is not one 'key=value'");
        assert_eq!(text("kv:use max-bytes=many"), "grant 'kv:use': 'many' is no size, write e.g. 64KiB");
        assert_eq!(text("fs:read"), "grant 'fs:read' needs a directory, write 'fs:read path=/…'");
        for path in ["srv", "/srv/../etc", "/./srv", "../srv"] {
            let message = format!("grant 'fs:write': '{path}' is no absolute path without '.' and '..'");
            assert_eq!(text(&format!("fs:write path={path}")), message);
        }
        assert_eq!(text("wasi:clock"), "unknown grant 'wasi:clock', did you mean 'wasi:clocks'?");
        assert_eq!(text("wasi:sockets"), "unknown grant 'wasi:sockets'");
        assert_eq!(text("frobnicate"), "unknown grant 'frobnicate'");
    }

    #[test]
    fn sizes() {
        assert_eq!(Grant::parse("kv:use max-bytes=2MiB").unwrap().scope, Scope::MaxBytes(2 << 20));
        assert_eq!(Grant::parse("kv:use").unwrap().scope, Scope::MaxBytes(KV_QUOTA));
        let quota = Scope::Quota("scratch".to_owned(), 10 << 30);
        for text in ["name=scratch max-bytes=10GiB", "max-bytes=10GiB name=scratch"] {
            assert_eq!(Grant::parse(&format!("volume:create {text}")).unwrap().scope, quota);
        }
        assert!(covers("volume:create max-bytes=1", Verb::VolumeCreate, "any"));
        let directory = |text: &str| Grant::parse(text).unwrap().scope;
        assert_eq!(directory("fs:read path=//srv//images/"), Scope::Directory("/srv/images".to_owned()));
    }

    #[test]
    fn globs_do_not_run_away() {
        let text = "a".repeat(4096);
        assert!(!matches(&"a*".repeat(64), &format!("b{text}")));
        assert!(!matches("*a*a*a*a*a*a*a*a*b", &text));
        assert!(matches("a?c*", "abcd"));
    }
}
