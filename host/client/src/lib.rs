//! Typed client of the API socket.
//!
//! Every call opens its own connection to the unix socket: it is local, costs microseconds, and leaves nothing to keep alive
//! between calls or across a restart of the daemon. Event streams and consoles keep theirs until they are dropped.
#![forbid(unsafe_code)]

mod agent;
mod artifact;
mod block_job;
mod connection;
mod console;
mod dial;
mod disk;
mod domain;
mod dump;
mod error;
mod events;
mod interface;
mod leash;
mod migration;
mod network;
mod node;
mod policy;
mod pool;
mod query;
mod record;
mod save;
mod secret;
mod snapshot;
mod task;
mod tuning;
mod volume;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use console::Console;
pub use dial::{Connection, Dial, Dialed};
pub use error::ClientError;
pub use events::{EventItem, EventStream};
pub use leash::Leash;
pub use policy::PolicyUpload;
pub use volume::Content;

/// A client of the daemon behind one socket.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    dial: Option<Arc<dyn Dial>>,
}

impl Client {
    /// A client of the daemon that listens on `socket`. Nothing is opened before the first call.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), dial: None }
    }

    /// A client of a daemon that is reached in another way than by its socket; `name` is its address for messages.
    pub fn over(name: impl Into<PathBuf>, dial: Arc<dyn Dial>) -> Self {
        Self { socket: name.into(), dial: Some(dial) }
    }

    /// The socket it talks to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}
