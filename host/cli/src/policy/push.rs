//! `reeve policy push`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use reeve_oci::Access;
use reeve_package::manifest::Manifest;
use reeve_package::{component, section};
use serde::Serialize;

use super::registry::{RegistryArgs, plain, reference};
use crate::context::{Context, read_bytes};
use crate::exit::Invalid;
use crate::output::Show;

/// Options of `reeve policy push`.
#[derive(Debug, Args)]
#[command(after_help = "\
Credentials are those of docker's config.json ($DOCKER_CONFIG, else ~/.docker), which 'docker login' and 'podman login' write.
The same component gives the same artifact again, wherever it is pushed. Needs no daemon.

Examples:
  reeve policy push naming.wasm registry.example.org/policies/naming:0.1.0
  reeve policy push naming.wasm 127.0.0.1:5000/naming:0.1.0")]
pub struct Push {
    /// A policy component
    file: PathBuf,
    /// Where to: REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "REF")]
    to: String,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// What was pushed.
#[derive(Serialize)]
struct Pushed {
    reference: String,
    digest: String,
    bytes: u64,
}

impl Show for Pushed {
    const ELEMENT: &'static str = "artifact";

    fn human(&self) -> String {
        format!("Pushed {}\nDigest {}", self.reference, self.digest)
    }
}

impl Push {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let component = read_bytes(&self.file)?;
        let file = self.file.display();
        let is_component = component::is_component(&component).unwrap_or(false);
        let json = section::find(&component).ok().flatten().filter(|_| is_component).ok_or_else(|| {
            Invalid(format!("'{file}' is not a policy: it is no component with a manifest"))
        })?;
        let manifest =
            Manifest::parse(json).map_err(|error| Invalid(format!("'{file}' is not a policy: {error}")))?;
        let to = reference(&self.to)?;
        let registries = self.registry.registries()?;
        let session = registries.open(&to, Access::Push).await.map_err(plain)?;
        let bytes = component.len() as u64;
        let author = Some(manifest.author.clone()).filter(|author| !author.is_empty());
        let artifact = session.push(component, author, annotations(&manifest)).await.map_err(plain)?;
        context.show(&Pushed { reference: to.to_string(), digest: artifact.digest.to_string(), bytes })
    }
}

/// What registries show of an artifact.
fn annotations(manifest: &Manifest) -> BTreeMap<String, String> {
    let texts = [
        ("title", &manifest.name),
        ("version", &manifest.version),
        ("description", &manifest.description),
        ("licenses", &manifest.licence),
        ("authors", &manifest.author),
    ];
    let given = texts.into_iter().filter(|(_, text)| !text.is_empty());
    given.map(|(key, text)| (format!("org.opencontainers.image.{key}"), text.clone())).collect()
}
