//! Power button, sleep states, power-off and reset through ACPI's fixed hardware.

use crate::acpi::{PowerRegisters, Register};
use crate::interrupts::SCI;
use crate::ioapic::Trigger;
use crate::{boot, clock, ioapic, paging, ring0};

unsafe extern "C" {
    static wake_start: u8;
    static wake_end: u8;
}

const BUTTON: u16 = 1 << 8;
const RTC_ALARM: u16 = 1 << 10;
/// Where the code that wakes up is, below 1 MiB (boot/application_cpu.s).
const WAKE: usize = 0x8800;
const SLEEP_ENABLE: u16 = 1 << 13;
const KEYBOARD_CONTROLLER: u16 = 0x64;
const PULSE_RESET_LINE: u8 = 0xfe;
/// How long the host may take to act on a register, in nanoseconds.
const PATIENCE: u64 = 2_000_000_000;

/// The power hardware of this machine.
pub struct Power {
    registers: PowerRegisters,
    /// Presses so far.
    pub presses: u64,
    /// Do nothing on a press but count it.
    pub ignore_button: bool,
}

impl Power {
    /// Arms the power button.
    pub fn new(registers: PowerRegisters, cpu: u8) -> Self {
        if let Some((status, enable)) = registers.event
            && let Some((line, _)) = registers.interrupt
        {
            ring0::out16(status, BUTTON);
            // The line is level-triggered and would interrupt a command without end until that is done. Who serves it looks
            // until nothing is left, so the edge of the next event is not lost.
            ioapic::route(line, SCI, cpu, Trigger::Edge);
            ring0::out16(enable, BUTTON);
        }
        Self { registers, presses: 0, ignore_button: false }
    }

    /// Whether the button was pressed since the last call; to be asked after an interrupt.
    pub fn button_pressed(&mut self) -> bool {
        let Some((status, _)) = self.registers.event else { return false };
        let pressed = ring0::in16(status) & BUTTON != 0;
        if pressed {
            ring0::out16(status, BUTTON);
            self.presses += 1;
        }
        pressed
    }

    /// Switches the machine off; returns only where that cannot be done.
    pub fn off(&self) -> &'static str {
        if let Some((port, kind)) = self.registers.control {
            ring0::out16(port, kind << 10 | SLEEP_ENABLE);
        }
        if let Some((register, kind)) = self.registers.sleep_control {
            write(register, kind << 2 | 1 << 5);
        }
        clock::sleep(PATIENCE);
        "this machine has no ACPI power-off"
    }

    /// Suspends to memory, to be entered in real or protected mode; returns only where that cannot be done.
    pub fn suspend(&self, protected: bool) -> &'static str {
        let ([Some(kind), _], Some((port, _))) = (self.registers.sleep, self.registers.control) else {
            return "this machine has no S3";
        };
        let facs = self.registers.facs;
        if facs == 0 || !paging::map(facs, 64) {
            return "this machine has no FACS";
        }
        let start = &raw const wake_start;
        let bytes = (&raw const wake_end) as usize - start as usize;
        let (vector, wide) = if protected { (0, boot::protected_wake_entry()) } else { (WAKE as u32, 0) };
        // SAFETY: the page is ordinary memory that holds the code of starting processors only, in its first half; the FACS is memory that
        // is the guest's to write.
        unsafe {
            core::ptr::copy_nonoverlapping(start, WAKE as *mut u8, bytes);
            ((facs + 12) as *mut u32).write_volatile(vector);
            ((facs + 24) as *mut u64).write_unaligned(wide);
        }
        ring0::out16(port, u16::from(kind) << 10 | SLEEP_ENABLE);
        clock::sleep(PATIENCE);
        "nothing happened"
    }

    /// Suspends to disk, which this guest has none for; returns only where that cannot be done.
    pub fn hibernate(&self) -> &'static str {
        if let ([_, Some(kind)], Some((port, _))) = (self.registers.sleep, self.registers.control) {
            ring0::out16(port, u16::from(kind) << 10 | SLEEP_ENABLE);
        }
        clock::sleep(PATIENCE);
        "this machine has no S4"
    }

    /// The alarm of the real-time clock wakes it.
    pub fn wake_by_alarm(&self) {
        if let Some((status, enable)) = self.registers.event {
            ring0::out16(status, RTC_ALARM);
            ring0::out16(enable, BUTTON | RTC_ALARM);
        }
    }

    /// Resets the machine; returns only where that cannot be done.
    pub fn reset(&self) -> &'static str {
        if let Some((register, value)) = self.registers.reset {
            write(register, value);
        }
        ring0::out8(KEYBOARD_CONTROLLER, PULSE_RESET_LINE);
        clock::sleep(PATIENCE);
        "this machine has no reset register"
    }
}

fn write(register: Register, value: u8) {
    match register {
        Register::Port(port) => ring0::out8(port, value),
        Register::Memory(address) => {
            if paging::map(address, 1) {
                // SAFETY: ACPI says that this is a register.
                unsafe { (address as *mut u8).write_volatile(value) }
            }
        }
    }
}
