//! What a guest has to tell the time by.

use serde::{Deserialize, Serialize};

use crate::hypervisor::MOST_TSC_KHZ;

/// Seconds of ten thousand years: no clock of a PC shows more.
const MOST: u64 = 315_569_520_000;
/// Most changes of an offset from UTC that are told.
const MAX_OFFSETS: usize = 512;
/// No place on Earth is further from UTC, in seconds.
const MAX_OFFSET: u32 = 26 * 3600;

/// The clocks and timers of a machine; by default all there are, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockConfig {
    /// Seconds that the real-time clock is ahead of its basis at power-on.
    pub adjustment: i64,
    /// The real-time clock goes on through a reset as the guest has set it; otherwise it then shows its basis again.
    pub kept: bool,
    /// The basis: offsets of local time from UTC with the time each begins, in order. Nothing is UTC.
    pub zone: Vec<ZoneOffset>,
    /// The real-time clock; none is none.
    pub rtc: Option<RtcConfig>,
    /// What becomes of ticks of the interval timer that the guest missed; none is no such timer.
    pub pit: Option<MissedTicks>,
    /// Thousands of ticks of the time stamp counter a second; none is the host's.
    pub tsc_khz: Option<u32>,
    /// The paravirtual clock is there.
    pub kvmclock: bool,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self {
            adjustment: 0,
            kept: false,
            zone: Vec::new(),
            rtc: Some(RtcConfig::default()),
            pit: Some(MissedTicks::Delay),
            tsc_khz: None,
            kvmclock: true,
        }
    }
}

/// An offset of local time from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneOffset {
    /// Seconds since 1970 at which it begins; the first one holds before it too.
    pub from: i64,
    /// Seconds that local time is ahead of UTC.
    pub seconds: i32,
}

/// A real-time clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RtcConfig {
    /// It stands still while the guest does; otherwise it follows the host's clock.
    pub follows_guest: bool,
    /// What becomes of ticks that the guest missed.
    pub missed: MissedTicks,
}

/// What becomes of ticks that the guest did not take in time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case")]
pub enum MissedTicks {
    /// Those of the real-time clock are one with the next.
    #[default]
    Merge,
    /// Ticks go on at their rate from the one that was late; the interval timer gives them all, late.
    Delay,
    /// They are dropped.
    Discard,
    /// They come faster until none is missing.
    CatchUp {
        /// Missed ticks from which on that is done.
        threshold: u32,
        /// Hundredths of the normal rate, above 100.
        slew: u32,
        /// Most missed ticks that are remembered.
        limit: u32,
    },
}

impl ClockConfig {
    /// Seconds that the basis is ahead of UTC at a time in seconds since 1970.
    pub fn offset_at(&self, utc: i64) -> i64 {
        let begun = self.zone.iter().rev().find(|offset| offset.from <= utc);
        begun.or(self.zone.first()).map_or(0, |offset| offset.seconds.into())
    }

    /// What in it can't be; none when all of it can.
    pub(super) fn fault(&self) -> Option<String> {
        if self.adjustment.unsigned_abs() > MOST {
            return Some(format!("{} seconds are more than ten thousand years", self.adjustment));
        }
        let sorted = self.zone.is_sorted_by_key(|offset| offset.from);
        let far = self.zone.iter().any(|offset| offset.seconds.unsigned_abs() > MAX_OFFSET);
        if self.zone.len() > MAX_OFFSETS || !sorted || far {
            return Some("offsets from UTC must be few, in order and below 26 hours".to_owned());
        }
        if self.tsc_khz == Some(0) {
            return Some("a time stamp counter of 0 Hz does not count".to_owned());
        }
        if let Some(khz) = self.tsc_khz.filter(|khz| *khz > MOST_TSC_KHZ) {
            return Some(format!(
                "a time stamp counter of {khz} kHz is faster than KVM gives; at most {MOST_TSC_KHZ} kHz"
            ));
        }
        if let Some(MissedTicks::CatchUp { .. } | MissedTicks::Merge) = self.pit {
            return Some("missed ticks of the interval timer can be delayed or discarded".to_owned());
        }
        match self.rtc?.missed {
            MissedTicks::CatchUp { slew, .. } if slew <= 100 => {
                Some(format!("at {slew} of 100 of the normal rate, missed ticks never catch up"))
            }
            _ => None,
        }
    }
}
