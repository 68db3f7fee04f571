//! I/O threads that come and go while the machine is there.

use super::{Life, machine_failure};
use crate::config::{IothreadConfig, VmConfig};
use crate::machine::MachineError;
use crate::protocol::Failure;

impl Life {
    /// Starts an I/O thread. One that is there stays: a daemon that was killed before it could write it down adds it once more.
    pub(in crate::worker) fn add_iothread(&mut self, id: u32) -> Result<(), Failure> {
        self.attend();
        self.machine()?;
        let mut config = self.launched_config()?;
        if config.iothreads.iter().any(|thread| thread.id == id) {
            return Ok(());
        }
        config.iothreads.push(IothreadConfig { id, cpus: Vec::new() });
        config.validate().map_err(MachineError::from).map_err(machine_failure)?;
        self.machine_mut()?.add_iothread(id).map_err(machine_failure)?;
        self.config = Some(config);
        Ok(())
    }

    /// Ends an I/O thread that serves no device. One that is gone is no error, for the same reason.
    pub(in crate::worker) fn remove_iothread(&mut self, id: u32) -> Result<(), Failure> {
        self.attend();
        self.machine()?;
        if let Some(alias) = self.config.as_ref().and_then(|config: &VmConfig| config.on_iothread(id)) {
            let alias = alias.to_owned();
            return Err(machine_failure(MachineError::IothreadInUse { id, alias }));
        }
        self.machine_mut()?.remove_iothread(id);
        if let Some(config) = &mut self.config {
            config.iothreads.retain(|thread| thread.id != id);
        }
        Ok(())
    }
}
