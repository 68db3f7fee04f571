//! Image manifests (OCI image specification 1.1) as far as one component and its signatures need them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, short};
use crate::{COMPONENT_LIMIT, MANIFEST_LIMIT, PAYLOAD_LIMIT, SIGNATURES_LIMIT};

/// Media type of an image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an image index: several manifests, one for each platform.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of the configuration of a Wasm artifact.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of a component.
pub const WASM: &str = "application/wasm";
/// Media type of the configuration of a plain image, which the manifest of signatures has.
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Media type of what is signed.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Annotation with the signature, base64.
pub const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A manifest. What is not here is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    /// Its own media type.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// What it is about.
    pub layers: Vec<Descriptor>,
    /// Free texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A blob of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// What it is called by.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Free texts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Why a manifest is not that of a policy or of its signatures.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Too long.
    #[error("its manifest has {0} bytes, {MANIFEST_LIMIT} are the most")]
    Length(usize),
    /// Not JSON of the right shape.
    #[error("its manifest is not an OCI image manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Of another schema.
    #[error("its manifest has schema version {0}, not 2")]
    Schema(u32),
    /// Not a manifest of one artifact.
    #[error("it is an index of several images, not one Wasm artifact")]
    Index,
    /// Some other kind of document.
    #[error("its manifest has the media type '{0}', not '{MANIFEST}'")]
    MediaType(String),
    /// Not a Wasm artifact.
    #[error("its configuration has the media type '{0}', not '{WASM_CONFIG}': this is not a Wasm artifact")]
    Config(String),
    /// Not one component.
    #[error("it has {0} layers; a policy is exactly one of type '{WASM}'")]
    Layers(usize),
    /// Not a component.
    #[error("its layer has the media type '{0}', not '{WASM}'")]
    Layer(String),
    /// Too large.
    #[error("its {what} says it has {size} bytes, {limit} are the most")]
    Size {
        /// Which part.
        what: &'static str,
        /// What the manifest says.
        size: u64,
        /// How many it may have.
        limit: u64,
    },
}

impl Manifest {
    /// A manifest of this configuration and these layers.
    pub fn new(config: Descriptor, layers: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        Self { schema_version: 2, media_type: MANIFEST.to_owned(), config, layers, annotations }
    }

    /// Reads any manifest.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(ManifestError::Length(bytes.len()));
        }
        // As an object first: an array, too, could be read as a structure.
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes)?;
        let media_type = fields.get("mediaType").and_then(|kind| kind.as_str()).unwrap_or_default();
        if media_type == INDEX || fields.contains_key("manifests") {
            return Err(ManifestError::Index);
        }
        if !media_type.is_empty() && media_type != MANIFEST {
            return Err(ManifestError::MediaType(short(media_type)));
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        if manifest.schema_version != 2 {
            return Err(ManifestError::Schema(manifest.schema_version));
        }
        Ok(manifest)
    }

    /// The one component of a Wasm artifact.
    pub fn component(&self) -> Result<&Descriptor, ManifestError> {
        if self.config.media_type != WASM_CONFIG {
            return Err(ManifestError::Config(short(&self.config.media_type)));
        }
        let [layer] = &self.layers[..] else { return Err(ManifestError::Layers(self.layers.len())) };
        if layer.media_type != WASM {
            return Err(ManifestError::Layer(short(&layer.media_type)));
        }
        for (what, size, limit) in
            [("component", layer.size, COMPONENT_LIMIT), ("configuration", self.config.size, MANIFEST_LIMIT)]
        {
            if size > limit {
                return Err(ManifestError::Size { what, size, limit });
            }
        }
        Ok(layer)
    }

    /// Payloads with their signatures, in the manifest of signatures. What else is in it is passed over, as cosign does.
    pub fn signatures(&self) -> impl Iterator<Item = (&Descriptor, &str)> {
        let signed = |layer: &&Descriptor| layer.media_type == PAYLOAD && layer.size <= PAYLOAD_LIMIT;
        self.layers
            .iter()
            .filter(signed)
            .filter_map(|layer| Some((layer, layer.annotations.get(SIGNATURE)?.as_str())))
            .take(SIGNATURES_LIMIT)
    }

    /// The bytes that are pushed, and digested.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest is made of strings, numbers and maps")
    }
}

impl Descriptor {
    /// Describes `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact() -> Manifest {
        Manifest::new(
            Descriptor::of(WASM_CONFIG, b"{}"),
            vec![Descriptor::of(WASM, b"\0asm")],
            BTreeMap::new(),
        )
    }

    fn refused(change: impl FnOnce(&mut Manifest)) -> String {
        let mut manifest = artifact();
        change(&mut manifest);
        let read = Manifest::parse(&manifest.to_bytes());
        read.and_then(|manifest| manifest.component().cloned()).expect_err("refused").to_string()
    }

    #[test]
    fn a_wasm_artifact_has_one_component() {
        let manifest = Manifest::parse(&artifact().to_bytes()).expect("valid");
        assert_eq!(manifest.component().expect("one").digest, Digest::of(b"\0asm"));
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let cases = [
            refused(|manifest| manifest.schema_version = 1),
            refused(|manifest| manifest.media_type = INDEX.into()),
            refused(|manifest| manifest.media_type = "text/plain".into()),
            refused(|manifest| manifest.config.media_type = IMAGE_CONFIG.into()),
            refused(|manifest| manifest.layers.push(Descriptor::of(WASM, b"second"))),
            refused(|manifest| manifest.layers.clear()),
            refused(|manifest| manifest.layers[0].media_type = "application/x-tar".into()),
            refused(|manifest| manifest.layers[0].size = u64::MAX),
            refused(|manifest| manifest.config.size = MANIFEST_LIMIT + 1),
        ];
        let parts = [
            "schema version 1",
            "index of several",
            "media type 'text/plain'",
            "not a Wasm artifact",
            "2 layers",
            "0 layers",
            "its layer has the media type 'application/x-tar'",
            "component says it has 18446744073709551615 bytes",
            "configuration says it has 1048577 bytes",
        ];
        for (case, part) in cases.iter().zip(parts) {
            assert!(case.contains(part), "{case}");
        }
        let long = vec![b' '; MANIFEST_LIMIT as usize + 1];
        assert!(matches!(Manifest::parse(&long), Err(ManifestError::Length(_))));
        assert!(matches!(Manifest::parse(b"{}"), Err(ManifestError::Json(_))));
        let index = format!(r#"{{"schemaVersion": 2, "manifests": [], "mediaType": "{MANIFEST}"}}"#);
        assert!(matches!(Manifest::parse(index.as_bytes()), Err(ManifestError::Index)));
    }

    #[test]
    fn only_signatures_that_can_be_looked_at_are_given() {
        let mut manifest = artifact();
        let mut signed = Descriptor::of(PAYLOAD, b"{}");
        signed.annotations.insert(SIGNATURE.into(), "c2ln".into());
        manifest.layers = vec![signed.clone(); SIGNATURES_LIMIT + 5];
        manifest.layers[0].annotations.clear();
        manifest.layers[1].size = PAYLOAD_LIMIT + 1;
        assert_eq!(manifest.signatures().count(), SIGNATURES_LIMIT);
        manifest.layers.truncate(3);
        assert_eq!(manifest.signatures().collect::<Vec<_>>(), [(&signed, "c2ln")]);
    }
}
