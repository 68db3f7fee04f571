//! What can go wrong in a call.

use std::path::PathBuf;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers on the socket.
    #[error("cannot reach the daemon on {}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The daemon answered with an error of its own.
    #[error(transparent)]
    Refused(#[from] reeve_model::Error),
    /// The connection broke in the middle of a call.
    #[error("the connection to the daemon broke")]
    Broken(#[from] hyper::Error),
    /// The answer is not what this version of the client understands.
    #[error("the daemon's answer is not understood: {detail}")]
    Protocol {
        /// What is wrong with it.
        detail: String,
    },
}

impl ClientError {
    pub(crate) fn protocol(detail: impl std::fmt::Display) -> Self {
        Self::Protocol { detail: detail.to_string() }
    }

    /// The server's error, when the call got that far.
    pub fn refusal(&self) -> Option<&reeve_model::Error> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }
}
