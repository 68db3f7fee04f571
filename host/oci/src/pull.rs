//! From a name to a component: manifest, signatures, and only then the bytes.

use crate::digest::Digest;
use crate::error::OciError;
use crate::manifest::{INDEX, MANIFEST, Manifest};
use crate::reference::Reference;
use crate::session::{Session, Wanted};
use crate::signature::Signature;
use crate::{MANIFEST_LIMIT, PAYLOAD_LIMIT};

/// An artifact whose manifest was read.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Where it is.
    pub reference: Reference,
    /// Digest of its manifest, what it is pinned and signed by.
    pub digest: Digest,
    /// What it is made of: one component.
    pub manifest: Manifest,
    /// The manifest's bytes.
    pub bytes: Vec<u8>,
}

impl Artifact {
    /// Reads the manifest of a Wasm artifact.
    pub fn read(reference: &Reference, bytes: Vec<u8>) -> Result<Self, OciError> {
        let wrong = |source| OciError::Manifest { name: reference.to_string(), source };
        let manifest = Manifest::parse(&bytes).map_err(wrong)?;
        manifest.component().map_err(wrong)?;
        Ok(Self { digest: Digest::of(&bytes), reference: reference.clone(), manifest, bytes })
    }

    /// Digest and size of the component.
    pub fn component(&self) -> (Digest, u64) {
        let layer = self.manifest.layers.first();
        layer.map(|layer| (layer.digest, layer.size)).expect("only manifests with one layer become artifacts")
    }
}

/// The tag under which the signatures of a manifest are.
pub(crate) fn signature_tag(digest: Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

impl Session<'_> {
    /// Reads the manifest by digest or tag. By digest it must be that one.
    pub async fn resolve(&self) -> Result<Artifact, OciError> {
        let reference = &self.reference;
        let bytes = self.manifest(&reference.pointer()).await?;
        let bytes = bytes.ok_or_else(|| OciError::NotFound(reference.to_string()))?;
        let found = Digest::of(&bytes);
        if let Some(wanted) = reference.digest()
            && wanted != found
        {
            return Err(OciError::Changed { what: "manifest", name: reference.to_string(), found, wanted });
        }
        Artifact::read(reference, bytes)
    }

    /// All signatures of the artifact, whoever made them.
    pub async fn signatures(&self, digest: Digest) -> Result<Vec<Signature>, OciError> {
        let Some(manifest) = self.signature_manifest(digest).await? else { return Ok(Vec::new()) };
        let mut signatures = Vec::new();
        for (layer, text) in manifest.signatures() {
            let payload = self.blob("signature", layer.digest, layer.size.min(PAYLOAD_LIMIT)).await?;
            signatures.extend(Signature::from_text(payload, text));
        }
        Ok(signatures)
    }

    /// The component, with the digest that the manifest says.
    pub async fn component(&self, artifact: &Artifact) -> Result<Vec<u8>, OciError> {
        let (digest, size) = artifact.component();
        self.blob("component", digest, size).await
    }

    pub(crate) async fn signature_manifest(&self, digest: Digest) -> Result<Option<Manifest>, OciError> {
        let Some(bytes) = self.manifest(&signature_tag(digest)).await? else { return Ok(None) };
        let name = || format!("signature of {}", self.reference);
        Manifest::parse(&bytes).map(Some).map_err(|source| OciError::Manifest { name: name(), source })
    }

    async fn manifest(&self, pointer: &str) -> Result<Option<Vec<u8>>, OciError> {
        let path = format!("manifests/{pointer}");
        let accept = format!("{MANIFEST}, {INDEX}");
        self.get(&Wanted { what: "manifest", path: &path, accept: &accept, limit: MANIFEST_LIMIT }).await
    }
}
