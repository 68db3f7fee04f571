//! ACPI fixed hardware: PM1a event and control blocks, power button, PM timer, reset register, and the general-purpose
//! events, of which there is one: PCI hot-plug.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Chassis;
use crate::bus::BusDevice;
use crate::hypervisor::PinTrigger;

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
/// The event of the hot-plug controller; also in the DSDT.
pub const HOTPLUG_EVENT: u8 = 1;
/// Bytes of all blocks.
pub const LEN: usize = 14;

const STATUS: usize = 0;
const ENABLE: usize = 2;
const POWER_BUTTON: u16 = 1 << 8;
const SCI_ENABLE: u16 = 1;
const SLEEP_ENABLE: u16 = 1 << 13;
const TIMER_HZ: u128 = 3_579_545;

/// The ports of [`crate::layout::ACPI_PM_PORTS`].
pub struct PowerManagement {
    registers: Mutex<Registers>,
    chassis: Arc<dyn Chassis>,
    sci: PinTrigger,
    started: Instant,
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
    pub fn new(chassis: Arc<dyn Chassis>, sci: PinTrigger) -> Arc<Self> {
        let registers = Mutex::default();
        Arc::new(Self { registers, chassis, sci, started: Instant::now() })
    }

    /// Presses and releases the power button. A guest that did not enable it sees it when it does.
    pub fn press_power_button(&self) {
        let mut registers = self.registers();
        registers.status |= POWER_BUTTON;
        self.update_sci(&registers);
    }

    /// Makes the guest look at the hot-plug controller. One that did not enable the event does it when it does.
    pub fn ring_hotplug(&self) {
        let mut registers = self.registers();
        registers.events |= 1 << HOTPLUG_EVENT;
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
        let ticks = self.started.elapsed().as_nanos() * TIMER_HZ / 1_000_000_000;
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
        if sleep && sleep_type == SLEEP_TYPE_S5 {
            self.chassis.power_off();
        }
    }
}
