//! Signatures: of artifacts in cosign's form, and of files beside them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::key::{PrivateKey, PublicKey};
use crate::payload;

/// Longest text of a signature.
const TEXT_LIMIT: usize = 1024;

/// A signature over a payload that names the digest of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The signed document.
    #[serde(with = "base64_text")]
    pub payload: Vec<u8>,
    /// The signature itself.
    #[serde(with = "base64_text")]
    pub signature: Vec<u8>,
}

impl Signature {
    /// Signs the manifest `digest` of `name` (registry and repository).
    pub fn make(name: &str, digest: Digest, key: &PrivateKey) -> Self {
        let payload = payload::write(name, digest);
        Self { signature: key.sign(&payload), payload }
    }

    /// From what a registry holds; none when the text is no base64 of a sane length.
    pub fn from_text(payload: Vec<u8>, signature: &str) -> Option<Self> {
        Some(Self { payload, signature: decode(signature)? })
    }

    /// The signature as base64.
    pub fn text(&self) -> String {
        STANDARD.encode(&self.signature)
    }

    /// Whether `key` made it, whatever it is about.
    pub fn is_by(&self, key: &PublicKey) -> bool {
        key.verifies(&self.payload, &self.signature)
    }

    /// Whether it is about the manifest `digest`.
    pub fn is_about(&self, digest: Digest) -> bool {
        payload::read(&self.payload).is_ok_and(|found| found == digest)
    }
}

/// The text of a `.sig` file: base64 of the signature over the file's bytes, as `cosign sign-blob` writes it.
pub fn sign_file(bytes: &[u8], key: &PrivateKey) -> String {
    format!("{}\n", STANDARD.encode(key.sign(bytes)))
}

/// The one of `keys` that made the signature in `text` over a file's bytes.
pub fn file_signer<'a>(bytes: &[u8], text: &str, keys: &'a [PublicKey]) -> Option<&'a PublicKey> {
    let signature = decode(text.trim())?;
    keys.iter().find(|key| key.verifies(bytes, &signature))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    (text.len() <= TEXT_LIMIT).then(|| STANDARD.decode(text).ok()).flatten()
}

mod base64_text {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A key of its own for a test.
    pub(crate) fn key() -> PrivateKey {
        let dir = tempfile::tempdir().expect("temporary");
        PrivateKey::generate(&dir.path().join("key")).expect("made");
        PrivateKey::load(&dir.path().join("key")).expect("read")
    }

    #[test]
    fn a_signature_is_of_one_key_about_one_manifest() {
        let (mine, other) = (key(), key());
        let digest = Digest::of(b"manifest");
        let signature = Signature::make("example.org/naming", digest, &mine);
        assert!(signature.is_by(&mine.public()) && !signature.is_by(&other.public()));
        assert!(signature.is_about(digest) && !signature.is_about(Digest::of(b"other")));
        let read = Signature::from_text(signature.payload.clone(), &signature.text());
        assert_eq!(read.as_ref(), Some(&signature));
        let changed =
            Signature { payload: payload::write("example.org/naming", Digest::of(b"other")), ..signature };
        assert!(!changed.is_by(&mine.public()), "the payload is what is signed");
    }

    #[test]
    fn a_file_has_its_signature_beside_it() {
        let (mine, other) = (key(), key());
        let text = sign_file(b"component", &mine);
        let keys = [other.public(), mine.public()];
        assert_eq!(file_signer(b"component", &text, &keys), Some(&keys[1]));
        assert_eq!(file_signer(b"changed", &text, &keys), None);
        assert_eq!(file_signer(b"component", &text, &keys[..1]), None);
        assert_eq!(file_signer(b"component", "?", &keys), None);
        assert_eq!(file_signer(b"component", &"A".repeat(1 << 20), &keys), None);
    }
}
