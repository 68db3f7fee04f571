//! `reeve policy sign`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use reeve_oci::{Access, PrivateKey, signature};
use serde::Serialize;

use super::registry::{RegistryArgs, plain, reference};
use crate::context::{Context, read_bytes};
use crate::output::Show;

/// Options of `reeve policy sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
An artifact's signature goes to its registry, in cosign's form, beside those of others. A file's goes to FILE.sig, where the
policy directory looks for it. Needs no daemon.

Examples:
  reeve policy sign registry.example.org/policies/naming:0.1.0 --key release
  reeve policy sign naming.wasm --key release")]
pub struct Sign {
    /// A file, or an artifact in a registry
    #[arg(value_name = "REF|FILE")]
    what: String,
    /// Private key (PEM), as 'reeve policy keygen' makes it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What was signed.
#[derive(Serialize)]
struct Signed {
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<PathBuf>,
    key: String,
}

impl Show for Signed {
    const ELEMENT: &'static str = "signature";

    fn human(&self) -> String {
        let first = match (&self.digest, &self.signature) {
            (Some(digest), _) => format!("Signed {} ({digest})", self.subject),
            (None, Some(file)) => format!("Signed {} in {}", self.subject, file.display()),
            (None, None) => format!("Signed {}", self.subject),
        };
        format!("{first}\nKey {}", self.key)
    }
}

impl Sign {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let key = PrivateKey::load(&self.key).map_err(plain)?;
        let id = key.public().id().to_string();
        let file = Path::new(&self.what);
        if file.is_file() {
            let beside = signature_file(file);
            std::fs::write(&beside, signature::sign_file(&read_bytes(file)?, &key))
                .with_context(|| format!("cannot write '{}'", beside.display()))?;
            return context.show(&Signed {
                subject: self.what,
                digest: None,
                signature: Some(beside),
                key: id,
            });
        }
        let what = reference(&self.what)?;
        let registries = self.registry.registries()?;
        let session = registries.open(&what, Access::Push).await.map_err(plain)?;
        let digest = session.resolve().await.map_err(plain)?.digest;
        session.sign(digest, &key).await.map_err(plain)?;
        context.show(&Signed {
            subject: what.to_string(),
            digest: Some(digest.to_string()),
            signature: None,
            key: id,
        })
    }
}

/// Where the signature of a file is.
pub(super) fn signature_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}
