//! A guest that suspended itself to memory, and how it wakes up.
//!
//! Memory stays, with what the guest has put into the FACS: where it wants to go on. Everything else is as after a reset, which the guest
//! expects: devices have lost their state, all vCPUs but the first one wait to be started.

use std::sync::atomic::Ordering;

use vm_memory::{Bytes, GuestAddress};

use super::{Machine, MachineError};
use crate::acpi;
use crate::hypervisor::BootState;

/// Memory below this can be entered in real mode.
const REAL_MODE_END: u32 = 0x10_0000;

impl Machine {
    /// The guest sleeps: its vCPUs stand, and only its real-time clock goes on, which may wake it.
    pub fn sleep(&self) {
        self.pause();
        self.sleeps.store(true, Ordering::SeqCst);
        self.rtc.iter().for_each(|rtc| rtc.go_on());
    }

    /// Whether something has happened that a guest which sleeps wants to be woken by.
    pub fn is_to_wake(&self) -> bool {
        self.power.is_to_wake()
    }

    /// Wakes a guest that sleeps, and leaves it standing. One that did not say where to go on boots again. After an error it can't run any more.
    pub fn wake(&self) -> Result<(), MachineError> {
        let vector = self.waking_vector();
        let Some(boot) = vector else { return self.reset() };
        self.sleeps.store(false, Ordering::SeqCst);
        self.pause();
        self.devices.reset();
        self.serials.iter().for_each(|serial| serial.reset());
        self.power.wake();
        self.vm.restore(&self.power_on)?;
        Ok(self.gate.reset(boot)?)
    }

    /// Where the guest wants to go on (ACPI 5.2.10): the 64-bit vector is entered in protected mode, the other one in real mode.
    fn waking_vector(&self) -> Option<BootState> {
        let facs = acpi::facs();
        let wide: u64 = self.ram.read_obj(GuestAddress(facs + acpi::X_WAKING_VECTOR)).ok()?;
        let vector: u32 = self.ram.read_obj(GuestAddress(facs + acpi::WAKING_VECTOR)).ok()?;
        match (wide, vector) {
            (1..=0xffff_ffff, _) => Some(BootState::Protected { entry: wide }),
            (_, 1..REAL_MODE_END) => Some(BootState::Real { entry: vector }),
            _ => None,
        }
    }
}
