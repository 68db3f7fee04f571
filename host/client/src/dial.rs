//! Connections to daemons that are not reached by a unix socket.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// Both directions of a connection.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// A connection that is being opened.
pub type Dialed<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Connection>>> + Send + 'a>>;

/// Opens connections to one daemon.
pub trait Dial: Debug + Send + Sync {
    /// Opens one; the other end is known to be the daemon.
    fn dial(&self) -> Dialed<'_>;
}
