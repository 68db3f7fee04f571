//! Why a migration did not go on.

use std::io;

/// What a guest's host refused, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GuestError(pub String);

/// Why a migration did not go on.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The connection broke or was silent for too long.
    #[error("the connection to the other host is lost: {0}")]
    Link(#[from] io::Error),
    /// A stream beside the first one broke; the first one has number 1.
    #[error("stream {number} of the guest's memory is lost: {reason}")]
    Stream {
        /// Its number.
        number: u16,
        /// Why, in words.
        reason: String,
    },
    /// The other side is no migration of ours, or its bytes are damaged.
    #[error("the other host sent what is not allowed: {0}")]
    Peer(&'static str),
    /// The other side speaks no version that this one knows.
    #[error("the other host speaks versions {0} to {1} of the migration protocol, and this one knows 1")]
    Version(u16, u16),
    /// The other side said that it can't go on.
    #[error("the other host gave up: {0}")]
    Refused(String),
    /// The guest on this side can't be moved further.
    #[error("{0}")]
    Guest(#[from] GuestError),
    /// The strategy or an operator ended it.
    #[error("the migration was aborted: {0}")]
    Aborted(String),
}
