//! What the verbs ask of the host machine. Calls read or write a few files of /proc and /sys.

use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::{Error, ErrorCode};
use reeve_node::Node;

/// The host machine.
pub trait NodePort: Send + Sync {
    /// What it is.
    fn info(&self) -> Result<NodeInfo, Error>;

    /// Its memory now.
    fn memory(&self) -> Result<NodeMemory, Error>;

    /// Kernel samepage merging now.
    fn ksm(&self) -> Result<KsmState, Error>;

    /// Changes kernel samepage merging and reads it back. All of the change is checked before any of it is made.
    fn set_ksm(&self, change: KsmChange) -> Result<KsmState, Error>;
}

impl NodePort for Node {
    fn info(&self) -> Result<NodeInfo, Error> {
        Ok(Node::info(self))
    }

    fn memory(&self) -> Result<NodeMemory, Error> {
        Node::memory(self).map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))
    }

    fn ksm(&self) -> Result<KsmState, Error> {
        Ok(Node::ksm(self)?)
    }

    fn set_ksm(&self, change: KsmChange) -> Result<KsmState, Error> {
        Ok(Node::set_ksm(self, change)?)
    }
}
