//! `reeve:domain/config`: a domain's configuration, read piece by piece. Needs no grant: a hook is handed what it may look at.

use std::sync::Arc;

use reeve_model::DomainState;
use reeve_model::domain::DomainConfig;
use wasmtime::component::{HasSelf, Linker, Resource};

use crate::bindings::reeve::domain::config;
use crate::call::CallState;

/// What a `domain-config` handle stands for: a snapshot.
#[derive(Clone)]
pub struct DomainView {
    pub(crate) config: Arc<DomainConfig>,
    pub(crate) state: DomainState,
}

/// The contract's form of a state.
pub(crate) fn contract_state(state: DomainState) -> config::State {
    match state {
        DomainState::Running => config::State::Running,
        DomainState::Idle => config::State::Idle,
        DomainState::Paused => config::State::Paused,
        DomainState::InShutdown => config::State::InShutdown,
        DomainState::ShutOff => config::State::ShutOff,
        DomainState::Crashed => config::State::Crashed,
        DomainState::PmSuspended => config::State::PmSuspended,
    }
}

fn contract_disk(disk: &reeve_model::domain::Disk) -> config::Disk {
    config::Disk {
        target: disk.target.clone(),
        device: disk.device.clone(),
        source: disk.source.path().map(str::to_owned),
        format: disk.driver.format.clone(),
        cache: disk.driver.cache.clone(),
        bus: disk.bus.clone(),
        readonly: disk.readonly,
        shareable: disk.shareable,
    }
}

fn contract_interface(interface: &reeve_model::domain::Interface) -> config::NetworkInterface {
    config::NetworkInterface {
        kind: interface.kind.clone(),
        source: interface.source.clone(),
        mac: interface.mac.clone(),
        target: interface.target.clone(),
        model: interface.model.clone(),
    }
}

impl CallState {
    fn read<T>(
        &mut self,
        view: &Resource<DomainView>,
        get: impl FnOnce(&DomainConfig) -> T,
    ) -> wasmtime::Result<T> {
        self.count()?;
        Ok(get(&self.table.get(view)?.config))
    }
}

impl config::Host for CallState {}

impl config::HostDomainConfig for CallState {
    fn name(&mut self, view: Resource<DomainView>) -> wasmtime::Result<String> {
        self.read(&view, |config| config.name.clone())
    }

    fn uuid(&mut self, view: Resource<DomainView>) -> wasmtime::Result<String> {
        self.read(&view, |config| config.uuid.to_string())
    }

    fn state(&mut self, view: Resource<DomainView>) -> wasmtime::Result<config::State> {
        self.count()?;
        Ok(contract_state(self.table.get(&view)?.state))
    }

    fn title(&mut self, view: Resource<DomainView>) -> wasmtime::Result<Option<String>> {
        self.read(&view, |config| config.title.clone())
    }

    fn domain_type(&mut self, view: Resource<DomainView>) -> wasmtime::Result<String> {
        self.read(&view, |config| config.domain_type.as_str().to_owned())
    }

    fn memory(&mut self, view: Resource<DomainView>) -> wasmtime::Result<u64> {
        self.read(&view, |config| config.memory.0)
    }

    fn current_memory(&mut self, view: Resource<DomainView>) -> wasmtime::Result<u64> {
        self.read(&view, |config| config.current_memory.0)
    }

    fn vcpus(&mut self, view: Resource<DomainView>) -> wasmtime::Result<u32> {
        self.read(&view, |config| config.vcpu.max)
    }

    fn current_vcpus(&mut self, view: Resource<DomainView>) -> wasmtime::Result<u32> {
        self.read(&view, |config| config.vcpu.at_boot())
    }

    fn mergeable(&mut self, view: Resource<DomainView>) -> wasmtime::Result<bool> {
        self.read(&view, |config| !config.memory_backing.nosharepages)
    }

    fn kernel(&mut self, view: Resource<DomainView>) -> wasmtime::Result<Option<String>> {
        self.read(&view, |config| config.os.kernel.clone())
    }

    fn cmdline(&mut self, view: Resource<DomainView>) -> wasmtime::Result<Option<String>> {
        self.read(&view, |config| config.os.cmdline.clone())
    }

    fn disks(&mut self, view: Resource<DomainView>) -> wasmtime::Result<Vec<config::Disk>> {
        self.read(&view, |config| config.devices.disks.iter().map(contract_disk).collect())
    }

    fn interfaces(&mut self, view: Resource<DomainView>) -> wasmtime::Result<Vec<config::NetworkInterface>> {
        self.read(&view, |config| config.devices.interfaces.iter().map(contract_interface).collect())
    }

    fn balloon(&mut self, view: Resource<DomainView>) -> wasmtime::Result<Option<config::Balloon>> {
        self.read(&view, |config| {
            config.devices.memballoon.as_ref().map(|balloon| config::Balloon {
                model: balloon.model.clone(),
                stats_period: balloon.stats_period,
            })
        })
    }

    fn rng_count(&mut self, view: Resource<DomainView>) -> wasmtime::Result<u32> {
        self.read(&view, |config| u32::try_from(config.devices.rngs.len()).unwrap_or(u32::MAX))
    }

    fn metadata(&mut self, view: Resource<DomainView>) -> wasmtime::Result<Option<String>> {
        self.read(&view, |config| config.metadata.clone())
    }

    fn xml(&mut self, view: Resource<DomainView>) -> wasmtime::Result<String> {
        self.read(&view, reeve_xml::domain::format)
    }

    fn drop(&mut self, view: Resource<DomainView>) -> wasmtime::Result<()> {
        self.table.delete(view)?;
        Ok(())
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    config::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
