//! From a component to a name, and signatures beside it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use crate::config;
use crate::digest::Digest;
use crate::error::OciError;
use crate::key::PrivateKey;
use crate::manifest::{Descriptor, IMAGE_CONFIG, MANIFEST, Manifest, PAYLOAD, SIGNATURE, WASM, WASM_CONFIG};
use crate::pull::{Artifact, signature_tag};
use crate::session::Session;
use crate::signature::Signature;

const OCTETS: &str = "application/octet-stream";

impl Session<'_> {
    /// Pushes a component under the tag of the reference. The same component gives the same artifact again.
    pub async fn push(
        &self,
        component: Vec<u8>,
        author: Option<String>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Artifact, OciError> {
        let no_tag = || OciError::NoTag(self.reference.to_string());
        let tag = self.reference.tag().ok_or_else(no_tag)?.to_owned();
        let config = config::write(&component, author);
        let manifest = Manifest::new(
            Descriptor::of(WASM_CONFIG, &config),
            vec![Descriptor::of(WASM, &component)],
            annotations,
        );
        let artifact = Artifact::read(&self.reference, manifest.to_bytes())?;
        self.upload(component.into()).await?;
        self.upload(config.into()).await?;
        self.put_manifest(&tag, artifact.bytes.clone()).await?;
        Ok(artifact)
    }

    /// Signs a manifest and puts the signature beside those that are there. The same key again changes nothing.
    pub async fn sign(&self, digest: Digest, key: &PrivateKey) -> Result<Signature, OciError> {
        let signature = Signature::make(&self.reference.name(), digest, key);
        let mut layer = Descriptor::of(PAYLOAD, &signature.payload);
        layer.annotations.insert(SIGNATURE.to_owned(), signature.text());
        let old = self.signature_manifest(digest).await?;
        let mut layers = old.map(|old| old.layers).unwrap_or_default();
        if layers.contains(&layer) {
            return Ok(signature);
        }
        layers.push(layer);
        self.upload(signature.payload.clone().into()).await?;
        let config = signature_config(&layers);
        let manifest = Manifest::new(Descriptor::of(IMAGE_CONFIG, &config), layers, BTreeMap::new());
        self.upload(config.into()).await?;
        self.put_manifest(&signature_tag(digest), manifest.to_bytes()).await?;
        Ok(signature)
    }

    /// Uploads a blob in one piece, unless the registry has it.
    async fn upload(&self, bytes: Bytes) -> Result<(), OciError> {
        let digest = Digest::of(&bytes);
        let known = Request::builder().method(Method::HEAD).uri(self.uri(&format!("blobs/{digest}"))?);
        let known = known.body(Full::default()).map_err(|error| self.protocol(error.to_string()))?;
        if self.ask(known).await?.status() == StatusCode::OK {
            return Ok(());
        }
        let begun = self.send(Method::POST, self.uri("blobs/uploads/")?, OCTETS, Bytes::new()).await?;
        if begun.status() != StatusCode::ACCEPTED {
            return Err(self.refusal(begun, "for an upload").await);
        }
        let to = self.upload_uri(&begun)?;
        let separator = if to.query().is_some() { '&' } else { '?' };
        let to = format!("{to}{separator}digest={digest}");
        let to = to.parse().map_err(|_| self.protocol("the address for an upload is none".into()))?;
        let done = self.send(Method::PUT, to, OCTETS, bytes).await?;
        match done.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(self.refusal(done, "to take a blob").await),
        }
    }

    async fn put_manifest(&self, tag: &str, bytes: Vec<u8>) -> Result<(), OciError> {
        let to = self.uri(&format!("manifests/{tag}"))?;
        let done = self.send(Method::PUT, to, MANIFEST, bytes.into()).await?;
        match done.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(self.refusal(done, "to take a manifest").await),
        }
    }
}

/// The configuration that an image of these layers has, as cosign writes it.
fn signature_config(layers: &[Descriptor]) -> Vec<u8> {
    let digests: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let config = json!({
        "architecture": "", "os": "", "config": {},
        "created": "0001-01-01T00:00:00Z", "history": [{"created": "0001-01-01T00:00:00Z"}],
        "rootfs": {"type": "layers", "diff_ids": digests},
    });
    config.to_string().into_bytes()
}
