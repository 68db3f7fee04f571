//! vCPUs that come and go while the machine is there. All that there can be have their threads from the start, with affinity,
//! control groups and a filter of system calls; those that are not there stand at the gate.

use std::sync::Arc;

use super::gate::Gate;
use super::signals::Signals;
use super::vcpu_thread::VcpuThread;
use super::{Machine, MachineError};
use crate::config::ConfigError;
use crate::legacy::{CpuHotplug, CpuMask, PowerManagement, power};

impl Machine {
    /// How many vCPUs are there.
    pub fn vcpu_count(&self) -> u32 {
        self.cpus.present().count()
    }

    /// Lets vCPUs come until there are `count`, or asks the guest to let go of some; [`Signals`] tell when it does. A guest that is
    /// reset comes back without them.
    pub fn set_vcpus(&self, count: u32) -> Result<(), MachineError> {
        let (present, max) = (self.cpus.present(), self.config.vcpu_limit());
        if count == 0 {
            return Err(ConfigError::Vcpus(count).into());
        }
        if count > max {
            return Err(ConfigError::TooManyVcpus { count, max }.into());
        }
        self.cpus.request(present.count().saturating_sub(count));
        let missing = count.saturating_sub(present.count()) as usize;
        for number in (0..max).filter(|number| !present.contains(*number)).take(missing) {
            self.gate.bring(number)?;
            self.cpus.announce(number);
        }
        Ok(())
    }

    /// The guest starts without the vCPUs it was asked for.
    pub(super) fn reset_cpus(&self) {
        let gone = self.cpus.reset();
        gone.iter().for_each(|number| self.gate.take(number));
        if gone != CpuMask::default() {
            self.signals.vcpus_changed();
        }
    }

    pub(super) fn vcpus_present(&self) -> impl Iterator<Item = &VcpuThread> {
        let present = self.cpus.present();
        self.vcpus.iter().filter(move |thread| present.contains(thread.index()))
    }
}

/// The controller of a machine with the first `count` vCPUs.
pub(super) fn controller(
    count: u32,
    power: &Arc<PowerManagement>,
    gate: &Arc<Gate>,
    signals: &Arc<Signals>,
) -> Arc<CpuHotplug> {
    let (registers, gate, signals) = (Arc::clone(power), Arc::clone(gate), Arc::clone(signals));
    let bell = move || registers.ring(power::CPU_EVENT);
    CpuHotplug::new(count, bell, move |number| {
        gate.take(number);
        signals.vcpus_changed();
    })
}
