//! The watchdog timer of an Intel 6300ESB, as stock kernels drive it.
//!
//! ```text
//!   enabled ──> stage 1, preload 1 ──expires──> stage 2, preload 2 ──expires──> reported to the machine
//!                    ^  the guest reloads it  │        (unless rebooting is off; free-running starts over)
//!                    └────────────────────────┘
//! ```
//!
//! Registers in memory take a value only after 0x80 and 0x86 were written to the reload register, so that a guest gone astray does
//! not reload it by chance. Time stands still while the machine does. The interrupt of the first stage is not there.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vmm_sys_util::timerfd::TimerFd;

use super::config::{ConfigSpace, ConfigState, ConfigStateError, Identity};
use super::function::PciFunction;

/// Configuration register, 16 bits: what expires how.
const CONFIG: usize = 0x60;
const CONFIG_NO_REBOOT: u8 = 1 << 5;
const CONFIG_FAST: u8 = 1 << 2;
/// Lock register, 8 bits.
const LOCK: usize = 0x68;
const LOCK_LOCKED: u8 = 1;
const LOCK_ENABLED: u8 = 1 << 1;
const LOCK_FREE_RUN: u8 = 1 << 2;

/// Registers in memory.
const PRELOAD_1: u64 = 0x00;
const PRELOAD_2: u64 = 0x04;
const RELOAD: u64 = 0x0c;
const PRELOAD_MASK: u32 = 0xf_ffff;
const UNLOCK_FIRST: u16 = 0x80;
const UNLOCK_SECOND: u16 = 0x86;
const RELOAD_NOW: u16 = 1 << 8;
const TIMED_OUT: u16 = 1 << 9;
/// BARs are pages here; a 6300ESB has 16 bytes.
const BAR_SIZE: u32 = 4096;

/// The PCI clock of 33 MHz, in nanoseconds.
const TICK_NS: u64 = 30;

/// What there is to save of a watchdog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchdogState {
    /// Ticks of both stages, before their scale.
    pub preload: [u32; 2],
    /// How much of the unlocking was written, 0 to 2.
    pub unlocked: u8,
    /// The configuration register.
    pub config: u8,
    /// The lock register.
    pub lock: u8,
    /// It has expired since the guest looked.
    pub timed_out: bool,
    /// The stage that runs, 0 or 1.
    pub stage: u8,
    /// What is left of the stage, in nanoseconds; none when it does not run.
    pub left_ns: Option<u64>,
}

impl Default for WatchdogState {
    fn default() -> Self {
        Self {
            preload: [PRELOAD_MASK; 2],
            unlocked: 0,
            config: 0,
            lock: 0,
            timed_out: false,
            stage: 0,
            left_ns: None,
        }
    }
}

/// The timer, which the machine shares with the function on its bus.
pub struct Watchdog(Mutex<Running>);

struct Running {
    state: WatchdogState,
    /// When the stage ends; none while the machine stands or nothing runs.
    deadline: Option<Instant>,
    timer: TimerFd,
    /// The machine stands.
    halted: bool,
}

impl Watchdog {
    /// A watchdog that is off, in a machine that stands.
    pub fn new() -> io::Result<Arc<Self>> {
        let timer = TimerFd::new()?;
        let state = WatchdogState::default();
        Ok(Arc::new(Self(Mutex::new(Running { state, deadline: None, timer, halted: true }))))
    }

    /// The machine's timer is readable: ends the stage. True when the guest was to be heard of and was not.
    pub fn expired(&self) -> bool {
        let mut running = self.lock();
        let due = running.deadline.is_some_and(|deadline| deadline <= Instant::now());
        if !due {
            // It was reloaded just before. Setting the timer makes it unreadable.
            running.arm();
            return false;
        }
        if running.state.stage == 0 {
            running.begin(1);
            return false;
        }
        running.state.timed_out = true;
        match running.state.lock & LOCK_FREE_RUN != 0 {
            true => running.begin(0),
            false => running.end(),
        }
        running.state.config & CONFIG_NO_REBOOT == 0
    }

    /// The machine stands still, and so does time.
    pub fn halt(&self) {
        let mut running = self.lock();
        running.note_left();
        running.halted = true;
        running.deadline = None;
        running.arm();
    }

    /// The machine goes on.
    pub fn go_on(&self) {
        let mut running = self.lock();
        running.halted = false;
        running.start();
    }

    /// What there is to save. The machine must stand.
    pub fn state(&self) -> WatchdogState {
        self.lock().state.clone()
    }

    /// Puts back what was saved. The machine must stand.
    pub fn restore(&self, state: &WatchdogState) {
        let mut running = self.lock();
        running.state = state.clone();
        running.state.stage = running.state.stage.min(1);
        running.state.preload.iter_mut().for_each(|preload| *preload &= PRELOAD_MASK);
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRawFd for Watchdog {
    /// Readable when [`Watchdog::expired`] is to be called.
    fn as_raw_fd(&self) -> RawFd {
        self.lock().timer.as_raw_fd()
    }
}

impl Running {
    fn begin(&mut self, stage: u8) {
        let scale = if self.state.config & CONFIG_FAST != 0 { 5 } else { 15 };
        let ticks = u64::from(self.state.preload[usize::from(stage)].max(1)) << scale;
        self.state.stage = stage;
        self.state.left_ns = Some(ticks * TICK_NS);
        self.start();
    }

    fn end(&mut self) {
        self.state.left_ns = None;
        self.deadline = None;
        self.arm();
    }

    /// Runs what is left of the stage, unless the machine stands.
    fn start(&mut self) {
        let left = self.state.left_ns.filter(|_| !self.halted);
        self.deadline = left.map(|left| Instant::now() + Duration::from_nanos(left));
        self.arm();
    }

    fn note_left(&mut self) {
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            self.state.left_ns = Some(left.as_nanos() as u64);
        }
    }

    fn arm(&mut self) {
        // A timer of the kernel's takes every time that is not negative.
        let set = match self.deadline {
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.timer.reset(left.max(Duration::from_nanos(1)), None)
            }
            None => self.timer.clear(),
        };
        debug_assert!(set.is_ok(), "a timer can be set");
    }

    fn write_lock(&mut self, value: u8) {
        if self.state.lock & LOCK_LOCKED != 0 {
            return;
        }
        let was_enabled = self.state.lock & LOCK_ENABLED != 0;
        self.state.lock = value & (LOCK_LOCKED | LOCK_ENABLED | LOCK_FREE_RUN);
        match self.state.lock & LOCK_ENABLED != 0 {
            true if !was_enabled => self.begin(0),
            true => {}
            false => self.end(),
        }
    }

    fn write_reload(&mut self, value: u16) {
        match (self.state.unlocked, value) {
            (_, UNLOCK_FIRST) => self.state.unlocked = 1,
            (1, UNLOCK_SECOND) => self.state.unlocked = 2,
            (2, value) => {
                if value & RELOAD_NOW != 0 && self.state.lock & LOCK_ENABLED != 0 {
                    self.begin(0);
                }
                if value & TIMED_OUT != 0 {
                    self.state.timed_out = false;
                }
                self.state.unlocked = 0;
            }
            _ => self.state.unlocked = 0,
        }
    }

    fn write_preload(&mut self, number: usize, value: u32) {
        if self.state.unlocked == 2 {
            self.state.preload[number] = value & PRELOAD_MASK;
            self.state.unlocked = 0;
        }
    }
}

/// What there is to save of a watchdog and its place on the bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchdogFunctionState {
    /// PCI configuration space.
    pub config: ConfigState,
    /// The timer.
    pub timer: WatchdogState,
}

/// The watchdog as a function on the PCI bus.
pub struct WatchdogFunction {
    config: ConfigSpace,
    watchdog: Arc<Watchdog>,
}

impl WatchdogFunction {
    /// A function for a watchdog.
    pub fn new(watchdog: Arc<Watchdog>) -> Self {
        let identity = Identity {
            vendor: 0x8086,
            device: 0x25ab,
            revision: 0,
            class: 0x08_8000,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        };
        let mut config = ConfigSpace::new(identity);
        config.add_memory_bar(0, BAR_SIZE);
        Self { config, watchdog }
    }

    /// What there is to save of it. The machine must stand.
    pub fn state(&self) -> WatchdogFunctionState {
        WatchdogFunctionState { config: self.config.state(), timer: self.watchdog.state() }
    }

    /// Loads what was saved. The root complex must remap its BARs afterwards; the timer goes on with the machine.
    pub fn restore(&mut self, state: &WatchdogFunctionState) -> Result<(), ConfigStateError> {
        self.config.restore(&state.config)?;
        self.watchdog.restore(&state.timer);
        Ok(())
    }

    /// Registers that are here and not bytes of configuration space.
    fn register(state: &WatchdogState, offset: usize) -> Option<u8> {
        match offset {
            CONFIG => Some(state.config),
            LOCK => Some(state.lock),
            _ => None,
        }
    }
}

impl PciFunction for WatchdogFunction {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    fn read_config(&mut self, offset: usize, data: &mut [u8]) {
        self.config.read(offset, data);
        let running = self.watchdog.lock();
        for (byte, at) in data.iter_mut().zip(offset..) {
            if let Some(value) = Self::register(&running.state, at) {
                *byte = value;
            }
        }
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        self.config.write(offset, data);
        let mut running = self.watchdog.lock();
        for (byte, at) in data.iter().zip(offset..) {
            match at {
                CONFIG => running.state.config = *byte,
                LOCK => running.write_lock(*byte),
                _ => {}
            }
        }
    }

    fn read_bar(&mut self, _bar: usize, offset: u64, data: &mut [u8]) {
        if offset == RELOAD && self.watchdog.lock().state.timed_out {
            let bytes = u64::from(TIMED_OUT).to_le_bytes();
            data.iter_mut().zip(bytes).for_each(|(target, byte)| *target = byte);
        }
    }

    fn write_bar(&mut self, _bar: usize, offset: u64, data: &[u8]) {
        let mut bytes = [0; 4];
        bytes.iter_mut().zip(data).for_each(|(target, byte)| *target = *byte);
        let value = u32::from_le_bytes(bytes);
        let mut running = self.watchdog.lock();
        match offset {
            PRELOAD_1 => running.write_preload(0, value),
            PRELOAD_2 => running.write_preload(1, value),
            RELOAD => running.write_reload(value as u16),
            _ => {}
        }
    }

    fn bar_moved(&mut self, _bar: usize, _base: Option<u64>) {}

    /// It is off again, and still knows that it expired.
    fn reset(&mut self) {
        self.config.reset();
        let mut running = self.watchdog.lock();
        let timed_out = running.state.timed_out;
        running.state = WatchdogState { timed_out, ..WatchdogState::default() };
        running.deadline = None;
        running.arm();
    }
}

#[cfg(test)]
#[path = "watchdog_tests.rs"]
mod tests;
