//! The circuit breaker of a binding: too many failures in a window and the policy is not asked any more until an operator
//! resumes it, or puts another version in its place. Pure: time comes from the caller.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use reeve_model::policy::{BreakerSettings, Parked};

/// State of one breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: VecDeque<Instant>,
    parked: Option<Parked>,
}

impl Breaker {
    /// Counts a failure; true when the policy must be parked now.
    pub(crate) fn failed(&mut self, now: Instant, settings: BreakerSettings) -> bool {
        let window = Duration::from_secs(settings.within.into());
        while self.failures.front().is_some_and(|then| now.duration_since(*then) > window) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        self.parked.is_none() && self.failures.len() >= settings.failures as usize
    }

    /// Keeps the policy from being asked.
    pub(crate) fn park(&mut self, parked: Parked) {
        self.parked = Some(parked);
    }

    /// Since when and why the policy must not be asked; none when it may.
    pub(crate) fn parked(&self) -> Option<&Parked> {
        self.parked.as_ref()
    }

    /// Forgets everything; true when the policy was parked.
    pub(crate) fn resume(&mut self) -> bool {
        self.failures.clear();
        self.parked.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked() -> Parked {
        Parked { since: time::OffsetDateTime::UNIX_EPOCH, reason: "it trapped".to_owned() }
    }

    #[test]
    fn trips_within_the_window_only() {
        let start = Instant::now();
        for settings in [BreakerSettings::default(), BreakerSettings { failures: 2, within: 1 }] {
            let window = Duration::from_secs(settings.within.into()) + Duration::from_millis(1);
            let mut breaker = Breaker::default();
            for n in 0..20 {
                assert!(!breaker.failed(start + window * n, settings), "old failures are forgotten");
            }
            let now = start + window * 100;
            for n in 1..settings.failures {
                assert!(!breaker.failed(now, settings), "failure {n}");
            }
            assert!(breaker.failed(now, settings));
            breaker.park(parked());
            assert!(breaker.parked().is_some());
            assert!(!breaker.failed(now, settings), "parked once only");
            assert!(breaker.resume());
            assert!(breaker.parked().is_none() && !breaker.failed(now, settings));
        }
    }

    #[test]
    fn one_failure_may_be_too_many() {
        let mut breaker = Breaker::default();
        assert!(breaker.failed(Instant::now(), BreakerSettings { failures: 1, within: 1 }));
    }
}
