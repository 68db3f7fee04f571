//! What can go wrong with pools and volumes.

use std::io;
use std::path::PathBuf;

use reeve_model::{Error, ErrorCode};
use reeve_sys::process::RunError;

/// A pool or a volume could not be had or changed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// What was asked for can't be.
    #[error("{subject}: {reason}")]
    Invalid {
        /// What it is about, e.g. "volume 'a' of pool 'images'".
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
    /// Something is in its way.
    #[error("{subject}: {reason}")]
    Conflict {
        /// What it is about.
        subject: String,
        /// What is in the way.
        reason: String,
    },
    /// The pool does not run.
    #[error("storage pool '{0}' is not active")]
    NotActive(String),
    /// The pool runs already.
    #[error("storage pool '{0}' is active already")]
    Active(String),
    /// There is no such thing.
    #[error("{0} is not there")]
    Missing(String),
    /// The medium is full; what was taken for this is given back.
    #[error("{subject}: there is no room for {bytes} bytes; free some, or make it sparse")]
    Full {
        /// What it is about.
        subject: String,
        /// What was needed.
        bytes: u64,
    },
    /// It was told to stop.
    #[error("{0}: it was cancelled")]
    Cancelled(String),
    /// A file or device of it can't be used.
    #[error("'{path}' can't be {step}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was to be done.
        step: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// An image refused, or could not be made.
    #[error(transparent)]
    Image(#[from] reeve_image::ImageError),
    /// A program of the host refused.
    #[error("{subject}: {program} says: {complaint}")]
    Program {
        /// What it is about.
        subject: String,
        /// Name of the program.
        program: &'static str,
        /// The first line of what it complained.
        complaint: String,
    },
    /// A program did not come to its end.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl StorageError {
    /// The stable code of it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid { .. } => ErrorCode::Invalid,
            Self::Unsupported { .. } => ErrorCode::Unsupported,
            Self::Conflict { .. }
            | Self::NotActive(_)
            | Self::Active(_)
            | Self::Full { .. }
            | Self::Cancelled(_) => ErrorCode::WrongState,
            Self::Missing(_) => ErrorCode::NotFound,
            _ => ErrorCode::Internal,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, step: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.into(), step, source }
    }

    /// As [`Self::file`]; a full medium is told as such.
    pub(crate) fn written(subject: &str, bytes: u64) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { subject: subject.to_owned(), bytes }
            }
            _ => Self::File { path: subject.into(), step: "written", source },
        }
    }

    pub(crate) fn invalid(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { subject: subject.into(), reason: reason.into() }
    }

    pub(crate) fn unsupported(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { subject: subject.into(), reason: reason.into() }
    }

    pub(crate) fn conflict(subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Conflict { subject: subject.into(), reason: reason.into() }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::caused(error.code(), &error)
    }
}
