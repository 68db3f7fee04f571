//! Devices that look after a guest: the watchdog, the one that is told of a panic, and the interrupt that can't be masked.

use alloc::format;
use alloc::string::{String, ToString};

use super::Answer;
use crate::interrupts;
use crate::machine::Machine;
use crate::pci::Function;
use crate::text::Words;

const WATCHDOG: (u16, u16) = (0x8086, 0x25ab);
const PANIC: (u16, u16) = (0x1b36, 0x0011);
const NMI: u8 = 2;

/// Registers of the watchdog.
const LOCK: u16 = 0x68;
const ENABLED: u32 = 1 << 1;
const PRELOADS: [u64; 2] = [0, 4];
const RELOAD: u64 = 0x0c;
const UNLOCK: [u16; 2] = [0x80, 0x86];
const RELOAD_NOW: u16 = 1 << 8;
const TIMED_OUT: u16 = 1 << 9;

/// `watchdog start MS|ping|stop|status`: the timer expires after twice MS milliseconds without a ping.
pub fn watchdog(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let (function, base) = find(machine, WATCHDOG).ok_or("this machine has no watchdog")?;
    let write = |offset: u64, value: u16| {
        // SAFETY: the register lies in the mapped BAR of the device.
        unsafe { ((base + offset) as *mut u16).write_volatile(value) }
    };
    let unlock = || UNLOCK.iter().for_each(|value| write(RELOAD, *value));
    match words.next("what to do")? {
        "start" => {
            let milliseconds = words.number("MS")? as u32;
            for preload in PRELOADS {
                unlock();
                // SAFETY: the register lies in the mapped BAR of the device.
                unsafe { ((base + preload) as *mut u32).write_volatile(milliseconds) };
            }
            function.write(LOCK, ENABLED);
        }
        "ping" => {
            unlock();
            write(RELOAD, RELOAD_NOW);
        }
        "stop" => function.write(LOCK, 0),
        "status" => {
            // SAFETY: the register lies in the mapped BAR of the device.
            let reload = unsafe { ((base + RELOAD) as *const u16).read_volatile() };
            let on = function.read(LOCK) & ENABLED != 0;
            return Ok(format!("on={on} expired={}", reload & TIMED_OUT != 0));
        }
        other => return Err(format!("there is no 'watchdog {other}'")),
    }
    Ok(String::new())
}

/// `panic [handled]`: says so to the host, and goes on.
pub fn panic(machine: &mut Machine, words: &mut Words<'_>) -> Answer {
    let (_, base) = find(machine, PANIC).ok_or("this machine has nobody to tell")?;
    let said = if words.next("handled").is_ok() { 2u8 } else { 1 };
    // SAFETY: the register lies in the mapped BAR of the device.
    unsafe { (base as *mut u8).write_volatile(said) };
    Ok(String::new())
}

/// `nmi`: how many came.
pub fn nmi() -> Answer {
    Ok(interrupts::count(NMI).to_string())
}

fn find(machine: &Machine, id: (u16, u16)) -> Option<(Function, u64)> {
    let function = machine.bus.functions().into_iter().find(|function| function.id() == id)?;
    function.enable();
    Some((function, function.bar(0)?))
}
