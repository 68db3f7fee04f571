//! What one call used so far. Shared between the call and the one who waits for it, so it outlives a call that is cut off.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::failure::{Exceeded, Limited};
use crate::limits::Limits;

/// Counters of one call.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    epochs: AtomicU32,
    host_calls: AtomicU32,
    fuel_left: AtomicU64,
    memory: AtomicUsize,
    log_bytes: AtomicU64,
    kv_bytes: AtomicU64,
}

impl Meter {
    /// Guest code ran past one more epoch; `fuel_left` is what it has left.
    pub(crate) fn epoch(&self, fuel_left: u64) {
        self.epochs.fetch_add(1, Ordering::Relaxed);
        self.set_fuel_left(fuel_left);
    }

    /// Epochs after which guest code gave its thread back; the first of them makes a call slow.
    pub(crate) fn epochs(&self) -> u32 {
        self.epochs.load(Ordering::Relaxed)
    }

    /// Counts a call into the host.
    pub(crate) fn host_call(&self, limits: &Limits) -> Result<(), Limited> {
        let calls = self.host_calls.fetch_add(1, Ordering::Relaxed) + 1;
        if calls > limits.host_calls {
            return Err(Limited { what: Exceeded::HostCalls, limit: u64::from(limits.host_calls) });
        }
        Ok(())
    }

    /// Counts bytes written to the log.
    pub(crate) fn log(&self, bytes: u64, limits: &Limits) -> Result<(), Limited> {
        if self.log_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > limits.log_bytes {
            return Err(Limited { what: Exceeded::LogBytes, limit: limits.log_bytes });
        }
        Ok(())
    }

    /// Counts bytes written to the key-value store.
    pub(crate) fn kv(&self, bytes: u64, limits: &Limits) -> Result<(), Limited> {
        if self.kv_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > limits.kv_bytes {
            return Err(Limited { what: Exceeded::KvBytes, limit: limits.kv_bytes });
        }
        Ok(())
    }

    /// Remembers the fuel that is left.
    pub(crate) fn set_fuel_left(&self, fuel: u64) {
        self.fuel_left.store(fuel, Ordering::Relaxed);
    }

    /// Fuel that was left when it was last looked at.
    pub(crate) fn fuel_left(&self) -> u64 {
        self.fuel_left.load(Ordering::Relaxed)
    }

    /// Remembers a size of linear memory.
    pub(crate) fn memory(&self, bytes: usize) {
        self.memory.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Largest linear memory seen, bytes.
    pub(crate) fn memory_high_water(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// Calls into the host so far.
    pub(crate) fn host_calls(&self) -> u32 {
        self.host_calls.load(Ordering::Relaxed)
    }
}
