//! Names of artifacts: `REGISTRY/REPOSITORY:TAG`, `REGISTRY/REPOSITORY@sha256:HEX`, or both.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::digest::{Digest, short};

const REPOSITORY_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;
const HOST_LIMIT: usize = 253;

/// Where an artifact is. With a tag and a digest the digest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that names no artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' does not name an artifact: {reason}")]
pub struct ReferenceError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Reference {
    /// Host, and port where one is given.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Path in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Registry and repository, what rules of trust are about.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The tag, if one is given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is given.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// What the manifest is asked for by.
    pub fn pointer(&self) -> String {
        // One of both is there: a text with neither is no reference.
        self.digest.map(|digest| digest.to_string()).or_else(|| self.tag.clone()).unwrap_or_default()
    }

    /// The same artifact by digest.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// Whether the registry is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(host_of(&self.registry))
    }
}

/// The host of `host:port`, without brackets.
pub(crate) fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

/// Whether a host is this machine by its name alone.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |reason| ReferenceError { text: short(text), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|_| wrong("after '@' comes 'sha256:' and 64 hexadecimal digits"))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let Some((registry, rest)) = rest.split_once('/') else {
            return Err(wrong("write REGISTRY/REPOSITORY:TAG"));
        };
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(wrong(
                "it begins with no registry: write HOST/REPOSITORY:TAG, with a dot or a port in HOST",
            ));
        }
        if !is_authority(registry) {
            return Err(wrong("the registry is a host name or address, and a port where it needs one"));
        }
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (rest, None),
        };
        if repository.len() > REPOSITORY_LIMIT || !repository.split('/').all(is_component) {
            return Err(wrong(
                "the repository is words of lower-case letters and digits, joined by '/', '.', '_' or '-'",
            ));
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong(
                "a tag is up to 128 letters, digits, '.', '_' and '-', and begins with none of '.-'",
            ));
        }
        if tag.is_none() && digest.is_none() {
            return Err(wrong("say which version, with ':TAG' or '@sha256:HEX'"));
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':').or(Some("none"))),
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let named = |host: &str| {
        host.len() <= HOST_LIMIT
            && host.split('.').all(|label| {
                let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                !label.is_empty() && letters && !label.starts_with('-') && !label.ends_with('-')
            })
    };
    let host_is_good =
        if text.starts_with('[') { host.parse::<std::net::Ipv6Addr>().is_ok() } else { named(host) };
    let port_is_good =
        port.is_none_or(|port| port.len() <= 5 && port.parse::<u16>().is_ok_and(|port| port != 0));
    host_is_good && port_is_good
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`, as the distribution specification has it.
fn is_component(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| word(*byte));
    if !ends(bytes.first()) || !ends(bytes.last()) {
        return false;
    }
    bytes
        .split(|byte| word(*byte))
        .all(|gap| matches!(gap, b"" | b"." | b"_" | b"__") || gap.iter().all(|byte| *byte == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_LIMIT
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> &'static str {
        text.parse::<Reference>().expect_err(text).reason
    }

    #[test]
    fn references_are_read_as_they_are_written() {
        let digest = Digest::of(b"x");
        for text in [
            "registry.example.org/policies/naming:0.1.0".to_owned(),
            "localhost/naming:latest".to_owned(),
            "127.0.0.1:5000/a/b_c/d--e:1".to_owned(),
            "[::1]:5000/naming:1".to_owned(),
            format!("registry.example.org/naming@{digest}"),
            format!("registry.example.org/naming:1@{digest}"),
        ] {
            assert_eq!(text.parse::<Reference>().expect("valid").to_string(), text);
        }
        let reference: Reference = "[::1]:5000/team/naming:1".parse().expect("valid");
        assert_eq!(
            (reference.name().as_str(), reference.pointer().as_str()),
            ("[::1]:5000/team/naming", "1")
        );
        assert!(reference.is_loopback());
        assert_eq!(reference.pinned(digest).pointer(), digest.to_string());
    }

    #[test]
    fn what_is_no_reference_says_why() {
        assert!(reason("naming:1").contains("REGISTRY/REPOSITORY:TAG"));
        assert!(reason("policies/naming:1").contains("no registry"));
        assert!(reason("example.org/naming").contains("which version"));
        assert!(reason("example.org/naming@sha256:12").contains("64 hexadecimal"));
        for text in [
            "example.org/Naming:1",
            "example.org//x:1",
            "example.org/../x:1",
            "example.org/a..b:1",
            "example.org/-a:1",
        ] {
            assert!(reason(text).contains("the repository is"), "{text}");
        }
        for text in [
            "exa mple.org/x:1",
            "a.b:0/x:1",
            "a.b:99999/x:1",
            "user:pw@a.b/x:1",
            "[::1/x:1",
            "[::1]x/x:1",
            "-a.b/x:1",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        assert!(reason("example.org/x:.1").contains("a tag is"));
    }
}
