//! What tells the time: the real-time clock, the interval timer, the paravirtual clock.

use alloc::format;
use alloc::string::String;

use super::Answer;
use crate::interrupts::{self, RTC};
use crate::ioapic::{self, Trigger};
use crate::machine::Machine;
use crate::text::Words;
use crate::{clock, lapic, ring0};

const RTC_INDEX: u16 = 0x70;
const RTC_DATA: u16 = 0x71;
const RTC_LINE: u8 = 8;
/// Second, minute, hour, day, month, year and century.
const REGISTERS: [u8; 7] = [0, 2, 4, 7, 8, 9, 0x32];
/// Registers of the alarm: second, minute, hour.
const ALARM: [u8; 3] = [1, 3, 5];
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const STATUS_C: u8 = 0x0c;
/// Bits of status B.
const SET: u8 = 0x80;
const PERIODIC: u8 = 0x40;
const ALARM_INTERRUPT: u8 = 0x20;
const DAY_HOURS: u8 = 0x02;
const MS: u64 = 1_000_000;

fn read(register: u8) -> u8 {
    ring0::out8(RTC_INDEX, register);
    ring0::in8(RTC_DATA)
}

fn write(register: u8, value: u8) {
    ring0::out8(RTC_INDEX, register);
    ring0::out8(RTC_DATA, value);
}

fn bcd(value: u64) -> u8 {
    (((value / 10) << 4) | (value % 10)) as u8
}

/// `rtc`: what the real-time clock shows. `rtc set YEAR MONTH DAY HOUR MINUTE SECOND`: sets it first. `rtc ticks RATE MS`: periodic interrupts
/// for that long. `rtc alarm SECONDS`: sleeps until an alarm so many seconds from now. `rtc wake SECONDS`: such an alarm wakes it when it is
/// suspended.
pub fn rtc(machine: &Machine, words: &mut Words<'_>) -> Answer {
    match words.next("set, ticks, alarm or wake") {
        Ok("set") => set(words)?,
        Ok("ticks") => return ticks(words),
        Ok("alarm") => return alarm(words),
        Ok("wake") => {
            set_alarm(words)?;
            write(STATUS_B, DAY_HOURS | ALARM_INTERRUPT);
            machine.power.wake_by_alarm();
            return Ok(String::new());
        }
        Ok(other) => return Err(format!("there is no 'rtc {other}'")),
        Err(_) => {}
    }
    let [second, minute, hour, day, month, year, century] = shown();
    Ok(format!("{century:02x}{year:02x}-{month:02x}-{day:02x} {hour:02x}:{minute:02x}:{second:02x}"))
}

/// What is read twice is of one moment.
fn shown() -> [u8; 7] {
    let mut shown = REGISTERS.map(read);
    loop {
        let again = REGISTERS.map(read);
        if again == shown {
            return shown;
        }
        shown = again;
    }
}

/// The clock stands while it is set.
fn set(words: &mut Words<'_>) -> Result<(), String> {
    let mut values = [0; 6];
    for (value, what) in values.iter_mut().zip(["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"]) {
        *value = words.number(what)?;
    }
    let [year, month, day, hour, minute, second] = values;
    write(STATUS_B, DAY_HOURS | SET);
    for (register, value) in
        REGISTERS.into_iter().zip([second, minute, hour, day, month, year % 100, year / 100])
    {
        write(register, bcd(value));
    }
    write(STATUS_B, DAY_HOURS);
    Ok(())
}

/// Counts interrupts, each of which is taken by reading status C.
fn ticks(words: &mut Words<'_>) -> Answer {
    let rate = words.number("RATE")? as u8 & 15;
    let ms = words.number("MS")?;
    ioapic::route(RTC_LINE, RTC, lapic::id(), Trigger::Edge);
    write(STATUS_A, 0x20 | rate);
    read(STATUS_C);
    write(STATUS_B, DAY_HOURS | PERIODIC);
    let (start, mut taken) = (clock::now(), 0u64);
    let mut before = interrupts::count(RTC);
    while clock::now() < start + ms * MS {
        let seen = interrupts::seen();
        let now = interrupts::count(RTC);
        if now != before {
            before = now;
            taken += u64::from(read(STATUS_C) & PERIODIC != 0);
        } else {
            lapic::timer_once(20 * MS);
            interrupts::wait(seen);
        }
    }
    lapic::timer_stop();
    write(STATUS_B, DAY_HOURS);
    read(STATUS_C);
    Ok(format!("ticks={taken} elapsed_us={}", (clock::now() - start) / 1000))
}

fn alarm(words: &mut Words<'_>) -> Answer {
    ioapic::route(RTC_LINE, RTC, lapic::id(), Trigger::Edge);
    let seconds = set_alarm(words)?;
    let (start, before) = (clock::now(), interrupts::count(RTC));
    write(STATUS_B, DAY_HOURS | ALARM_INTERRUPT);
    while interrupts::count(RTC) == before {
        if clock::now() > start + (seconds + 20) * 1000 * MS {
            write(STATUS_B, DAY_HOURS);
            return Err("the alarm did not go off".into());
        }
        clock::doze_until(clock::now() + 100 * MS);
    }
    write(STATUS_B, DAY_HOURS);
    let status = read(STATUS_C);
    Ok(format!("status={status:#04x} elapsed_ms={}", (clock::now() - start) / MS))
}

/// Sets an alarm so many seconds from now.
fn set_alarm(words: &mut Words<'_>) -> Result<u64, String> {
    let seconds = words.number("SECONDS")?;
    if seconds > 59 {
        return Err("an alarm is at most 59 seconds away".into());
    }
    let decimal = |value: u8| u64::from(value >> 4) * 10 + u64::from(value & 15);
    let [second, minute, hour, ..] = shown().map(decimal);
    let at = hour * 3600 + minute * 60 + second + seconds;
    for (register, value) in ALARM.into_iter().zip([at % 60, at / 60 % 60, at / 3600 % 24]) {
        write(register, bcd(value));
    }
    read(STATUS_C);
    Ok(seconds)
}

/// `pit`: whether channel 0 of the interval timer counts.
pub fn pit() -> Answer {
    const COMMAND: u16 = 0x43;
    const CHANNEL_0: u16 = 0x40;
    ring0::out8(COMMAND, 0x34);
    ring0::out8(CHANNEL_0, 0xff);
    ring0::out8(CHANNEL_0, 0xff);
    let count = || {
        ring0::out8(COMMAND, 0);
        let low = ring0::in8(CHANNEL_0);
        u16::from_le_bytes([low, ring0::in8(CHANNEL_0)])
    };
    let first = count();
    clock::sleep(2 * MS);
    Ok(if count() == first { "absent" } else { "counts" }.into())
}

/// `clocksource`: whether the host keeps the paravirtual clock.
pub fn source() -> Answer {
    Ok(if clock::is_paravirtual() { "kvm-clock" } else { "tsc" }.into())
}
