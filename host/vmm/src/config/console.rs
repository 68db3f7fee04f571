//! Consoles, their ports and what is at the other end of them.

use serde::{Deserialize, Serialize};

use super::FdIndex;

/// A virtio console. Port 0 is the console proper; a name makes a port a channel (`/dev/virtio-ports/NAME`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Ports in order, 1 to 16.
    pub ports: Vec<ConsolePort>,
}

/// One port of a virtio console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsolePort {
    /// Name it is opened by with OpenConsole, unique among all aliases.
    pub alias: String,
    /// Name the guest sees, e.g. `org.qemu.guest_agent.0`; none for a console.
    #[serde(default)]
    pub name: Option<String>,
    /// As of a serial port.
    #[serde(default)]
    pub log: Option<FdIndex>,
    /// Who else may talk to it.
    #[serde(default)]
    pub end: ConsoleEnd,
}

/// Where the bytes of a console go on the host, when the daemon does not have it open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ConsoleEnd {
    /// Nowhere.
    #[default]
    Nobody,
    /// To who connects: one at a time, the others wait.
    Listener {
        /// A stream socket that listens.
        fd: FdIndex,
    },
    /// To one peer, until it hangs up.
    Peer {
        /// A stream socket that is connected.
        fd: FdIndex,
    },
}

/// Longest name of a port.
pub(super) const MAX_PORT_NAME: usize = 255;

/// Whether a guest can use it as a name.
pub(super) fn is_port_name(name: &str) -> bool {
    (1..=MAX_PORT_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}
