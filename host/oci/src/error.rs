//! What goes wrong between a name and a component, and how operators see it.

use reeve_model::{Error, ErrorCode};

use crate::credentials::CredentialsError;
use crate::digest::Digest;
use crate::http::{CaError, TransportError};
use crate::key::KeyError;
use crate::manifest::ManifestError;
use crate::reference::ReferenceError;
use crate::store::StoreError;
use crate::trust::TrustError;

/// Why an artifact is not pulled, pushed, signed or trusted.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// The name is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The registry does not answer, or answers no HTTP.
    #[error("registry {0}")]
    Transport(#[from] TransportError),
    /// The private certificate authorities are no good.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The credentials are no good.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// A key is no good.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The registry has no TLS and is not on this machine.
    #[error("registry '{0}' speaks plain HTTP, which is for registries on this machine only")]
    Plain(String),
    /// The registry does not let us.
    #[error("registry '{registry}' refuses access to '{repository}': {why}")]
    Unauthorized {
        /// Host and port.
        registry: String,
        /// Which repository.
        repository: String,
        /// With or without credentials.
        why: &'static str,
    },
    /// There is no such artifact.
    #[error("there is no artifact '{0}'")]
    NotFound(String),
    /// Some other answer than what was asked for.
    #[error("registry '{registry}' answers {status} when asked {doing}{detail}")]
    Status {
        /// Host and port.
        registry: String,
        /// HTTP status.
        status: u16,
        /// What was asked.
        doing: &'static str,
        /// What it says about it, with a separator before it, or nothing.
        detail: String,
    },
    /// Its answer cannot be understood.
    #[error("registry '{registry}' breaks the protocol: {reason}")]
    Protocol {
        /// Host and port.
        registry: String,
        /// How.
        reason: String,
    },
    /// A redirect that is not followed.
    #[error("registry '{registry}' redirects to '{to}', which is not followed: {reason}")]
    Redirect {
        /// Host and port.
        registry: String,
        /// Where to.
        to: String,
        /// Why not.
        reason: &'static str,
    },
    /// A redirect to a host that asks for credentials.
    #[error(
        "registry '{registry}' redirects to '{to}', which asks for credentials; those of the registry are not for it"
    )]
    RedirectDenied {
        /// Host and port.
        registry: String,
        /// Host and port of the other.
        to: String,
    },
    /// More bytes than were announced or allowed.
    #[error("the {what} of '{name}' is larger than {limit} bytes")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// Of which artifact.
        name: String,
        /// How many it may have.
        limit: u64,
    },
    /// Fewer bytes than were announced.
    #[error("the {what} of '{name}' is truncated: {found} of {size} bytes")]
    Truncated {
        /// Which part.
        what: &'static str,
        /// Of which artifact.
        name: String,
        /// How many there are.
        found: u64,
        /// How many there should be.
        size: u64,
    },
    /// Other bytes than were asked for.
    #[error("the {what} of '{name}' was changed: its digest is {found}, not {wanted}")]
    Changed {
        /// Which part.
        what: &'static str,
        /// Of which artifact.
        name: String,
        /// The digest of what came.
        found: Digest,
        /// The digest that was asked for.
        wanted: Digest,
    },
    /// It is something else than a policy.
    #[error("'{name}' is not a policy: {source}")]
    Manifest {
        /// Which artifact.
        name: String,
        /// What is wrong.
        source: ManifestError,
    },
    /// It is not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The local store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A push that says no tag.
    #[error("'{0}' has no tag: what is pushed needs one, its digest is what it is")]
    NoTag(String),
}

impl OciError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) => ErrorCode::NotFound,
            Self::Transport(TransportError::Slow { .. }) => ErrorCode::Deadline,
            Self::Unauthorized { .. } | Self::Trust(_) | Self::Plain(_) => ErrorCode::Denied,
            Self::Store(_) => ErrorCode::Internal,
            Self::Transport(_) | Self::Status { .. } => ErrorCode::WrongState,
            _ => ErrorCode::Invalid,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Transport(TransportError::Tls { .. }) => {
                "name the certificate authority of a private registry with --ca, or in 'policies.registries.ca'"
            }
            Self::Plain(_) => "allow it with --insecure, or in 'policies.registries.insecure'",
            Self::Unauthorized { .. } => {
                "'docker login' or 'podman login' keeps credentials where they are looked for"
            }
            Self::Credentials(CredentialsError::Helper { .. }) => {
                "write them into 'auths' of a file of their own, and name its directory with DOCKER_CONFIG"
            }
            Self::Key(KeyError::Exposed { .. }) => "take the others' rights away with 'chmod 600'",
            Self::Trust(TrustError::NoRule(_)) => {
                "add a rule for it to 'policies.trust.rules', or take it as it is with --allow-unsigned"
            }
            _ => return None,
        })
    }
}

impl From<OciError> for Error {
    fn from(error: OciError) -> Self {
        let plain = Self::caused(error.code(), &error);
        match error.hint() {
            Some(hint) => plain.with_hint(hint),
            None => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_sees_one_sentence_and_a_way_out() {
        let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = OciError::from(TransportError::Connect { host: "a.example.org".into(), source });
        assert_eq!(
            Error::from(error),
            Error::new(
                ErrorCode::WrongState,
                "registry 'a.example.org' cannot be reached: connection refused"
            )
        );
        let error = Error::from(OciError::from(TrustError::NoRule("a.example.org/x".into())));
        assert_eq!(error.code, ErrorCode::Denied);
        assert!(error.hint.is_some_and(|hint| hint.contains("--allow-unsigned")));
    }
}
