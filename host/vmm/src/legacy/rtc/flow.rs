//! What the clock shows, and how that goes on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SECOND: i128 = 1_000_000_000;

/// A time that goes on by itself. Nanoseconds since 1970, of whatever place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Flow {
    /// So much ahead of the host's clock, whatever happens to that.
    Host(i128),
    /// What it showed, and since when it goes on; none while the guest stands still.
    Guest(i128, Option<Instant>),
}

/// The host's clock, in nanoseconds since 1970.
pub(super) fn host() -> i128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_nanos() as i128
}

impl Flow {
    /// One that shows `shown` now.
    pub fn new(follows_guest: bool, shown: i128, runs: bool) -> Self {
        match follows_guest {
            true => Self::Guest(shown, runs.then(Instant::now)),
            false => Self::Host(shown - host()),
        }
    }

    /// What it shows.
    pub fn now(self) -> i128 {
        match self {
            Self::Host(ahead) => host() + ahead,
            Self::Guest(shown, since) => shown + since.map_or(0, |since| since.elapsed().as_nanos() as i128),
        }
    }

    /// The same flow that shows something else.
    pub fn set(&mut self, shown: i128) {
        *self = match *self {
            Self::Host(_) => Self::Host(shown - host()),
            Self::Guest(_, since) => Self::Guest(shown, since.map(|_| Instant::now())),
        };
    }

    /// The guest stands still from now on, or goes on.
    pub fn guest_runs(&mut self, runs: bool) {
        if let Self::Guest(_, since) = *self
            && since.is_some() != runs
        {
            *self = Self::Guest(self.now(), runs.then(Instant::now));
        }
    }

    /// Whole seconds it shows.
    pub fn seconds(self) -> i64 {
        clamped(self.now().div_euclid(SECOND))
    }

    /// Nanoseconds of the second it is in.
    pub fn fraction(self) -> u32 {
        self.now().rem_euclid(SECOND) as u32
    }

    /// How long it takes until it shows the second `second`.
    pub fn until(self, second: i64) -> Duration {
        let left = i128::from(second) * SECOND - self.now();
        Duration::from_nanos(u64::try_from(left.max(0)).unwrap_or(u64::MAX))
    }
}

/// Nanoseconds of whole seconds.
pub(super) fn of_seconds(seconds: i64) -> i128 {
    i128::from(seconds) * SECOND
}

/// Seconds that a difference is, rounded.
pub(super) fn rounded(nanoseconds: i128) -> i64 {
    clamped((nanoseconds + SECOND / 2).div_euclid(SECOND))
}

fn clamped(seconds: i128) -> i64 {
    i64::try_from(seconds).unwrap_or(if seconds < 0 { i64::MIN } else { i64::MAX })
}
