//! The controller of vCPUs that come and go: which of those that a machine can have are there, and what host and guest want
//! of each other. The methods of the DSDT drive it, as they do the controller of PCI slots; a rung bell (a general-purpose event)
//! makes the guest look.
//!
//! ```text
//!  offset  0  PRESENT  read: bit n of word m, vCPU 32 * m + n is there
//!         32  PLUGGED  read: it came; reading clears
//!         64  LEAVING  read: the host wants it back; reading clears
//!         96  EJECT    write: the guest lets go of it; ignored unless the host asked for it
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::bus::BusDevice;

/// Words of a register, with a bit a vCPU.
pub const WORDS: usize = 8;
/// Bytes of the register block.
pub const LEN: u64 = 4 * REGISTER;
/// Bytes of a register.
const REGISTER: u64 = 4 * WORDS as u64;
const PRESENT: u64 = 0;
const PLUGGED: u64 = 1;
const LEAVING: u64 = 2;
const EJECT: u64 = 3;

/// A set of vCPUs, a bit each.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuMask([u32; WORDS]);

impl CpuMask {
    /// The vCPUs before `end`.
    pub fn first(end: u32) -> Self {
        let mut mask = Self::default();
        (0..end).for_each(|number| mask.insert(number));
        mask
    }

    /// Whether a vCPU is in it.
    pub fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 32).is_some_and(|word| word & bit(number) != 0)
    }

    /// Those that are in it, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + use<> {
        let all = *self;
        (0..32 * WORDS as u32).filter(move |number| all.contains(*number))
    }

    /// How many are in it.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Its words, the first vCPUs first.
    pub fn words(&self) -> [u32; WORDS] {
        self.0
    }

    fn insert(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 32) {
            *word |= bit(number);
        }
    }

    fn remove(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 32) {
            *word &= !bit(number);
        }
    }

    fn within(&self, others: &Self) -> bool {
        self.0.iter().zip(&others.0).all(|(word, other)| word & !other == 0)
    }
}

fn bit(number: u32) -> u32 {
    1 << (number % 32)
}

/// The registers of the controller; also as they are saved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuHotplugState {
    /// vCPUs that are there.
    pub present: CpuMask,
    /// vCPUs that came.
    pub plugged: CpuMask,
    /// vCPUs that the host wants back.
    pub leaving: CpuMask,
    /// vCPUs that the host asked for and did not get yet.
    pub requested: CpuMask,
}

impl CpuHotplugState {
    /// Of a machine that was just switched on with the first `count` vCPUs.
    pub fn first(count: u32) -> Self {
        Self { present: CpuMask::first(count), ..Self::default() }
    }

    /// Whether a machine that can have `max` vCPUs can be in this state. The first vCPU never leaves.
    pub fn fits(&self, max: u32) -> bool {
        let Self { present, plugged, leaving, requested } = self;
        let pending = [plugged, leaving, requested];
        present.contains(0)
            && present.within(&CpuMask::first(max))
            && pending.into_iter().all(|mask| mask.within(present) && !mask.contains(0))
    }
}

/// The controller of one machine.
pub struct CpuHotplug {
    registers: Mutex<CpuHotplugState>,
    bell: Box<dyn Fn() + Send + Sync>,
    on_eject: Box<dyn Fn(u32) + Send + Sync>,
}

impl CpuHotplug {
    /// A controller of a machine with the first `count` vCPUs. `bell` makes the guest look at the registers; `on_eject` is called with
    /// the number of a vCPU, in a vCPU thread.
    pub fn new(
        count: u32,
        bell: impl Fn() + Send + Sync + 'static,
        on_eject: impl Fn(u32) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let registers = Mutex::new(CpuHotplugState::first(count));
        Arc::new(Self { registers, bell: Box::new(bell), on_eject: Box::new(on_eject) })
    }

    /// vCPUs that are there.
    pub fn present(&self) -> CpuMask {
        self.lock().present
    }

    /// Tells the guest of a vCPU that is there now.
    pub fn announce(&self, number: u32) {
        {
            let mut registers = self.lock();
            registers.present.insert(number);
            registers.plugged.insert(number);
        }
        (self.bell)();
    }

    /// Asks the guest to let go of the last `count` vCPUs, but not of the first; what it was asked for before and has not given back is
    /// asked for no more.
    pub fn request(&self, count: u32) {
        {
            let mut registers = self.lock();
            (registers.leaving, registers.requested) = (CpuMask::default(), CpuMask::default());
            let present = registers.present;
            let last = present.iter().rev().filter(|number| *number > 0);
            for number in last.take(count as usize) {
                registers.leaving.insert(number);
                registers.requested.insert(number);
            }
        }
        if count > 0 {
            (self.bell)();
        }
    }

    /// Back to power-on. vCPUs that the guest was asked for are gone: it starts without them.
    pub fn reset(&self) -> CpuMask {
        let mut registers = self.lock();
        let gone = registers.requested;
        let mut present = registers.present;
        gone.iter().for_each(|number| present.remove(number));
        *registers = CpuHotplugState { present, ..CpuHotplugState::default() };
        gone
    }

    /// What to save.
    pub fn state(&self) -> CpuHotplugState {
        *self.lock()
    }

    /// Loads saved state, which [fits](CpuHotplugState::fits).
    pub fn restore(&self, state: &CpuHotplugState) {
        *self.lock() = *state;
    }

    fn lock(&self) -> MutexGuard<'_, CpuHotplugState> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Register and word of an access to a whole word.
fn place(offset: u64) -> Option<(u64, usize)> {
    let whole = offset.is_multiple_of(4) && offset < LEN;
    whole.then_some((offset / REGISTER, (offset % REGISTER / 4) as usize))
}

impl BusDevice for CpuHotplug {
    /// Only whole words can be read: part of one would lose the rest.
    fn read(&self, offset: u64, data: &mut [u8]) {
        let (Ok(target), Some((register, word))) = (<&mut [u8; 4]>::try_from(data), place(offset)) else {
            return;
        };
        let mut registers = self.lock();
        let value = match register {
            PRESENT => registers.present.0[word],
            PLUGGED => std::mem::take(&mut registers.plugged.0[word]),
            LEAVING => std::mem::take(&mut registers.leaving.0[word]),
            _ => 0,
        };
        *target = value.to_le_bytes();
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let (Some((EJECT, word)), Ok(bytes)) = (place(offset), <[u8; 4]>::try_from(data)) else { return };
        let granted = {
            let mut registers = self.lock();
            let granted = u32::from_le_bytes(bytes) & registers.requested.0[word];
            let CpuHotplugState { present, plugged, leaving, requested } = &mut *registers;
            [present, plugged, leaving, requested].into_iter().for_each(|mask| mask.0[word] &= !granted);
            granted
        };
        (0..32).filter(|bit| granted >> bit & 1 == 1).for_each(|bit| (self.on_eject)(word as u32 * 32 + bit));
    }
}

#[cfg(test)]
#[path = "cpus_tests.rs"]
mod tests;
