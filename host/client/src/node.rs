//! The host machine.

use hyper::Method;
use reeve_model::node::{
    CpuComparison, CpuModel, KsmChange, KsmState, NodeCell, NodeCpuFilter, NodeCpuTime, NodeCpus, NodeInfo,
    NodeMemory, NodeSuspend,
};
use reeve_model::node_device::NodeDevice;

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

    /// CPUs of the host.
    pub async fn node_cpus(&self) -> Result<NodeCpus, ClientError> {
        self.call(Method::GET, Target::new(&["node", "cpus"]), Payload::Empty).await
    }

    /// What one CPU of the host did since it was started, or all together.
    pub async fn node_cpu_stats(&self, filter: NodeCpuFilter) -> Result<NodeCpuTime, ClientError> {
        let target = Target::new(&["node", "cpu-stats"]).with_fields(&filter);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// NUMA cells of the host and their memory.
    pub async fn node_cells(&self) -> Result<Vec<NodeCell>, ClientError> {
        self.call(Method::GET, Target::new(&["node", "cells"]), Payload::Empty).await
    }

    /// Devices of the host by name, the host itself first.
    pub async fn node_devices(&self) -> Result<Vec<NodeDevice>, ClientError> {
        self.call(Method::GET, Target::new(&["node", "devices"]), Payload::Empty).await
    }

    /// What a device of the host is, as XML text.
    pub async fn node_device_xml(&self, device: &str) -> Result<String, ClientError> {
        let target = Target::new(&["node", "devices", device, "xml"]);
        self.text_of(Method::GET, target, Payload::Empty).await
    }

    /// What the host is and can run, as XML text.
    pub async fn capabilities(&self) -> Result<String, ClientError> {
        self.text_of(Method::GET, Target::new(&["node", "capabilities"]), Payload::Empty).await
    }

    /// Models of CPUs that a document may name.
    pub async fn cpu_models(&self) -> Result<Vec<CpuModel>, ClientError> {
        self.call(Method::GET, Target::new(&["node", "cpu-models"]), Payload::Empty).await
    }

    /// Compares the CPU that `xml` describes with that of the host.
    pub async fn compare_cpu(&self, xml: &str) -> Result<CpuComparison, ClientError> {
        self.call(Method::POST, Target::new(&["node", "cpu-compare"]), Payload::Xml(xml)).await
    }

    /// The CPU that all CPUs that `xml` describes can be, as XML text.
    pub async fn baseline_cpu(&self, xml: &str) -> Result<String, ClientError> {
        self.text_of(Method::POST, Target::new(&["node", "cpu-baseline"]), Payload::Xml(xml)).await
    }

    /// State of kernel samepage merging.
    pub async fn ksm(&self) -> Result<KsmState, ClientError> {
        self.call(Method::GET, Target::new(&["node", "ksm"]), Payload::Empty).await
    }

    /// Changes kernel samepage merging; gives the state afterwards.
    pub async fn set_ksm(&self, change: &KsmChange) -> Result<KsmState, ClientError> {
        self.call(Method::PATCH, Target::new(&["node", "ksm"]), Payload::json(change)?).await
    }

    /// Sends the host to sleep until its clock wakes it.
    pub async fn suspend_node(&self, request: &NodeSuspend) -> Result<(), ClientError> {
        let target = Target::new(&["node", "suspend"]);
        self.send(Method::POST, target, Payload::json(request)?).await.map(drop)
    }
}
