//! `reeve policy verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use reeve_oci::{Access, PublicKey, TrustPolicy, Verified, verify_with};
use serde::Serialize;

use super::registry::{RegistryArgs, plain, reference};
use super::sign::signature_file;
use crate::context::{Context, read_bytes};
use crate::output::Show;

/// Options of `reeve policy verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Keys are ed25519 or ECDSA on P-256; signatures of artifacts are cosign's. Exit status 4 means that it is not to be trusted.
Needs no daemon.

Examples:
  reeve policy verify registry.example.org/policies/naming:0.1.0 --key release.pub
  reeve policy verify naming.wasm --key release.pub")]
pub struct Verify {
    /// A file with its .sig beside it, or an artifact in a registry
    #[arg(value_name = "REF|FILE")]
    what: String,
    /// Public key (PEM); may be repeated, one signature suffices
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What was found to be signed.
#[derive(Serialize)]
struct Trusted {
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    key: String,
}

impl Show for Trusted {
    const ELEMENT: &'static str = "signature";

    fn human(&self) -> String {
        let digest = self.digest.as_ref().map(|digest| format!(" ({digest})")).unwrap_or_default();
        format!("{}{digest} is signed\nKey {}", self.subject, self.key)
    }
}

impl Verify {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let keys: Vec<PublicKey> =
            self.keys.iter().map(|key| PublicKey::load(key).map_err(plain)).collect::<Result<_, _>>()?;
        let file = Path::new(&self.what);
        let (verified, digest) = if file.is_file() {
            let beside = signature_file(file);
            let text = std::fs::read_to_string(&beside);
            let trust = TrustPolicy { file_keys: keys, ..TrustPolicy::default() };
            (trust.verify_file(file, &read_bytes(file)?, (beside, text)).map_err(plain)?, None)
        } else {
            let what = reference(&self.what)?;
            let registries = self.registry.registries()?;
            let session = registries.open(&what, Access::Pull).await.map_err(plain)?;
            let digest = session.resolve().await.map_err(plain)?.digest;
            let signatures = session.signatures(digest).await.map_err(plain)?;
            let verified = verify_with(&keys, &what.to_string(), digest, &signatures).map_err(plain)?;
            (verified, Some(digest.to_string()))
        };
        let key = match verified {
            Verified::By(key) => key.to_string(),
            Verified::Unsigned => anyhow::bail!("a key was asked for, and none was looked for"),
        };
        context.show(&Trusted { subject: self.what, digest, key })
    }
}
