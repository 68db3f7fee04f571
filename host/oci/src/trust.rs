//! Which signatures are demanded of what: rules in order, the first that names a repository counts.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::key::PublicKey;
use crate::signature::{self, Signature};

/// What an operator trusts.
#[derive(Debug, Clone, Default)]
pub struct TrustPolicy {
    /// Keys by repository.
    pub rules: Vec<Rule>,
    /// What of repositories that no rule names.
    pub unsigned: Unsigned,
    /// When there are any, every policy that comes as a file needs a signature by one of them beside it.
    pub file_keys: Vec<PublicKey>,
}

/// Keys of which one must have signed what comes from some repositories.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `REGISTRY/REPOSITORY`, where `*` stands for any characters.
    pub repository: String,
    /// The keys.
    pub keys: Vec<PublicKey>,
}

/// What happens with artifacts of repositories that no rule names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unsigned {
    /// Refused, unless whoever installs it says that this one is fine.
    #[default]
    Refuse,
    /// Refused whatever anybody says.
    Never,
    /// Taken.
    Allow,
}

/// Why something is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// The key with this id signed it.
    By(Digest),
    /// Nobody demanded a signature.
    Unsigned,
}

/// Why something is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// There is no signature.
    #[error("artifact '{0}' is not signed, and the rule of trust for its repository demands it")]
    Unsigned(String),
    /// There are signatures, but none by a key that counts.
    #[error(
        "artifact '{name}' is signed, but by none of the {keys} keys that are trusted for it (signatures: {found})"
    )]
    WrongKey {
        /// The artifact.
        name: String,
        /// How many keys count.
        keys: usize,
        /// How many signatures there are.
        found: usize,
    },
    /// A trusted key signed something else.
    #[error("the signature of artifact '{0}' is of another artifact: one of them was exchanged")]
    OtherArtifact(String),
    /// No rule names the repository.
    #[error("no rule of trust names the repository of artifact '{0}'")]
    NoRule(String),
    /// A file without a signature.
    #[error("'{}' is not signed: '{}' {reason}", file.display(), signature.display())]
    FileUnsigned {
        /// The file.
        file: PathBuf,
        /// Where its signature should be.
        signature: PathBuf,
        /// What is wrong with that.
        reason: String,
    },
    /// A file whose signature is by no key that counts.
    #[error("the signature of '{}' is by none of the {keys} trusted keys, or of other bytes", file.display())]
    FileWrongKey {
        /// The file.
        file: PathBuf,
        /// How many keys count.
        keys: usize,
    },
}

impl TrustPolicy {
    /// Decides whether the artifact `name` (registry and repository) with this manifest is trusted. `allow_unsigned` is the
    /// word of whoever installs it, and counts only where no rule does.
    pub fn verify(
        &self,
        name: &str,
        manifest: Digest,
        signatures: &[Signature],
        allow_unsigned: bool,
    ) -> Result<Verified, TrustError> {
        let Some(rule) = self.rules.iter().find(|rule| covers(&rule.repository, name)) else {
            let taken = match self.unsigned {
                Unsigned::Refuse => allow_unsigned,
                Unsigned::Never => false,
                Unsigned::Allow => true,
            };
            return if taken { Ok(Verified::Unsigned) } else { Err(TrustError::NoRule(name.to_owned())) };
        };
        verify_with(&rule.keys, name, manifest, signatures)
    }
}

/// The key among `keys` that signed this manifest of the artifact `name`.
pub fn verify_with(
    keys: &[PublicKey],
    name: &str,
    manifest: Digest,
    signatures: &[Signature],
) -> Result<Verified, TrustError> {
    if signatures.is_empty() {
        return Err(TrustError::Unsigned(name.to_owned()));
    }
    let mut other = false;
    for signature in signatures {
        if let Some(key) = keys.iter().find(|key| signature.is_by(key)) {
            if signature.is_about(manifest) {
                return Ok(Verified::By(key.id()));
            }
            other = true;
        }
    }
    if other {
        return Err(TrustError::OtherArtifact(name.to_owned()));
    }
    Err(TrustError::WrongKey { name: name.to_owned(), keys: keys.len(), found: signatures.len() })
}

impl TrustPolicy {
    /// Decides whether a file's bytes are trusted; `beside` is where its signature should be and what was read there.
    pub fn verify_file(
        &self,
        file: &std::path::Path,
        bytes: &[u8],
        beside: (PathBuf, std::io::Result<String>),
    ) -> Result<Verified, TrustError> {
        if self.file_keys.is_empty() {
            return Ok(Verified::Unsigned);
        }
        let (path, text) = beside;
        let text = text.map_err(|error| TrustError::FileUnsigned {
            file: file.to_owned(),
            signature: path,
            reason: format!("cannot be read: {error}"),
        })?;
        match signature::file_signer(bytes, &text, &self.file_keys) {
            Some(key) => Ok(Verified::By(key.id())),
            None => Err(TrustError::FileWrongKey { file: file.to_owned(), keys: self.file_keys.len() }),
        }
    }
}

/// Whether `pattern` matches all of `text`; `*` stands for any characters, also for none.
fn covers(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::tests::key;

    const NAME: &str = "registry.example.org/policies/naming";

    fn policy(pattern: &str, keys: Vec<PublicKey>) -> TrustPolicy {
        TrustPolicy { rules: vec![Rule { repository: pattern.into(), keys }], ..TrustPolicy::default() }
    }

    #[test]
    fn the_first_rule_that_names_a_repository_counts() {
        let (mine, other) = (key(), key());
        let digest = Digest::of(b"manifest");
        let signed = [Signature::make(NAME, digest, &mine)];
        let trust = policy("registry.example.org/policies/*", vec![other.public(), mine.public()]);
        assert_eq!(
            trust.verify(NAME, digest, &signed, false).expect("signed"),
            Verified::By(mine.public().id())
        );

        let refused = |signatures: &[Signature], trust: &TrustPolicy| {
            trust.verify(NAME, digest, signatures, true).expect_err("refused").to_string()
        };
        assert!(refused(&[], &trust).contains("is not signed"), "a rule is stronger than a flag");
        let other_signed = [Signature::make(NAME, digest, &other)];
        let strict = policy("registry.example.org/*", vec![mine.public()]);
        assert!(refused(&other_signed, &strict).contains("by none of the 1 keys"));
        let exchanged = [Signature::make(NAME, Digest::of(b"older"), &mine)];
        assert!(refused(&exchanged, &trust).contains("is of another artifact"));
        assert!(trust.verify(NAME, digest, &[other_signed, signed].concat(), false).is_ok());
    }

    #[test]
    fn without_a_rule_it_is_the_operators_word() {
        let digest = Digest::of(b"manifest");
        let decide = |unsigned, said| {
            let trust = TrustPolicy { unsigned, ..TrustPolicy::default() };
            trust.verify(NAME, digest, &[], said).is_ok()
        };
        assert!(!decide(Unsigned::Refuse, false) && decide(Unsigned::Refuse, true));
        assert!(!decide(Unsigned::Never, false) && !decide(Unsigned::Never, true));
        assert!(decide(Unsigned::Allow, false));
    }

    #[test]
    fn files_need_a_signature_beside_them_where_keys_say_so() {
        let mine = key();
        let file = std::path::Path::new("naming.wasm");
        let beside = |text: std::io::Result<String>| (PathBuf::from("naming.wasm.sig"), text);
        let missing = || Err(std::io::ErrorKind::NotFound.into());
        assert_eq!(
            TrustPolicy::default().verify_file(file, b"x", beside(missing())).expect("no keys"),
            Verified::Unsigned
        );
        let trust = TrustPolicy { file_keys: vec![mine.public()], ..TrustPolicy::default() };
        let text = signature::sign_file(b"x", &mine);
        assert!(trust.verify_file(file, b"x", beside(Ok(text.clone()))).is_ok());
        let changed = trust.verify_file(file, b"y", beside(Ok(text))).expect_err("changed").to_string();
        assert!(changed.contains("by none of the 1 trusted keys, or of other bytes"), "{changed}");
        let unsigned = trust.verify_file(file, b"x", beside(missing())).expect_err("unsigned").to_string();
        assert!(
            unsigned.contains("'naming.wasm' is not signed: 'naming.wasm.sig' cannot be read"),
            "{unsigned}"
        );
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text) in
            [("a/b", "a/b"), ("a/*", "a/b/c"), ("*", ""), ("*/naming", "a.b/x/naming"), ("a*b*c", "abxbc")]
        {
            assert!(covers(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a/b", "a/bc"), ("a/*", "ab/c"), ("*/naming", "a/naming2"), ("ab*ba", "aba"), ("", "a")]
        {
            assert!(!covers(pattern, text), "{pattern} {text}");
        }
    }
}
