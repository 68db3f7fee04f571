//! What the verbs ask of the host machine. Calls read or write a few files of /proc and /sys.

use reeve_model::node::{
    KsmChange, KsmState, NodeCell, NodeCpuTime, NodeCpus, NodeInfo, NodeMemory, NodeSuspend,
};
use reeve_model::node_device::NodeDevice;
use reeve_model::{Error, ErrorCode};
use reeve_node::Node;

/// The host machine.
pub trait NodePort: Send + Sync {
    /// What it is.
    fn info(&self) -> Result<NodeInfo, Error>;

    /// Its memory now.
    fn memory(&self) -> Result<NodeMemory, Error>;

    /// Its CPUs.
    fn cpus(&self) -> Result<NodeCpus, Error>;

    /// What one CPU did since it was started, or all together; none when that CPU does not run.
    fn cpu_time(&self, cpu: Option<u32>) -> Result<Option<NodeCpuTime>, Error>;

    /// Its NUMA cells by number, one at least.
    fn cells(&self) -> Result<Vec<NodeCell>, Error>;

    /// Its devices by name, the machine itself first.
    fn devices(&self) -> Result<Vec<NodeDevice>, Error>;

    /// Kernel samepage merging now.
    fn ksm(&self) -> Result<KsmState, Error>;

    /// Changes kernel samepage merging and reads it back. All of the change is checked before any of it is made.
    fn set_ksm(&self, change: KsmChange) -> Result<KsmState, Error>;

    /// Sends it to sleep a moment later, with its clock set to wake it.
    fn sleep(&self, wanted: NodeSuspend) -> Result<(), Error>;
}

impl NodePort for Node {
    fn info(&self) -> Result<NodeInfo, Error> {
        Ok(Node::info(self))
    }

    fn memory(&self) -> Result<NodeMemory, Error> {
        Node::memory(self).map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))
    }

    fn cpus(&self) -> Result<NodeCpus, Error> {
        Ok(Node::cpus(self))
    }

    fn cpu_time(&self, cpu: Option<u32>) -> Result<Option<NodeCpuTime>, Error> {
        Node::cpu_time(self, cpu).map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))
    }

    fn cells(&self) -> Result<Vec<NodeCell>, Error> {
        Node::cells(self).map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))
    }

    fn devices(&self) -> Result<Vec<NodeDevice>, Error> {
        Ok(Node::devices(self))
    }

    fn ksm(&self) -> Result<KsmState, Error> {
        Ok(Node::ksm(self)?)
    }

    fn set_ksm(&self, change: KsmChange) -> Result<KsmState, Error> {
        Ok(Node::set_ksm(self, change)?)
    }

    fn sleep(&self, wanted: NodeSuspend) -> Result<(), Error> {
        Ok(Node::sleep(self, wanted)?)
    }
}
