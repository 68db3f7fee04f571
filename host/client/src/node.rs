//! The host machine.

use hyper::Method;
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// What the host is.
    pub async fn node_info(&self) -> Result<NodeInfo, ClientError> {
        self.call(Method::GET, Target::new(&["node"]), Payload::Empty).await
    }

    /// Memory of the host now.
    pub async fn node_memory(&self) -> Result<NodeMemory, ClientError> {
        self.call(Method::GET, Target::new(&["node", "memory"]), Payload::Empty).await
    }

    /// State of kernel samepage merging.
    pub async fn ksm(&self) -> Result<KsmState, ClientError> {
        self.call(Method::GET, Target::new(&["node", "ksm"]), Payload::Empty).await
    }

    /// Changes kernel samepage merging; gives the state afterwards.
    pub async fn set_ksm(&self, change: &KsmChange) -> Result<KsmState, ClientError> {
        self.call(Method::PATCH, Target::new(&["node", "ksm"]), Payload::json(change)?).await
    }
}
