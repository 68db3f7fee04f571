//! The hot-plug controller: three registers by which host and guest agree on functions that come and go. The methods of
//! the DSDT drive them; a rung bell (a general-purpose event) makes the guest look.
//!
//! ```text
//!  offset 0  PLUGGED  read: bit n, a function came into slot n; reading clears
//!         4  LEAVING  read: bit n, the host wants slot n back, or took it; reading clears
//!         8  EJECT    write: bit n, the guest lets go of slot n; ignored unless the host asked for it
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::address::PciAddress;
use super::function::PciFunction;
use super::root::RootComplex;
use crate::bus::BusDevice;

/// Bytes of the register block.
pub const LEN: u64 = 12;
const PLUGGED: u64 = 0;
const LEAVING: u64 = 4;
const EJECT: u64 = 8;

/// A function the guest let go of. It is off the bus; whoever gets it ends it.
pub struct Ejected {
    /// The slot it was in.
    pub slot: u8,
    /// The function.
    pub function: Arc<Mutex<dyn PciFunction>>,
}

/// The registers of the controller, a bit a slot; also as they are saved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HotplugState {
    /// Slots a function came into.
    pub plugged: u32,
    /// Slots the host wants back, or took.
    pub leaving: u32,
    /// Slots the host asked for and did not get yet.
    pub requested: u32,
}

/// The controller of one root complex.
pub struct HotplugController {
    root: Arc<RootComplex>,
    registers: Mutex<HotplugState>,
    bell: Box<dyn Fn() + Send + Sync>,
    on_eject: Box<dyn Fn(Ejected) + Send + Sync>,
}

impl HotplugController {
    /// A controller for `root`. `bell` makes the guest look at the registers; `on_eject` is called in a vCPU thread.
    pub fn new(
        root: Arc<RootComplex>,
        bell: impl Fn() + Send + Sync + 'static,
        on_eject: impl Fn(Ejected) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let registers = Mutex::default();
        Arc::new(Self { root, registers, bell: Box::new(bell), on_eject: Box::new(on_eject) })
    }

    /// Tells the guest of a function that was put into a slot.
    pub fn announce(&self, slot: u8) {
        self.change(slot, |registers, bit| {
            registers.plugged |= bit;
            registers.leaving &= !bit;
            registers.requested &= !bit;
        });
    }

    /// Asks the guest to let go of a slot.
    pub fn request(&self, slot: u8) {
        self.change(slot, |registers, bit| {
            registers.leaving |= bit;
            registers.requested |= bit;
        });
    }

    /// Tells the guest of a function that was taken from it.
    pub fn announce_loss(&self, slot: u8) {
        self.change(slot, |registers, bit| {
            registers.plugged &= !bit;
            registers.leaving |= bit;
            registers.requested &= !bit;
        });
    }

    /// Whether a slot is empty and the guest knows it.
    pub fn is_free(&self, slot: u8) -> bool {
        self.lock().leaving & bit(slot) == 0 && !self.root.has_slot(slot)
    }

    /// Back to power-on. What the guest was asked for is taken off the bus: it starts without it.
    pub fn reset(&self) -> Vec<Ejected> {
        let before = std::mem::take(&mut *self.lock());
        self.detach(before.requested)
    }

    /// What to save.
    pub fn state(&self) -> HotplugState {
        *self.lock()
    }

    /// Loads saved state. There is no slot 0 that could come or go.
    pub fn restore(&self, state: &HotplugState) {
        let slots = !bit(0);
        *self.lock() = HotplugState {
            plugged: state.plugged & slots,
            leaving: state.leaving & slots,
            requested: state.requested & slots,
        };
    }

    fn change(&self, slot: u8, change: impl FnOnce(&mut HotplugState, u32)) {
        change(&mut self.lock(), bit(slot));
        (self.bell)();
    }

    fn detach(&self, slots: u32) -> Vec<Ejected> {
        let slots = (1..32u8).filter(|slot| slots & bit(*slot) != 0);
        let taken = slots.filter_map(|slot| {
            let address = PciAddress::new(0, 0, slot, 0).ok()?;
            self.root.detach(address).map(|function| Ejected { slot, function })
        });
        taken.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HotplugState> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bit of a slot; none for one that does not exist.
fn bit(slot: u8) -> u32 {
    1u32.checked_shl(slot.into()).unwrap_or(0)
}

impl BusDevice for HotplugController {
    /// Only whole registers can be read: part of one would lose the rest.
    fn read(&self, offset: u64, data: &mut [u8]) {
        let Ok(target) = <&mut [u8; 4]>::try_from(data) else { return };
        let mut registers = self.lock();
        let value = match offset {
            PLUGGED => std::mem::take(&mut registers.plugged),
            LEAVING => std::mem::take(&mut registers.leaving),
            _ => 0,
        };
        *target = value.to_le_bytes();
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let (EJECT, Ok(bytes)) = (offset, <[u8; 4]>::try_from(data)) else { return };
        let granted = {
            let mut registers = self.lock();
            let granted = u32::from_le_bytes(bytes) & registers.requested;
            registers.requested &= !granted;
            registers.leaving &= !granted;
            granted
        };
        self.detach(granted).into_iter().for_each(|ejected| (self.on_eject)(ejected));
    }
}

#[cfg(test)]
#[path = "hotplug_tests.rs"]
mod tests;
