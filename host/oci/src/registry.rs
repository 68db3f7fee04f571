//! How registries are reached.

use std::path::PathBuf;

use crate::credentials::{self, Login};
use crate::error::OciError;
use crate::http::{Tls, Transport};
use crate::reference::Reference;

/// Docker's registry is not where its name says.
const DOCKER: (&str, &str, &str) = ("docker.io", "registry-1.docker.io", "index.docker.io");

/// What an operator says about registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// PEM file of certificate authorities that count beside the system's.
    pub ca: Option<PathBuf>,
    /// Registries (host and port) that may be spoken to without TLS, beside those on this machine; `*` for all.
    pub insecure: Vec<String>,
    /// Credentials in the form of docker's `config.json`; none looks where docker does.
    pub credentials: Option<PathBuf>,
}

/// All registries: TLS and credentials.
#[derive(Clone)]
pub struct Registries {
    pub(crate) transport: Transport,
    settings: Settings,
}

impl Registries {
    /// Reads the certificate authorities. Credentials are read when they are needed, so that a new login counts at once.
    pub fn new(settings: Settings) -> Result<Self, OciError> {
        let tls = Tls::new(settings.ca.as_deref())?;
        Ok(Self { transport: Transport { tls }, settings })
    }

    /// Whether a registry may be spoken to without TLS.
    pub(crate) fn may_be_plain(&self, reference: &Reference) -> bool {
        let named = |host: &String| host == "*" || host == reference.registry();
        reference.is_loopback() || self.settings.insecure.iter().any(named)
    }

    /// Host and port to connect to.
    pub(crate) fn endpoint(reference: &Reference) -> &str {
        if reference.registry() == DOCKER.0 { DOCKER.1 } else { reference.registry() }
    }

    /// The login for a registry.
    pub(crate) fn login(&self, reference: &Reference) -> Result<Option<Login>, OciError> {
        let Some(file) = self.settings.credentials.clone().or_else(credentials::usual_file) else {
            return Ok(None);
        };
        let registry = if reference.registry() == DOCKER.0 { DOCKER.2 } else { reference.registry() };
        Ok(credentials::find(&file, registry)?)
    }
}

impl std::fmt::Debug for Registries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registries").field("settings", &self.settings).finish_non_exhaustive()
    }
}
