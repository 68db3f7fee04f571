//! ACPI fixed hardware: PM1a event and control blocks, power button, PM timer, reset register, and the general-purpose
//! events, of which there are two: PCI hot-plug and vCPU hot-plug.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Chassis;
use crate::bus::BusDevice;
use crate::hypervisor::PinTrigger;

/// `SLP_TYP` that means S3 (suspended to memory); also in the DSDT.
pub const SLEEP_TYPE_S3: u8 = 1;
/// `SLP_TYP` that means S4 (suspended to disk); also in the DSDT.
pub const SLEEP_TYPE_S4: u8 = 2;
/// `SLP_TYP` that means S5 (soft off); also in the DSDT.
pub const SLEEP_TYPE_S5: u8 = 5;
/// Offset of the PM1a control block.
pub const CONTROL: u64 = 4;
/// Offset of the reset register.
pub const RESET: u64 = 6;
/// Value that resets when written to the reset register.
pub const RESET_VALUE: u8 = 1;
/// Offset of the PM timer.
pub const TIMER: u64 = 8;
/// Offset of the general-purpose event block.
pub const GPE: u64 = 12;
/// Bytes of the general-purpose event block: status, then enable.
pub const GPE_LEN: u8 = 2;
/// The event of the PCI hot-plug controller; also in the DSDT.
pub const HOTPLUG_EVENT: u8 = 1;
/// The event of the vCPU hot-plug controller; also in the DSDT.
pub const CPU_EVENT: u8 = 2;
/// Bytes of all blocks.
pub const LEN: usize = 14;

const STATUS: usize = 0;
const ENABLE: usize = 2;
const POWER_BUTTON: u16 = 1 << 8;
const RTC_ALARM: u16 = 1 << 10;
const WOKEN: u16 = 1 << 15;
const SCI_ENABLE: u16 = 1;
const SLEEP_ENABLE: u16 = 1 << 13;
const TIMER_HZ: u128 = 3_579_545;

/// Sleep states that the guest may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SleepStates {
    /// S3.
    pub mem: bool,
    /// S4.
    pub disk: bool,
}

/// The ports of [`crate::layout::ACPI_PM_PORTS`].
pub struct PowerManagement {
    registers: Mutex<Registers>,
    states: SleepStates,
    chassis: Arc<dyn Chassis>,
    sci: PinTrigger,
    timer: Mutex<Timer>,
}

/// Power management as saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerState {
    /// PM1 status.
    pub status: u16,
    /// PM1 enable.
    pub enable: u16,
    /// PM1 control.
    pub control: u16,
    /// General-purpose events that happened.
    pub events: u8,
    /// General-purpose events the guest enabled.
    pub events_enabled: u8,
    /// Nanoseconds the PM timer has run.
    pub timer_ns: u64,
}

/// The PM timer: how long it had run when it was set, and when that was.
struct Timer {
    before: Duration,
    since: Instant,
}

impl Timer {
    fn elapsed(&self) -> Duration {
        self.before.saturating_add(self.since.elapsed())
    }
}

#[derive(Default)]
struct Registers {
    status: u16,
    enable: u16,
    control: u16,
    events: u8,
    events_enabled: u8,
}

impl PowerManagement {
    /// Power management that interrupts by `sci`.
    pub fn new(chassis: Arc<dyn Chassis>, sci: PinTrigger, states: SleepStates) -> Arc<Self> {
        let registers = Mutex::default();
        let timer = Mutex::new(Timer { before: Duration::ZERO, since: Instant::now() });
        Arc::new(Self { registers, states, chassis, sci, timer })
    }

    /// What to save.
    pub fn state(&self) -> PowerState {
        let registers = self.registers();
        PowerState {
            status: registers.status,
            enable: registers.enable,
            control: registers.control,
            events: registers.events,
            events_enabled: registers.events_enabled,
            timer_ns: u64::try_from(self.timer().elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Loads saved state; its interrupt has the level that follows from it.
    pub fn restore(&self, state: &PowerState) {
        *self.timer() = Timer { before: Duration::from_nanos(state.timer_ns), since: Instant::now() };
        let mut registers = self.registers();
        *registers = Registers {
            status: state.status,
            enable: state.enable,
            control: state.control & !SLEEP_ENABLE,
            events: state.events,
            events_enabled: state.events_enabled,
        };
        self.update_sci(&registers);
    }

    fn timer(&self) -> MutexGuard<'_, Timer> {
        self.timer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Presses and releases the power button. A guest that did not enable it sees it when it does.
    pub fn press_power_button(&self) {
        let mut registers = self.registers();
        registers.status |= POWER_BUTTON;
        self.update_sci(&registers);
    }

    /// The alarm of the real-time clock went off, which wakes a guest that wants it to.
    pub fn rtc_alarm(&self) {
        let mut registers = self.registers();
        registers.status |= RTC_ALARM;
        self.update_sci(&registers);
        drop(registers);
        if self.is_to_wake() {
            self.chassis.wake();
        }
    }

    /// Whether the alarm went off and the guest, which has not seen it, wants to be woken by it.
    pub fn is_to_wake(&self) -> bool {
        let registers = self.registers();
        registers.status & registers.enable & RTC_ALARM != 0
    }

    /// As it is when a guest wakes up from S3: it has slept, and what has happened meanwhile is still to be seen.
    pub fn wake(&self) {
        let mut registers = self.registers();
        let status = registers.status & (POWER_BUTTON | RTC_ALARM) | WOKEN;
        *registers = Registers { status, events: registers.events, ..Registers::default() };
        self.update_sci(&registers);
    }

    /// Makes the guest look at the controller of an event. One that did not enable the event does it when it does.
    pub fn ring(&self, event: u8) {
        let mut registers = self.registers();
        registers.events |= 1 << event;
        self.update_sci(&registers);
    }

    /// Back to power-on.
    pub fn reset(&self) {
        let mut registers = self.registers();
        *registers = Registers::default();
        self.update_sci(&registers);
    }

    fn registers(&self) -> MutexGuard<'_, Registers> {
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update_sci(&self, registers: &Registers) {
        // Fails only when the machine is going away.
        let fixed = registers.status & registers.enable != 0;
        let _ = self.sci.set(fixed || registers.events & registers.events_enabled != 0);
    }

    /// All blocks as they read now.
    fn image(&self) -> [u8; LEN] {
        let registers = self.registers();
        let ticks = self.timer().elapsed().as_nanos() * TIMER_HZ / 1_000_000_000;
        let mut image = [0; LEN];
        image[STATUS..ENABLE].copy_from_slice(&registers.status.to_le_bytes());
        image[ENABLE..ENABLE + 2].copy_from_slice(&registers.enable.to_le_bytes());
        let control = registers.control | SCI_ENABLE;
        image[CONTROL as usize..RESET as usize].copy_from_slice(&control.to_le_bytes());
        image[TIMER as usize..GPE as usize].copy_from_slice(&(ticks as u32).to_le_bytes());
        image[GPE as usize..].copy_from_slice(&[registers.events, registers.events_enabled]);
        image
    }
}

impl BusDevice for PowerManagement {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let image = self.image();
        let rest = usize::try_from(offset).ok().and_then(|offset| image.get(offset..)).unwrap_or_default();
        data.iter_mut().zip(rest).for_each(|(byte, value)| *byte = *value);
    }

    fn write(&self, offset: u64, data: &[u8]) {
        if offset == RESET {
            if data.first() == Some(&RESET_VALUE) {
                self.chassis.reset();
            }
            return;
        }
        let mut registers = self.registers();
        let mut sleep = false;
        for (at, byte) in (offset..).zip(data) {
            let high = at % 2 == 1;
            let value = u16::from(*byte) << if high { 8 } else { 0 };
            let keep: u16 = if high { 0x00ff } else { 0xff00 };
            match at & !1 {
                // Writing a one clears a status bit.
                0 => registers.status &= !value,
                2 => registers.enable = registers.enable & keep | value,
                CONTROL => {
                    registers.control = registers.control & keep | value & !SLEEP_ENABLE;
                    sleep |= value & SLEEP_ENABLE != 0;
                }
                GPE if high => registers.events_enabled = *byte,
                GPE => registers.events &= !byte,
                _ => {}
            }
        }
        self.update_sci(&registers);
        let sleep_type = (registers.control >> 10 & 7) as u8;
        drop(registers);
        match sleep_type {
            _ if !sleep => {}
            SLEEP_TYPE_S5 => self.chassis.power_off(),
            SLEEP_TYPE_S3 if self.states.mem => self.chassis.suspend(),
            SLEEP_TYPE_S4 if self.states.disk => self.chassis.hibernate(),
            _ => {}
        }
    }
}
