//! Threads that disks share.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ConfigError, DeviceKind, VmConfig};

/// A thread that disks can share; one that names none has a thread of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IothreadConfig {
    /// Its number, from 1, unique in the machine.
    pub id: u32,
    /// Host CPUs it may run on; empty means anywhere the process may. One that comes while the machine is there runs where the thread that
    /// makes it does, until somebody pins it.
    #[serde(default)]
    pub cpus: Vec<u32>,
}

impl IothreadConfig {
    /// Name of its thread.
    pub fn thread_name(id: u32) -> String {
        format!("{}{id}", Self::NAME)
    }

    /// What names of such threads begin with.
    pub const NAME: &str = "io";
}

impl VmConfig {
    /// Most I/O threads of a machine.
    pub const MAX_IOTHREADS: usize = 64;

    pub(super) fn validate_iothreads(&self) -> Result<(), ConfigError> {
        if self.iothreads.len() > Self::MAX_IOTHREADS {
            let reason = format!(
                "there are {}, and a guest has {} at most",
                self.iothreads.len(),
                Self::MAX_IOTHREADS
            );
            return Err(ConfigError::Iothreads(reason));
        }
        let mut seen = BTreeSet::new();
        if let Some(bad) = self.iothreads.iter().find(|thread| thread.id == 0 || !seen.insert(thread.id)) {
            let reason = format!("number {} is used twice or is 0; numbers go from 1", bad.id);
            return Err(ConfigError::Iothreads(reason));
        }
        for device in &self.devices {
            if let DeviceKind::Block(block) = &device.kind
                && let Some(missing) = block.iothread.filter(|id| !seen.contains(id))
            {
                return Err(device.invalid(format!("there is no I/O thread {missing}; add it first")));
            }
        }
        Ok(())
    }

    /// The disk that an I/O thread serves, if there is one.
    pub(crate) fn on_iothread(&self, id: u32) -> Option<&str> {
        let served =
            |kind: &DeviceKind| matches!(kind, DeviceKind::Block(block) if block.iothread == Some(id));
        self.devices.iter().find(|device| served(&device.kind)).map(|device| device.alias.as_str())
    }
}
