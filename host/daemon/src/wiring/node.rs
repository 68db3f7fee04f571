//! The host machine as the verbs ask for it.

use reeve_actions::NodePort;
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::{Error, ErrorCode};
use reeve_node::{Node, Places};

/// This machine.
#[derive(Debug)]
pub(super) struct HostNode(Node);

impl Default for HostNode {
    fn default() -> Self {
        Self(Node::new(Places::default()))
    }
}

impl NodePort for HostNode {
    fn info(&self) -> Result<NodeInfo, Error> {
        Ok(self.0.info())
    }

    fn memory(&self) -> Result<NodeMemory, Error> {
        self.0.memory().map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))
    }

    fn ksm(&self) -> Result<KsmState, Error> {
        Ok(self.0.ksm()?)
    }

    fn set_ksm(&self, change: KsmChange) -> Result<KsmState, Error> {
        Ok(self.0.set_ksm(change)?)
    }
}
