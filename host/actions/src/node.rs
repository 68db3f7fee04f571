//! Verbs on the host machine (guide 14.7, 14.16.2, ch. 7).

use reeve_model::domain::{CpuConfig, CpuTopology};
use reeve_model::node::{
    KsmChange, KsmState, NodeCell, NodeCpuTime, NodeCpus, NodeInfo, NodeMemory, NodeSuspend,
};
use reeve_model::node_device::{NodeCapability, NodeDevice};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_node::cpu::HostCpu;
use reeve_xml::capabilities::{self, Capabilities};

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

    /// CPUs of the host.
    pub fn node_cpus(&self, actor: &Actor) -> Result<NodeCpus, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        self.node.cpus()
    }

    /// What one CPU of the host did since it was started, or all together.
    pub fn node_cpu_time(&self, actor: &Actor, cpu: Option<u32>) -> Result<NodeCpuTime, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        self.node.cpu_time(cpu)?.ok_or_else(|| {
            let message =
                format!("CPU {} of the host does not run, or there is none", cpu.unwrap_or_default());
            Error::new(ErrorCode::NotFound, message).with_hint("'reeve node cpumap' shows those that run")
        })
    }

    /// NUMA cells of the host by number.
    pub fn node_cells(&self, actor: &Actor) -> Result<Vec<NodeCell>, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        self.node.cells()
    }

    /// What the host is and can run, as libvirt's document.
    pub fn capabilities(&self, actor: &Actor) -> Result<String, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        let (info, cells) = (self.node.info()?, self.node.cells()?);
        let host = HostCpu::read(reeve_sys::cpuid::read);
        let topology = CpuTopology {
            sockets: info.sockets,
            cores: info.cores_per_socket,
            threads: info.threads_per_core,
        };
        // A CPU that is like none of the models is told without one.
        let described = host.describe().unwrap_or_default();
        let cpu = CpuConfig { vendor: Some(host.vendor), topology: Some(topology), ..described };
        Ok(capabilities::format(&Capabilities { info: &info, cpu: &cpu, cells: &cells }))
    }

    /// Devices of the host by name, the host itself first.
    pub fn node_devices(&self, actor: &Actor) -> Result<Vec<NodeDevice>, Error> {
        self.authorize(actor, Verb::NodeRead, "")?;
        self.node.devices()
    }

    /// What a device of the host is, as a document. It goes by its name, or by the names of a port of Fibre Channel, `WWNN,WWPN`.
    pub fn node_device_xml(&self, actor: &Actor, key: &str) -> Result<String, Error> {
        let is_meant = |device: &NodeDevice| match &device.capability {
            NodeCapability::ScsiHost { fc_host: Some(port), .. } => {
                device.name == key || key.split_once(',') == Some((port.wwnn.as_str(), port.wwpn.as_str()))
            }
            _ => device.name == key,
        };
        let device = self.node_devices(actor)?.into_iter().find(is_meant).ok_or_else(|| {
            let message = format!("the host has no device '{key}'");
            Error::new(ErrorCode::NotFound, message).with_hint("'reeve nodedev list' shows all devices")
        })?;
        Ok(reeve_xml::node_device::format(&device))
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

    /// Sends the host to sleep until its clock wakes it. Guests stand still with it.
    pub fn suspend_node(&self, actor: &Actor, wanted: NodeSuspend) -> Result<(), Error> {
        self.authorize(actor, Verb::NodeSuspend, "")?;
        self.node.sleep(wanted)?;
        let NodeSuspend { target, duration } = wanted;
        tracing::warn!(%actor, %target, duration, "the host is about to sleep");
        Ok(())
    }
}
