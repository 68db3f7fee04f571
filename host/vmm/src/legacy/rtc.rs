//! The MC146818 real-time clock with its CMOS memory. It shows the host's time in UTC and has no alarm.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::bus::BusDevice;

const CMOS_SIZE: usize = 128;
/// Status A: 32.768 kHz time base, 1.024 kHz rate, no update in progress.
const STATUS_A: u8 = 0x26;
/// Status B: 24-hour mode, BCD.
const STATUS_B: u8 = 0x02;
/// Status D: battery is good.
const STATUS_D: u8 = 0x80;
/// First byte that is plain memory.
const MEMORY_START: usize = 0x0e;
const CENTURY: usize = 0x32;

/// Ports 0x70 and 0x71.
pub struct Rtc {
    state: Mutex<State>,
}

/// The clock as saved. The time is the host's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RtcState {
    /// Register that is selected, below 128.
    pub index: u8,
    /// CMOS memory, 128 bytes.
    pub memory: Vec<u8>,
}

struct State {
    index: usize,
    memory: [u8; CMOS_SIZE],
}

impl Default for Rtc {
    fn default() -> Self {
        Self { state: Mutex::new(State { index: 0, memory: [0; CMOS_SIZE] }) }
    }
}

impl Rtc {
    /// What to save.
    pub fn state(&self) -> RtcState {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        RtcState { index: state.index as u8, memory: state.memory.to_vec() }
    }

    /// Loads saved state. False, with nothing changed, when it is of no such clock.
    pub fn restore(&self, saved: &RtcState) -> bool {
        let index = usize::from(saved.index);
        let Ok(memory) = <[u8; CMOS_SIZE]>::try_from(saved.memory.as_slice()) else { return false };
        if index >= CMOS_SIZE {
            return false;
        }
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State { index, memory };
        true
    }
}

fn bcd(value: u8) -> u8 {
    ((value / 10) << 4) | (value % 10)
}

impl State {
    fn register(&self) -> u8 {
        let now = OffsetDateTime::now_utc();
        let year = now.year().clamp(0, 9999) as u16;
        match self.index {
            0 => bcd(now.second()),
            2 => bcd(now.minute()),
            4 => bcd(now.hour()),
            6 => bcd(now.weekday().number_from_sunday()),
            7 => bcd(now.day()),
            8 => bcd(u8::from(now.month())),
            9 => bcd((year % 100) as u8),
            0x0a => STATUS_A,
            0x0b => STATUS_B,
            0x0d => STATUS_D,
            CENTURY => bcd((year / 100) as u8),
            index => self.memory[index],
        }
    }
}

impl BusDevice for Rtc {
    fn read(&self, offset: u64, data: &mut [u8]) {
        if let (1, [byte]) = (offset, data) {
            *byte = self.state.lock().unwrap_or_else(PoisonError::into_inner).register();
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let [byte] = data else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let index = state.index;
        match offset {
            // Bit 7 masks NMI on a PC; there is none here.
            0 => state.index = usize::from(byte & 0x7f),
            1 if index >= MEMORY_START => state.memory[index] = *byte,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(rtc: &Rtc, index: u8) -> u8 {
        let mut data = [0];
        rtc.write(0, &[index]);
        rtc.read(1, &mut data);
        data[0]
    }

    #[test]
    fn it_shows_the_hosts_date_and_keeps_memory() {
        let rtc = Rtc::default();
        let shown = register(&rtc, 9);
        assert!(shown >> 4 < 10 && shown & 15 < 10, "{shown:#x} is not BCD");
        assert_eq!(register(&rtc, 0x32), 0x20);
        rtc.write(0, &[0xff]);
        rtc.write(1, &[0x5a]);
        assert_eq!(register(&rtc, 0x7f), 0x5a);
        rtc.write(1, &[1, 2]);
        rtc.write(0, &[9]);
        rtc.write(1, &[0]);
        assert_eq!(register(&rtc, 9), shown);
        let (again, state) = (Rtc::default(), rtc.state());
        assert!(again.restore(&state));
        assert_eq!((again.state(), register(&again, 0x7f)), (state.clone(), 0x5a));
        assert!(!again.restore(&RtcState { index: 128, ..state.clone() }));
        assert!(!again.restore(&RtcState { memory: vec![0; 127], ..state }));
    }
}
