//! What can go wrong with networks.

use std::io;
use std::path::PathBuf;

use reeve_model::{Error, ErrorCode};
use reeve_sys::link::{LinkError, NameError};
use reeve_sys::nft::NftError;
use reeve_sys::process::{RunError, SpawnError};
use reeve_sys::sysctl::SysctlError;
use reeve_sys::traffic::TrafficError;

/// A network, a port or an interface of the host could not be had or changed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The document can't be carried out anywhere.
    #[error("{subject}: {reason}")]
    Invalid {
        /// What it is about, e.g. "network 'default'".
        subject: String,
        /// Why not, and how to mend it.
        reason: String,
    },
    /// This host or version can't do it.
    #[error("{subject}: {reason}")]
    Unsupported {
        /// What it is about.
        subject: String,
        /// Why not.
        reason: String,
    },
    /// Something on the host is in its way.
    #[error("{subject}: {reason}")]
    Conflict {
        /// What it is about.
        subject: String,
        /// What is in the way.
        reason: String,
    },
    /// The network does not run.
    #[error("network '{0}' is not active")]
    NotActive(String),
    /// The network runs already.
    #[error("network '{0}' is active already")]
    Active(String),
    /// Something it names is not there.
    #[error("{subject}: {what} is not there")]
    Missing {
        /// What it is about.
        subject: String,
        /// What is missing.
        what: String,
    },
    /// dnsmasq does not come up.
    #[error("dnsmasq of network '{network}' can't be started: {reason}")]
    Service {
        /// The network.
        network: String,
        /// What it said.
        reason: String,
    },
    /// A file of it can't be used.
    #[error("'{path}' can't be {step}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was to be done.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// A text is no name of a link.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A link could not be changed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The packet filter refused.
    #[error(transparent)]
    Rules(#[from] NftError),
    /// Limits were refused.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// A setting of the kernel could not be set.
    #[error(transparent)]
    Setting(#[from] SysctlError),
    /// A program can't be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// A program did not come to its end.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl NetworkError {
    /// The stable code of it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid { .. } | Self::Name(_) | Self::Traffic(TrafficError::Limits { .. }) => {
                ErrorCode::Invalid
            }
            Self::Unsupported { .. } | Self::Link(LinkError::Unsupported { .. }) => ErrorCode::Unsupported,
            Self::Conflict { .. }
            | Self::NotActive(_)
            | Self::Active(_)
            | Self::Link(LinkError::Exists { .. }) => ErrorCode::WrongState,
            Self::Missing { .. } | Self::Link(LinkError::Missing { .. }) => ErrorCode::NotFound,
            _ => ErrorCode::Internal,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.into(), step, source }
    }
}

impl From<NetworkError> for Error {
    fn from(error: NetworkError) -> Self {
        Self::caused(error.code(), &error)
    }
}
