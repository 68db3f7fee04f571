//! What a signature of an artifact is made over: the "simple signing" document, as cosign writes it.

use serde::{Deserialize, Serialize};

use crate::PAYLOAD_LIMIT;
use crate::digest::{Digest, short};

const KIND: &str = "cosign container image signature";

/// A payload that does not say what it must.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Too long.
    #[error("what is signed has {0} bytes, {PAYLOAD_LIMIT} are the most")]
    Length(usize),
    /// Not JSON of the right shape.
    #[error("what is signed is not a simple signing document: {0}")]
    Json(#[from] serde_json::Error),
    /// Of another kind.
    #[error("what is signed is a '{0}', not a '{KIND}'")]
    Kind(String),
}

#[derive(Serialize, Deserialize)]
struct Document {
    critical: Critical,
    #[serde(default)]
    optional: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: Digest,
}

/// The document that says "this is the manifest of `name`" (registry and repository).
pub fn write(name: &str, manifest: Digest) -> Vec<u8> {
    let document = Document {
        critical: Critical {
            identity: Identity { docker_reference: name.to_owned() },
            image: Image { docker_manifest_digest: manifest },
            kind: KIND.to_owned(),
        },
        optional: serde_json::Value::Null,
    };
    serde_json::to_vec(&document).expect("a document is made of strings")
}

/// Digest of the manifest that a payload is about. Its name is not looked at, so that a mirror needs no new signatures.
pub fn read(bytes: &[u8]) -> Result<Digest, PayloadError> {
    if bytes.len() as u64 > PAYLOAD_LIMIT {
        return Err(PayloadError::Length(bytes.len()));
    }
    let document: Document = serde_json::from_slice(bytes)?;
    if document.critical.kind != KIND {
        return Err(PayloadError::Kind(short(&document.critical.kind)));
    }
    Ok(document.critical.image.docker_manifest_digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_written_as_cosign_does() {
        let digest = Digest::of(b"manifest");
        let text = format!(
            "{{\"critical\":{{\"identity\":{{\"docker-reference\":\"example.org/naming\"}},\
             \"image\":{{\"docker-manifest-digest\":\"{digest}\"}},\
             \"type\":\"cosign container image signature\"}},\"optional\":null}}"
        );
        assert_eq!(String::from_utf8(write("example.org/naming", digest)).expect("text"), text);
        assert_eq!(read(text.as_bytes()).expect("valid"), digest);
    }

    #[test]
    fn other_documents_are_refused() {
        let digest = Digest::of(b"manifest");
        let other =
            String::from_utf8(write("x", digest)).expect("text").replace(KIND, "atomic container signature");
        assert!(matches!(read(other.as_bytes()), Err(PayloadError::Kind(_))));
        assert!(matches!(read(b"{}"), Err(PayloadError::Json(_))));
        assert!(matches!(read(&vec![b' '; 1 << 20]), Err(PayloadError::Length(_))));
    }
}
