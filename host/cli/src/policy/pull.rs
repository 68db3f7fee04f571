//! `reeve policy pull`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use reeve_oci::{Access, PublicKey, Reference, verify_with};
use serde::Serialize;

use super::registry::{RegistryArgs, plain, reference};
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve policy pull`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --key nothing is downloaded before a signature by that key was found. Needs no daemon; 'reeve policy install' pulls into one.

Examples:
  reeve policy pull registry.example.org/policies/naming:0.1.0
  reeve policy pull registry.example.org/policies/naming:0.1.0 --key release.pub --file naming.wasm")]
pub struct Pull {
    /// REGISTRY/REPOSITORY:TAG, or REGISTRY/REPOSITORY@sha256:HEX
    #[arg(value_name = "REF")]
    from: String,
    /// File to write [default: the end of the repository's name and .wasm]
    #[arg(short = 'f', long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Public key (PEM) of which there must be a signature; may be repeated, one signature suffices
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What was pulled.
#[derive(Serialize)]
struct Pulled {
    reference: String,
    digest: String,
    file: PathBuf,
    bytes: u64,
}

impl Show for Pulled {
    const ELEMENT: &'static str = "artifact";

    fn human(&self) -> String {
        format!("Pulled {} ({} bytes)\nDigest {}", self.file.display(), self.bytes, self.digest)
    }
}

impl Pull {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let from = reference(&self.from)?;
        let keys: Vec<PublicKey> =
            self.keys.iter().map(|key| PublicKey::load(key).map_err(plain)).collect::<Result<_, _>>()?;
        let registries = self.registry.registries()?;
        let session = registries.open(&from, Access::Pull).await.map_err(plain)?;
        let artifact = session.resolve().await.map_err(plain)?;
        if keys.is_empty() {
            context.note("note: nobody's signature was asked for; --key does that");
        } else {
            let signatures = session.signatures(artifact.digest).await.map_err(plain)?;
            verify_with(&keys, &from.to_string(), artifact.digest, &signatures).map_err(plain)?;
        }
        let component = session.component(&artifact).await.map_err(plain)?;
        let file = self.file.unwrap_or_else(|| default_file(&from));
        write(&file, &component).with_context(|| format!("cannot write '{}'", file.display()))?;
        let bytes = component.len() as u64;
        context.show(&Pulled {
            reference: from.to_string(),
            digest: artifact.digest.to_string(),
            file,
            bytes,
        })
    }
}

fn default_file(from: &Reference) -> PathBuf {
    let last = from.repository().rsplit('/').next().unwrap_or_default();
    PathBuf::from(format!("{last}.wasm"))
}

/// Whole or not at all: a file that is there is replaced at once.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut part = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)?;
    part.write_all(bytes)?;
    part.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_repository() {
        let from = "registry.example.org/team/policies/naming:1".parse().unwrap();
        assert_eq!(default_file(&from), Path::new("naming.wasm"));
    }
}
