//! The circuit breaker of a binding: too many failures in a window and the policy is not asked any more until an operator
//! resumes it. Pure: time comes from the caller.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Failures within [`WINDOW`] that park a policy.
pub const FAILURES: usize = 5;

/// How long a failure counts.
pub const WINDOW: Duration = Duration::from_secs(60);

/// State of one breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: VecDeque<Instant>,
    parked: bool,
}

impl Breaker {
    /// Counts a failure; true when this one parks the policy.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        while self.failures.front().is_some_and(|then| now.duration_since(*then) > WINDOW) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        let trips = !self.parked && self.failures.len() >= FAILURES;
        self.parked |= trips;
        trips
    }

    /// True while the policy must not be asked.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked
    }

    /// Forgets everything; true when the policy was parked.
    pub(crate) fn resume(&mut self) -> bool {
        self.failures.clear();
        std::mem::take(&mut self.parked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trips_within_the_window_only() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        for n in 0..20 {
            assert!(!breaker.failed(start + WINDOW * n), "old failures are forgotten");
        }
        let now = start + WINDOW * 100;
        for n in 1..FAILURES {
            assert!(!breaker.failed(now), "failure {n}");
        }
        assert!(breaker.failed(now));
        assert!(breaker.is_parked());
        assert!(!breaker.failed(now), "parked once only");
        assert!(breaker.resume());
        assert!(!breaker.is_parked() && !breaker.failed(now));
    }
}
