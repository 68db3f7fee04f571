//! The periodic interrupt: when ticks are due, and what becomes of those that the guest missed.

use std::time::{Duration, Instant};

use crate::config::MissedTicks;

/// Ticks since the rate was set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    period: Duration,
    since: Instant,
    /// Ticks that were given, or are not to be given any more.
    given: u64,
    last: Instant,
    catching_up: bool,
}

/// Length of a period by the rate of status register A; none when there are no ticks.
pub(super) fn period(rate: u8) -> Option<Duration> {
    let shift = match rate & 15 {
        0 => return None,
        // The two lowest repeat two others.
        low @ (1 | 2) => low + 6,
        other => other - 1,
    };
    Some(Duration::from_nanos((1_000_000_000 << shift) / 32_768))
}

impl Ticks {
    /// Ticks that begin now.
    pub fn begin(period: Duration, now: Instant) -> Self {
        Self { period, since: now, given: 0, last: now, catching_up: false }
    }

    fn due(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.since).as_nanos();
        u64::try_from(elapsed / self.period.as_nanos().max(1)).unwrap_or(u64::MAX)
    }

    /// True when a tick is to be given now. `pending` says that the guest has not taken the last one.
    pub fn tick(&mut self, policy: MissedTicks, pending: bool, now: Instant) -> bool {
        let due = self.due(now);
        let owed = due.saturating_sub(self.given);
        if let MissedTicks::CatchUp { threshold, slew, limit } = policy {
            self.given = due - owed.min(limit.into());
            let owed = due - self.given;
            self.catching_up = owed > u64::from(threshold) || self.catching_up && owed > 1;
            let early = self.catching_up && now < self.last + fast(self.period, slew);
            if owed == 0 || pending || early {
                return false;
            }
            self.given = if self.catching_up { self.given + 1 } else { due };
            self.last = now;
            return true;
        }
        if owed == 0 {
            return false;
        }
        self.given = due;
        if policy == MissedTicks::Delay && !pending {
            // The next one is a whole period after this one.
            (self.since, self.given) = (now, 0);
        }
        self.last = now;
        !pending
    }

    /// When to look again; what is owed waits until the guest has taken the last one.
    pub fn next(&self, policy: MissedTicks, pending: bool, now: Instant) -> Instant {
        let due = self.due(now);
        if let MissedTicks::CatchUp { slew, .. } = policy
            && self.catching_up
            && !pending
            && due > self.given
        {
            return self.last + fast(self.period, slew);
        }
        let nanoseconds = self.period.as_nanos().saturating_mul(u128::from(due) + 1);
        self.since + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX / 4))
    }
}

fn fast(period: Duration, slew: u32) -> Duration {
    period * 100 / slew.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn rates_are_those_of_the_chip() {
        let hz =
            |rate| period(rate).map(|period| (1_000_000_000f64 / period.as_nanos() as f64).round() as u32);
        assert_eq!(
            [0, 1, 2, 3, 6, 15].map(hz),
            [None, Some(256), Some(128), Some(8192), Some(1024), Some(2)]
        );
    }

    #[test]
    fn missed_ticks_are_dropped_or_come_faster_until_none_is_missing() {
        let start = Instant::now();
        let at = |ms: u32| start + MS * ms;
        let mut ticks = Ticks::begin(10 * MS, start);
        assert!(
            !ticks.tick(MissedTicks::Merge, false, at(9)) && ticks.tick(MissedTicks::Merge, false, at(10))
        );
        assert!(
            !ticks.tick(MissedTicks::Merge, true, at(20)) && !ticks.tick(MissedTicks::Merge, false, at(29))
        );
        assert!(ticks.tick(MissedTicks::Merge, false, at(30)));

        let mut late = Ticks::begin(10 * MS, start);
        assert!(
            late.tick(MissedTicks::Delay, false, at(25)) && !late.tick(MissedTicks::Delay, false, at(34))
        );
        assert!(late.tick(MissedTicks::Delay, false, at(35)));

        let policy = MissedTicks::CatchUp { threshold: 1, slew: 200, limit: 4 };
        let mut ticks = Ticks::begin(10 * MS, start);
        assert!(ticks.tick(policy, false, at(10)));
        // The guest sleeps until 100 ms: 9 more are due, of which 4 are remembered.
        assert!(!ticks.tick(policy, true, at(50)));
        let mut given = 0;
        for ms in 100..200 {
            given += u32::from(ticks.tick(policy, false, at(ms)));
        }
        // Ten for the time since, of which the last is not due yet, and those that were owed.
        assert_eq!(given, 3 + 10);
        assert!(!ticks.catching_up);
    }
}
