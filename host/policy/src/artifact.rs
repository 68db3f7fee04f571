//! Policies that come from registries, and what is demanded of those that come as files.
//!
//! ```text
//!   reference ─► manifest ─► signatures ─► trust ─► component ─► version ─► record ─► load, as any other policy
//!                                                                             └─► verified again when the daemon starts
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use reeve_actions::artifact_port::PolicyArtifacts;
use reeve_actions::policy_port::{LoadRequest, PolicyAdmin};
use reeve_model::install::{InstallPolicy, Installed};
use reeve_model::{Error, ErrorCode};
use reeve_oci::{
    Access, Artifact, Digest, OciError, Record, Reference, Registries, Settings, Store, StoreError,
    TrustPolicy,
};
use semver::Version;

use crate::loader::{self, LoadError};
use crate::manifest::check_name;
use crate::policy_engine::PolicyEngine;

/// Registries, what is trusted of them, and where it is kept.
#[derive(Debug)]
pub struct Artifacts {
    store: Store,
    registries: Registries,
    trust: TrustPolicy,
}

impl Artifacts {
    /// Keeps artifacts in `directory`, and reads certificate authorities.
    pub fn open(directory: &Path, settings: Settings, trust: TrustPolicy) -> Result<Self, OciError> {
        Ok(Self { store: Store::open(directory)?, registries: Registries::new(settings)?, trust })
    }

    /// Pulls what is trusted: nothing of the component is read before a signature was found where one is demanded.
    async fn pull(
        self: &Arc<Self>,
        reference: &Reference,
        allow_unsigned: bool,
    ) -> Result<(Artifact, Record, Vec<u8>), OciError> {
        let session = self.registries.open(reference, Access::Pull).await?;
        let artifact = session.resolve().await?;
        let signatures = session.signatures(artifact.digest).await?;
        let verified = self.trust.verify(&reference.name(), artifact.digest, &signatures, allow_unsigned)?;
        let record = Record::of(&artifact, signatures, verified);
        let kept = Arc::clone(self);
        // A file that was changed is as good as none: the registry has the right one.
        let known = blocking(move || Ok(kept.store.blob(record.component).ok().flatten())).await;
        let component = match known.ok().flatten() {
            Some(component) => component,
            None => session.component(&artifact).await?,
        };
        Ok((artifact, record, component))
    }
}

#[async_trait]
impl PolicyArtifacts for PolicyEngine {
    async fn install_artifact(&self, request: InstallPolicy) -> Result<Installed, Error> {
        let artifacts = Arc::clone(self.artifacts().ok_or_else(|| {
            Error::new(ErrorCode::Unsupported, "this host installs no policies from registries")
        })?);
        let reference: Reference = request.reference.parse().map_err(OciError::from)?;
        let (artifact, record, component) = artifacts.pull(&reference, request.allow_unsigned).await?;
        let manifest = loader::manifest(&component)?;
        let name = request.name.unwrap_or_else(|| manifest.name.clone());
        check_name(&name).map_err(LoadError::from)?;
        if !request.allow_downgrade {
            self.refuse_downgrade(&name, &manifest.version)?;
        }
        let answer = Installed {
            policy: self
                .put_in_place(&artifacts, name, artifact, &record, component, |load| LoadRequest {
                    mode: request.mode,
                    grants: request.grants,
                    config: request.config,
                    order: request.order,
                    ..load
                })
                .await?,
            reference: request.reference,
            digest: record.manifest.to_string(),
            key: record.key.map(|key| key.to_string()),
        };
        Ok(answer)
    }
}

impl PolicyEngine {
    /// Writes down where a component came from, then loads it. In this order: what runs can always be verified again.
    async fn put_in_place(
        &self,
        artifacts: &Arc<Artifacts>,
        name: String,
        artifact: Artifact,
        record: &Record,
        component: Vec<u8>,
        bound: impl FnOnce(LoadRequest) -> LoadRequest,
    ) -> Result<reeve_model::policy::PolicyInfo, Error> {
        let (kept, record, policy) = (Arc::clone(artifacts), record.clone(), name.clone());
        let component = blocking(move || {
            kept.store.put(&component)?;
            kept.store.put_installed(&policy, &artifact, &record)?;
            Ok(component)
        })
        .await?;
        let load = LoadRequest { component, name: Some(name.clone()), ..LoadRequest::default() };
        let loaded = self.load(bound(load)).await;
        self.tidy_artifacts(&name).await;
        loaded
    }

    /// An older version than the one in place is refused: an old signature must not bring an old mistake back.
    fn refuse_downgrade(&self, name: &str, version: &str) -> Result<(), Error> {
        let Some(row) = self.shared.store.policies()?.into_iter().find(|row| row.name == name) else {
            return Ok(());
        };
        // A component that cannot be read is no reason to refuse its successor.
        let old =
            self.shared.store.component(&row.digest).ok().and_then(|bytes| loader::manifest(&bytes).ok());
        let Some(old) = old.map(|manifest| manifest.version) else { return Ok(()) };
        let why = match (Version::parse(&old), Version::parse(version)) {
            (Ok(old), Ok(new)) if new < old => "is older than",
            (Ok(_), Ok(_)) => return Ok(()),
            _ if old == version => return Ok(()),
            _ => "cannot be compared with",
        };
        let message = format!("version {version} of policy '{name}' {why} version {old}, which is in place");
        Err(Error::new(ErrorCode::Denied, message).with_hint("take it all the same with --allow-downgrade"))
    }

    /// Verifies a component of the store again, if it came from a registry.
    pub(crate) fn verify_installed(&self, name: &str, component: &str) -> Result<(), Error> {
        let Some(artifacts) = self.artifacts() else { return Ok(()) };
        let digest = Digest::from_hex(component)
            .map_err(|error| Error::new(ErrorCode::Internal, format!("policy '{name}': {error}")))?;
        if let Some(record) = artifacts.store.record(name, digest).map_err(OciError::from)? {
            record.verify(&artifacts.store, &artifacts.trust)?;
        }
        Ok(())
    }

    /// Verifies a file of the policy directory, where the policy of trust demands signatures of files.
    pub(crate) fn verify_file(&self, file: &Path, bytes: &[u8]) -> Result<(), Error> {
        let Some(artifacts) = self.artifacts() else { return Ok(()) };
        let beside = signature_file(file);
        let text = std::fs::read_to_string(&beside);
        artifacts.trust.verify_file(file, bytes, (beside, text)).map_err(OciError::from)?;
        Ok(())
    }

    /// Forgets the artifacts of components that a policy has no more.
    pub(crate) async fn tidy_artifacts(&self, name: &str) {
        let Some(artifacts) = self.artifacts().cloned() else { return };
        let (store, policy) = (self.shared.store.clone(), name.to_owned());
        let tidied = blocking(move || {
            let versions = store.versions(&policy).unwrap_or_default();
            let rows = store.policies().unwrap_or_default();
            let present = rows.into_iter().filter(|row| row.name == policy).map(|row| row.digest);
            let used = versions.into_iter().map(|version| version.digest).chain(present);
            let used: Vec<Digest> = used.filter_map(|hex| Digest::from_hex(&hex).ok()).collect();
            artifacts.store.retain(&policy, &used)?;
            artifacts.store.sweep()
        });
        if let Err(error) = tidied.await {
            tracing::warn!(policy = name, "artifacts that nobody needs are still there: {error}");
        }
    }
}

/// Where the signature of a file is.
pub(crate) fn signature_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Disk work off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done.map_err(OciError::from)?),
        Err(error) => Err(Error::new(ErrorCode::Internal, format!("artifacts cannot be kept: {error}"))),
    }
}
