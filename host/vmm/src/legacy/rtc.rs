//! The MC146818 real-time clock with its CMOS memory: date and time, alarm, periodic and update interrupts on line 8.
//!
//! ```text
//!   basis: the host's time in UTC or local time ──+ adjustment──> what it shows ──registers──> guest
//!                                                      ^──────── the guest sets it ────────────┘
//! ```
//!
//! What the guest sets holds until the machine is reset, or for good where the configuration says so; each time it does, the machine tells what
//! the clock is ahead of its basis. A timer of the machine calls [`Rtc::expired`].

mod calendar;
mod flow;
mod ticks;

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use vmm_sys_util::timerfd::TimerFd;

use crate::bus::BusDevice;
use crate::config::{ClockConfig, RtcConfig};
use calendar::{CENTURY, DAY, Fields, Form, HOUR, MINUTE, MONTH, SECOND, YEAR};
use flow::Flow;
use ticks::Ticks;

const CMOS_SIZE: usize = 128;
/// Status A: 32.768 kHz time base, 1.024 kHz rate.
const STATUS_A: u8 = 0x26;
/// Bits of status A.
const UPDATE_IN_PROGRESS: u8 = 0x80;
const RATE: u8 = 0x0f;
/// How long before the next second an update is in progress.
const UPDATE_NS: u32 = 244_000;
/// Bits of status B; 24-hour mode at power-on.
const SET: u8 = 0x80;
const INTERRUPTS: u8 = PERIODIC | ALARM | UPDATE;
const BINARY: u8 = 0x04;
const DAY_HOURS: u8 = 0x02;
/// Bits of status B and C.
const PERIODIC: u8 = 0x40;
const ALARM: u8 = 0x20;
const UPDATE: u8 = 0x10;
/// Status C: some interrupt is pending.
const PENDING: u8 = 0x80;
/// Status D: battery is good.
const STATUS_D: u8 = 0x80;
const A: usize = 0x0a;
const B: usize = 0x0b;
const C: usize = 0x0c;
const D: usize = 0x0d;
const WEEKDAY: usize = 6;
/// Registers of the alarm: second, minute, hour.
const ALARMS: [usize; 3] = [1, 3, 5];
/// An alarm register with both upper bits matches everything.
const ANY: u8 = 0xc0;
/// The register of the century; also in the FADT.
pub const CENTURY_REGISTER: u8 = 0x32;
const DAY_SECONDS: i64 = 86_400;

/// What raises and lowers the interrupt line.
pub type Line = Box<dyn Fn(bool) + Send + Sync>;
/// Who is told what the clock is ahead of its basis, when the guest sets it.
pub type Told = Box<dyn Fn(i64) + Send + Sync>;

/// Ports 0x70 and 0x71.
pub struct Rtc {
    clock: ClockConfig,
    config: RtcConfig,
    line: Line,
    told: Told,
    /// Told that an alarm went off.
    alarm: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
}

/// The clock as saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RtcState {
    /// Register that is selected, below 128.
    pub index: u8,
    /// CMOS memory, 128 bytes.
    pub memory: Vec<u8>,
    /// What it shows; none in what earlier versions saved, whose clocks showed the host's time.
    #[serde(default)]
    pub time: Option<RtcTime>,
}

/// What a clock showed when it was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RtcTime {
    /// Milliseconds since 1970.
    pub shown_ms: i64,
    /// Milliseconds it was ahead of the host's clock.
    pub ahead_ms: i64,
    /// Seconds that the basis is ahead of UTC since power-on.
    pub zone: i64,
    /// Status registers A, B and C.
    pub status: [u8; 3],
    /// What the guest has written while the clock was stopped for that.
    pub stopped: Option<[u8; 7]>,
}

struct State {
    index: usize,
    memory: [u8; CMOS_SIZE],
    flow: Flow,
    /// Seconds that the basis is ahead of UTC, as it was at power-on.
    zone: i64,
    a: u8,
    b: u8,
    c: u8,
    /// What the guest has written: it counts when the clock is let go on, or where the clock was not stopped as soon as it is a time.
    written: Option<Fields>,
    /// The last second that was looked at for alarms.
    looked: i64,
    ticks: Option<Ticks>,
    /// The interrupt line is high.
    raised: bool,
    runs: bool,
    timer: TimerFd,
}

impl Rtc {
    /// A clock at power-on, in a machine that stands. None where the configuration has none.
    pub fn new(
        clock: &ClockConfig,
        line: Line,
        told: Told,
        alarm: Box<dyn Fn() + Send + Sync>,
    ) -> io::Result<Option<Arc<Self>>> {
        let Some(config) = clock.rtc else { return Ok(None) };
        let timer = TimerFd::new()?;
        let zone = clock.offset_at(utc_seconds());
        let shown = flow::host() + flow::of_seconds(zone) + flow::of_seconds(clock.adjustment);
        let flow = Flow::new(config.follows_guest, shown, false);
        let state = State {
            index: 0,
            memory: [0; CMOS_SIZE],
            looked: flow.seconds(),
            flow,
            zone,
            a: STATUS_A,
            b: DAY_HOURS,
            c: 0,
            written: None,
            ticks: None,
            raised: false,
            runs: false,
            timer,
        };
        Ok(Some(Arc::new(Self { clock: clock.clone(), config, line, told, alarm, state: Mutex::new(state) })))
    }

    /// Back to power-on: interrupts are off, and where that is not kept, what the guest has set is lost.
    pub fn reset(&self) {
        let mut state = self.lock();
        (state.index, state.c, state.written) = (0, 0, None);
        state.b &= !(INTERRUPTS | SET);
        if !self.clock.kept {
            state.zone = self.clock.offset_at(utc_seconds());
            let basis = flow::host() + flow::of_seconds(state.zone);
            state.flow.set(basis + flow::of_seconds(self.clock.adjustment));
        }
        state.looked = state.flow.seconds();
        state.ticks = None;
        self.settle(&mut state);
    }

    /// The machine stands still.
    pub fn halt(&self) {
        let mut state = self.lock();
        state.runs = false;
        state.flow.guest_runs(false);
        self.settle(&mut state);
    }

    /// The machine goes on. Ticks it did not get meanwhile are none; an alarm goes off now, as the chip would have kept it.
    pub fn go_on(&self) {
        let mut state = self.lock();
        state.runs = true;
        state.flow.guest_runs(true);
        state.ticks = None;
        state.looked = state.looked.min(state.flow.seconds());
        self.settle(&mut state);
    }

    /// The timer has expired.
    pub fn expired(&self) {
        let rung = {
            let mut state = self.lock();
            let rung = self.look(&mut state);
            self.settle(&mut state);
            rung
        };
        if rung {
            (self.alarm)();
        }
    }

    /// What to save. The machine must stand.
    pub fn state(&self) -> RtcState {
        let state = self.lock();
        let milliseconds = |nanoseconds: i128| i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX);
        let shown = state.flow.now();
        let time = RtcTime {
            shown_ms: milliseconds(shown),
            ahead_ms: milliseconds(shown - flow::host()),
            zone: state.zone,
            status: [state.a, state.b, state.c],
            stopped: state.written.map(|fields| fields.0),
        };
        RtcState { index: state.index as u8, memory: state.memory.to_vec(), time: Some(time) }
    }

    /// Loads saved state. False, with nothing changed, when it is of no such clock.
    pub fn restore(&self, saved: &RtcState) -> bool {
        let index = usize::from(saved.index);
        let Ok(memory) = <[u8; CMOS_SIZE]>::try_from(saved.memory.as_slice()) else { return false };
        if index >= CMOS_SIZE {
            return false;
        }
        let mut state = self.lock();
        (state.index, state.memory) = (index, memory);
        if let Some(time) = saved.time {
            let nanoseconds = |milliseconds: i64| i128::from(milliseconds) * 1_000_000;
            let shown = match self.config.follows_guest {
                true => nanoseconds(time.shown_ms),
                false => flow::host() + nanoseconds(time.ahead_ms),
            };
            state.flow.set(shown);
            let [a, b, c] = time.status;
            (state.zone, state.a, state.b, state.c) = (time.zone, a, b, c);
            state.written = time.stopped.map(Fields);
        }
        let saved = saved.time.map_or(i64::MAX, |time| time.shown_ms.div_euclid(1000));
        state.looked = saved.min(state.flow.seconds());
        state.ticks = None;
        // The line of a controller that was restored is high already, or not.
        state.raised = state.c & state.b & INTERRUPTS == 0;
        self.settle(&mut state);
        true
    }

    /// What the clock is ahead of its basis, in seconds.
    pub fn adjustment(&self) -> i64 {
        self.lock().adjustment()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what has happened since the last time. True when an alarm has gone off.
    fn look(&self, state: &mut State) -> bool {
        if !state.runs {
            return false;
        }
        let second = state.flow.seconds();
        let mut rung = false;
        if second > state.looked && !state.is_stopped() {
            let first = state.looked.max(second - DAY_SECONDS);
            state.c |= UPDATE;
            if state.next_alarm(first).is_some_and(|alarm| alarm <= second) {
                rung = state.b & ALARM != 0;
                state.c |= ALARM;
            }
        }
        state.looked = second;
        let (pending, now) = (state.c & PERIODIC != 0, Instant::now());
        if state.ticks.as_mut().is_some_and(|ticks| ticks.tick(self.config.missed, pending, now)) {
            state.c |= PERIODIC;
        }
        rung
    }

    /// Gives line and timer what follows from the registers.
    fn settle(&self, state: &mut State) {
        let wanted = if state.b & PERIODIC != 0 && state.runs { ticks::period(state.a & RATE) } else { None };
        match (wanted, &state.ticks) {
            (Some(period), None) => state.ticks = Some(Ticks::begin(period, Instant::now())),
            (None, Some(_)) => state.ticks = None,
            _ => {}
        }
        let raised = state.c & state.b & INTERRUPTS != 0;
        if std::mem::replace(&mut state.raised, raised) != raised {
            (self.line)(raised);
        }
        // A timer that can't be set is one that never expires: the guest polls, or waits.
        let _ = match self.wait(state) {
            Some(wait) => state.timer.reset(wait.max(Duration::from_nanos(1)), None),
            None => state.timer.clear(),
        };
    }

    /// How long nothing happens; none when nothing will.
    fn wait(&self, state: &State) -> Option<Duration> {
        if !state.runs {
            return None;
        }
        let now = Instant::now();
        let pending = state.c & PERIODIC != 0;
        let next =
            |ticks: &Ticks| ticks.next(self.config.missed, pending, now).saturating_duration_since(now);
        let tick = state.ticks.as_ref().map(next);
        let second = match state.b {
            _ if state.is_stopped() => None,
            b if b & UPDATE != 0 => Some(state.looked + 1),
            b if b & ALARM != 0 => state.next_alarm(state.looked),
            _ => None,
        };
        let second = second.map(|second| state.flow.until(second));
        tick.into_iter().chain(second).min()
    }

    fn write_register(&self, state: &mut State, value: u8) {
        match state.index {
            A => {
                state.a = value & !UPDATE_IN_PROGRESS;
                state.ticks = None;
            }
            B => self.write_status_b(state, value),
            C | D => {}
            index if ALARMS.contains(&index) => state.memory[index] = value,
            WEEKDAY => {}
            index => match field(index) {
                Some(place) => self.write_field(state, place, value),
                None => state.memory[index] = value,
            },
        }
    }

    fn write_status_b(&self, state: &mut State, value: u8) {
        let (before, stopped) = (state.b, state.is_stopped());
        state.b = value;
        if value & SET != 0 {
            state.b &= !UPDATE;
            if !stopped {
                state.written = Some(Fields::of(state.flow.seconds()));
            }
        } else if stopped {
            let written = state.written.take().and_then(Fields::seconds);
            self.show(state, written);
        }
        if before & PERIODIC == 0 {
            state.ticks = None;
        }
    }

    fn write_field(&self, state: &mut State, place: usize, value: u8) {
        let form = state.form();
        let mut fields = state.written.unwrap_or_else(|| Fields::of(state.flow.seconds()));
        fields.0[place] = if place == HOUR { form.decode_hour(value) } else { form.decode(value) };
        state.written = Some(fields);
        if !state.is_stopped() {
            self.show(state, fields.seconds());
        }
    }

    /// The guest has set the clock; what is no time changes nothing.
    fn show(&self, state: &mut State, seconds: Option<i64>) {
        let Some(seconds) = seconds else { return };
        let before = state.adjustment();
        state.flow.set(flow::of_seconds(seconds));
        state.looked = seconds;
        let adjustment = state.adjustment();
        // A guest that writes back what it has read sets nothing, though it may lose a part of a second by that.
        if adjustment.abs_diff(before) > 1 {
            (self.told)(adjustment);
        }
    }
}

fn utc_seconds() -> i64 {
    Flow::Host(0).seconds()
}

/// Which of the fields a register is.
fn field(index: usize) -> Option<usize> {
    Some(match index {
        0 => SECOND,
        2 => MINUTE,
        4 => HOUR,
        7 => DAY,
        8 => MONTH,
        9 => YEAR,
        index if index == usize::from(CENTURY_REGISTER) => CENTURY,
        _ => return None,
    })
}

impl State {
    fn form(&self) -> Form {
        Form { binary: self.b & BINARY != 0, day_hours: self.b & DAY_HOURS != 0 }
    }

    /// The guest has stopped the clock to set it.
    fn is_stopped(&self) -> bool {
        self.b & SET != 0
    }

    fn adjustment(&self) -> i64 {
        flow::rounded(self.flow.now() - flow::host()).saturating_sub(self.zone)
    }

    /// The next second after another at which the alarm goes off; none when what its registers hold is no time. Guests have this computed as
    /// often as they like, so it does not look at every second of a day.
    fn next_alarm(&self, after: i64) -> Option<i64> {
        let form = self.form();
        let [second, minute, hour] = ALARMS.map(|register| self.memory[register]);
        let is = |alarm: u8, shown: u8| alarm >= ANY || alarm == shown;
        let ever = |alarm: u8| (0..60).any(|shown| is(alarm, form.encode(shown)));
        if !ever(second) || !ever(minute) {
            return None;
        }
        let mut at = after.saturating_add(1);
        while at <= after.saturating_add(DAY_SECONDS) {
            let of_day = at.rem_euclid(DAY_SECONDS);
            if !is(hour, form.encode_hour((of_day / 3600) as u8)) {
                at += 3600 - of_day % 3600;
            } else if !is(minute, form.encode((of_day / 60 % 60) as u8)) {
                at += 60 - of_day % 60;
            } else if !is(second, form.encode((of_day % 60) as u8)) {
                at += 1;
            } else {
                return Some(at);
            }
        }
        None
    }

    fn register(&mut self) -> u8 {
        let form = self.form();
        let seconds = self.flow.seconds();
        match field(self.index) {
            Some(place) => {
                let fields = match self.written.filter(|_| self.is_stopped()) {
                    Some(written) => written,
                    None => {
                        // Who reads has written all there was to write.
                        self.written = None;
                        Fields::of(seconds)
                    }
                };
                let value = fields.0[place];
                if place == HOUR { form.encode_hour(value) } else { form.encode(value) }
            }
            None => self.plain(seconds),
        }
    }

    /// A register that is no part of date and time.
    fn plain(&self, seconds: i64) -> u8 {
        match self.index {
            WEEKDAY => self.form().encode(calendar::weekday(seconds)),
            A => {
                let soon = self.flow.fraction() > 1_000_000_000 - UPDATE_NS && !self.is_stopped();
                self.a | if soon { UPDATE_IN_PROGRESS } else { 0 }
            }
            B => self.b,
            C => self.c | if self.c & self.b & INTERRUPTS != 0 { PENDING } else { 0 },
            D => STATUS_D,
            index => self.memory[index],
        }
    }
}

impl BusDevice for Rtc {
    fn read(&self, offset: u64, data: &mut [u8]) {
        let (1, [byte]) = (offset, data) else { return };
        let mut rung = false;
        {
            let mut state = self.lock();
            if state.index == C {
                rung = self.look(&mut state);
            }
            *byte = state.register();
            if state.index == C {
                state.c = 0;
                self.settle(&mut state);
            }
        }
        if rung {
            (self.alarm)();
        }
    }

    fn write(&self, offset: u64, data: &[u8]) {
        let [byte] = data else { return };
        let mut rung = false;
        {
            let mut state = self.lock();
            match offset {
                // Bit 7 masks NMI on a PC; there is none here.
                0 => state.index = usize::from(byte & 0x7f),
                1 => {
                    // What has happened until now did so by the registers as they were.
                    rung = self.look(&mut state);
                    self.write_register(&mut state, *byte);
                    self.settle(&mut state);
                }
                _ => {}
            }
        }
        if rung {
            (self.alarm)();
        }
    }
}

impl AsRawFd for Rtc {
    /// Readable when [`Rtc::expired`] is to be called.
    fn as_raw_fd(&self) -> RawFd {
        self.lock().timer.as_raw_fd()
    }
}

#[cfg(test)]
mod tests;
