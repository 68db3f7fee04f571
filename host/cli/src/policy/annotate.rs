//! `reeve policy annotate`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use reeve_package::build::write_component;
use reeve_package::{PolicyToml, component, section};

use super::build::Written;
use crate::context::{Context, read_bytes};
use crate::exit::Invalid;

/// Options of `reeve policy annotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
For components that another tool made. A manifest that is there already is replaced. Needs no daemon.

Example:
  reeve policy annotate limits.wasm --manifest policy.toml")]
pub struct Annotate {
    /// A component
    file: PathBuf,
    /// The manifest
    #[arg(long, value_name = "POLICY.TOML", default_value = "policy.toml")]
    manifest: PathBuf,
    /// Where to write the result [default: the component's own file]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Annotate {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let toml = PolicyToml::read(&self.manifest).map_err(|error| invalid(&error))?;
        let bytes = read_bytes(&self.file)?;
        let subject = || format!("'{}'", self.file.display());
        component::check(&bytes).map_err(|error| invalid(&error)).with_context(subject)?;
        let bytes = section::put(&bytes, toml.json.as_bytes()).map_err(|error| invalid(&error))?;
        let file = self.out.unwrap_or(self.file);
        write_component(&file, &bytes)?;
        context.show(&Written::new(&toml.manifest.name, &toml.manifest.version, file, &bytes))
    }
}

/// An error in what the user wrote, with its causes.
pub(super) fn invalid(error: &dyn std::error::Error) -> anyhow::Error {
    Invalid(reeve_model::sentence(error)).into()
}
