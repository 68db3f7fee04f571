//! Who asks for something.

use serde::{Deserialize, Serialize};

/// The one on whose behalf a verb runs; it is authorized, and named in events and in the decision log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Actor {
    /// A client of the API socket, identified by the kernel's peer credentials.
    Client {
        /// User id of the peer process.
        uid: u32,
        /// Process id of the peer process.
        pid: u32,
    },
    /// A policy that calls the host; it has what its grants give it and nothing more.
    Policy {
        /// The policy's name.
        name: String,
        /// How deep in nested host calls this call is: 1 is a call straight from a hook.
        depth: u32,
    },
    /// Another host, identified by its certificate; it may send guests and ask about them.
    Host {
        /// A name that its certificate is for.
        name: String,
    },
    /// The daemon itself: autostart, recovery, crash handling.
    Daemon,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Client { uid, pid } => write!(f, "uid {uid} (pid {pid})"),
            Self::Policy { name, .. } => write!(f, "policy '{name}'"),
            Self::Host { name } => write!(f, "host '{name}'"),
            Self::Daemon => f.write_str("daemon"),
        }
    }
}
