//! What all commands that speak to a registry have in common.

use std::path::PathBuf;

use clap::Args;
use reeve_oci::{OciError, Reference, Registries, Settings};

/// How a registry is reached.
#[derive(Debug, Args)]
pub struct RegistryArgs {
    /// Certificate authorities (PEM) that count beside the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Speak plain HTTP where the registry has no TLS; registries on this machine may always do without
    #[arg(long)]
    insecure: bool,
}

impl RegistryArgs {
    /// Registries as the options say.
    pub(super) fn registries(self) -> anyhow::Result<Registries> {
        let insecure = if self.insecure { vec!["*".to_owned()] } else { Vec::new() };
        Registries::new(Settings { ca: self.ca, insecure, credentials: None }).map_err(plain)
    }
}

/// An artifact on the command line.
pub(super) fn reference(text: &str) -> anyhow::Result<Reference> {
    text.parse::<Reference>().map_err(plain)
}

/// The error with its code and its hint, as the daemon would tell it.
pub(super) fn plain(error: impl Into<OciError>) -> anyhow::Error {
    reeve_model::Error::from(error.into()).into()
}
