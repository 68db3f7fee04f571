//! Verbs on the host machine (guide 14.7.1, ch. 7).

use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::{Actor, Error, Verb};

use crate::Actions;

impl Actions {
    /// What the host is.
    pub fn node_info(&self, actor: &Actor) -> Result<NodeInfo, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        self.node.info()
    }

    /// Memory of the host now.
    pub fn node_memory(&self, actor: &Actor) -> Result<NodeMemory, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        self.node.memory()
    }

    /// Kernel samepage merging now.
    pub fn ksm(&self, actor: &Actor) -> Result<KsmState, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        self.node.ksm()
    }

    /// Changes kernel samepage merging; the state afterwards.
    pub fn set_ksm(&self, actor: &Actor, change: KsmChange) -> Result<KsmState, Error> {
        self.authorize(actor, Verb::KsmWrite, "")?;
        let state = self.node.set_ksm(change)?;
        tracing::info!(%actor, ?change, "kernel samepage merging changed");
        Ok(state)
    }
}
