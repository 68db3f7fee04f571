//! Policies as signed artifacts in OCI registries: one component is one artifact in the CNCF Wasm layout, its signatures
//! are cosign's.
//!
//! ```text
//!   registry/repository:tag ──► manifest ──► config   application/vnd.wasm.config.v0+json
//!                                  │    └──► layer    application/wasm: the component
//!                                  └ digest
//!                                      │ signed: payload {docker-manifest-digest}, signature in an annotation
//!   registry/repository:sha256-HEX.sig ──► manifest ──► layer…  application/vnd.dev.cosign.simplesigning.v1+json
//! ```
//!
//! The daemon pulls as root, so whatever a registry sends is hostile until its digest is what was asked for:
//! - every body is read within a limit that was known before the first byte, and within a time;
//! - [`manifest`], [`payload`], [`challenge`], [`credentials`] and [`Reference`] read bytes in functions that do nothing else;
//! - TLS unless the registry is on this machine or the operator said otherwise, and never less on the way of a redirect;
//! - credentials go to the registry they are for, and to the token service it names, and nowhere else.
//!
//! What runs is decided by [`TrustPolicy`]; [`Store`] keeps what was pulled by digest, and gives nothing back that changed.
#![forbid(unsafe_code)]

pub mod challenge;
mod config;
pub mod credentials;
mod digest;
mod error;
mod http;
pub mod key;
pub mod manifest;
pub mod payload;
mod pull;
mod push;
pub mod record;
mod reference;
mod registry;
mod session;
pub mod signature;
mod store;
mod trust;

pub use digest::{Digest, DigestError};
pub use error::OciError;
pub use http::{CaError, TransportError};
pub use key::{KeyError, PrivateKey, PublicKey};
pub use pull::Artifact;
pub use record::Record;
pub use reference::{Reference, ReferenceError};
pub use registry::{Registries, Settings};
pub use session::{Access, Session};
pub use signature::Signature;
pub use store::{Store, StoreError};
pub use trust::{Rule, TrustError, TrustPolicy, Unsigned, Verified, verify_with};

/// Largest component, bytes.
pub const COMPONENT_LIMIT: u64 = 64 << 20;
/// Largest manifest or configuration, bytes.
pub const MANIFEST_LIMIT: u64 = 1 << 20;
/// Largest payload of a signature, bytes.
pub const PAYLOAD_LIMIT: u64 = 16 << 10;
/// Signatures of one artifact that are looked at.
pub const SIGNATURES_LIMIT: usize = 32;
