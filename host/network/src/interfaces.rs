//! The host's own interfaces (guide 14.15.1).

use std::sync::Arc;

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceSummary};
use serde::{Deserialize, Serialize};

use crate::{Host, NetworkError};

/// How `iface-bridge` makes its bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgeOptions {
    /// Whether it speaks the spanning tree protocol.
    pub stp: bool,
    /// How long a new port waits before it forwards, in seconds.
    pub delay_s: u32,
    /// Whether it is set up at once.
    pub start: bool,
}

impl Default for BridgeOptions {
    /// Spanning tree, no delay, started (guide 14.15.1).
    fn default() -> Self {
        Self { stp: true, delay_s: 0, start: true }
    }
}

/// The links, addresses and routes of a host at one moment, to be kept until the change is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSnapshot {}

/// The interfaces of the host. Documents of interfaces that are defined are the caller's to keep.
pub struct HostInterfaces {}

impl HostInterfaces {
    /// Those of a host.
    pub fn new(_host: Arc<Host>) -> Self {
        todo!()
    }

    /// The interfaces there are and those that are only `defined`; ports of guests and bridges of networks are not among them.
    pub fn list(&self, _defined: &[HostInterfaceConfig]) -> Result<Vec<HostInterfaceSummary>, NetworkError> {
        todo!()
    }

    /// An interface as it is now.
    pub fn current(&self, _name: &str) -> Result<HostInterfaceConfig, NetworkError> {
        todo!()
    }

    /// Makes a defined interface what its document says and sets it up. When a step fails, nothing of it stays.
    pub fn start(&self, _config: &HostInterfaceConfig) -> Result<(), NetworkError> {
        todo!()
    }

    /// Takes an interface down; a bridge is deleted.
    pub fn destroy(&self, _name: &str) -> Result<(), NetworkError> {
        todo!()
    }

    /// Puts a link into a new bridge, which takes over its addresses and routes; the document of the bridge.
    pub fn bridge(
        &self,
        _link: &str,
        _bridge: &str,
        _options: BridgeOptions,
    ) -> Result<HostInterfaceConfig, NetworkError> {
        todo!()
    }

    /// Deletes a bridge and gives its addresses and routes to its one port; the document of the port. `start` sets the port up again.
    pub fn unbridge(&self, _bridge: &str, _start: bool) -> Result<HostInterfaceConfig, NetworkError> {
        todo!()
    }

    /// What [`HostInterfaces::rollback`] goes back to.
    pub fn snapshot(&self) -> Result<HostSnapshot, NetworkError> {
        todo!()
    }

    /// Makes the host's interfaces what they were. Goes on when something fails and tells the first failure.
    pub fn rollback(&self, _snapshot: &HostSnapshot) -> Result<(), NetworkError> {
        todo!()
    }
}
