//! Limits of a disk (guide 20.16.1.8): how much may pass a second, and how much more for how long.
//!
//! A limit is two buckets that fill with time. The first fills at the rate itself; a burst of rate `max` for `seconds` is what it holds at
//! most. The second fills at `max`, so that nothing is faster than that. A request may start while every bucket that it takes from has
//! something in it, and takes all it needs: large requests leave a debt that the next ones wait for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use crate::config::{DiskLimits, RateLimit};

/// What a bucket without a burst of its own holds, in seconds of its rate: requests come in bunches.
const BUNCH: f64 = 0.1;
/// Longest wait before the buckets are looked at again.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug)]
struct Bucket {
    /// What comes in a second.
    rate: f64,
    /// What it holds at most.
    capacity: f64,
    level: f64,
}

impl Bucket {
    fn new(rate: f64, capacity: f64) -> Self {
        Self { rate, capacity, level: capacity }
    }

    fn fill(&mut self, seconds: f64) {
        self.level = (self.level + self.rate * seconds).min(self.capacity);
    }

    /// Seconds until it has something in it.
    fn wait(&self) -> f64 {
        if self.level > 0.0 { 0.0 } else { (1.0 - self.level) / self.rate }
    }
}

/// The buckets of a limit; none of no limit.
fn buckets(limit: RateLimit) -> Vec<Bucket> {
    if limit.rate == 0 {
        return Vec::new();
    }
    let (rate, max) = (limit.rate as f64, limit.max as f64);
    if limit.max == 0 {
        return vec![Bucket::new(rate, (rate * BUNCH).max(1.0))];
    }
    let burst = (max - rate) * limit.seconds.max(1) as f64;
    vec![Bucket::new(rate, burst.max(rate * BUNCH).max(1.0)), Bucket::new(max, (max * BUNCH).max(1.0))]
}

/// A request as limits see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub write: bool,
    pub bytes: u64,
}

#[derive(Debug)]
struct Throttle {
    bytes: [Vec<Bucket>; 3],
    requests: [Vec<Bucket>; 3],
    /// Bytes that count as one request; 0 for any number of them.
    request_bytes: u64,
    filled: Instant,
}

impl Throttle {
    fn new(limits: &DiskLimits, now: Instant) -> Self {
        let each = |[total, read, write]: [RateLimit; 3]| [buckets(total), buckets(read), buckets(write)];
        let (bytes, requests) = (each(limits.bytes), each(limits.requests));
        Self { bytes, requests, request_bytes: limits.request_bytes, filled: now }
    }

    /// Takes what a request costs; how long to wait when it can't yet.
    fn take(&mut self, cost: Cost, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        let all = self.bytes.iter_mut().chain(&mut self.requests).flatten();
        all.for_each(|bucket| bucket.fill(passed));
        let of_way = [0, if cost.write { 2 } else { 1 }];
        let asked = of_way.iter().flat_map(|way| self.bytes[*way].iter().chain(&self.requests[*way]));
        let wait = asked.map(Bucket::wait).fold(0.0, f64::max);
        if wait > 0.0 {
            return Err(Duration::try_from_secs_f64(wait).unwrap_or(LONGEST).min(LONGEST));
        }
        let requests = match self.request_bytes {
            0 => 1,
            size => cost.bytes.div_ceil(size).max(1),
        };
        for way in of_way {
            self.bytes[way].iter_mut().for_each(|bucket| bucket.level -= cost.bytes as f64);
            self.requests[way].iter_mut().for_each(|bucket| bucket.level -= requests as f64);
        }
        Ok(())
    }
}

/// The limits of a disk, which the control plane changes while the device runs.
#[derive(Debug)]
pub(super) struct Limiter {
    throttle: Mutex<Option<Throttle>>,
    changed: EventFd,
}

impl Limiter {
    pub fn new(limits: &DiskLimits) -> std::io::Result<Self> {
        let limiter = Self { throttle: Mutex::default(), changed: EventFd::new(EFD_NONBLOCK)? };
        limiter.set(limits);
        Ok(limiter)
    }

    /// Other limits. Requests that wait are looked at again.
    pub fn set(&self, limits: &DiskLimits) {
        let any = limits.bytes.iter().chain(&limits.requests).any(|limit| limit.rate > 0);
        *self.throttle() = any.then(|| Throttle::new(limits, Instant::now()));
        // Refused only when its counter is full, and then it is readable anyway.
        let _ = self.changed.write(1);
    }

    /// Readable when there are other limits.
    pub fn changed(&self) -> &EventFd {
        &self.changed
    }

    /// Takes what a request costs; how long to wait when it can't yet.
    pub fn take(&self, cost: Cost) -> Result<(), Duration> {
        match &mut *self.throttle() {
            Some(throttle) => throttle.take(cost, Instant::now()),
            None => Ok(()),
        }
    }

    fn throttle(&self) -> MutexGuard<'_, Option<Throttle>> {
        // Whatever is in there holds as limits.
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Cost = Cost { write: false, bytes: 4096 };
    const WRITE: Cost = Cost { write: true, bytes: 4096 };

    /// What passes in so many seconds, asked for without a pause.
    fn passed(throttle: &mut Throttle, cost: Cost, start: Instant, seconds: u64) -> u64 {
        let end = start + Duration::from_secs(seconds);
        let (mut now, mut requests) = (start, 0);
        while now < end {
            match throttle.take(cost, now) {
                Ok(()) => requests += 1,
                Err(wait) => now += wait,
            }
        }
        requests
    }

    fn rate(rate: u64) -> RateLimit {
        RateLimit { rate, max: 0, seconds: 0 }
    }

    #[test]
    fn a_rate_holds_over_time() {
        let start = Instant::now();
        let limits = DiskLimits { bytes: [rate(1 << 20), rate(0), rate(0)], ..DiskLimits::default() };
        let requests = passed(&mut Throttle::new(&limits, start), READ, start, 10);
        assert!((2560..=2600).contains(&requests), "{requests} of 2560");

        let limits = DiskLimits { requests: [rate(0), rate(0), rate(100)], ..DiskLimits::default() };
        let requests = passed(&mut Throttle::new(&limits, start), WRITE, start, 10);
        assert!((1000..=1015).contains(&requests), "{requests} of 1000");
    }

    #[test]
    fn the_other_way_is_not_limited() {
        let start = Instant::now();
        let limits = DiskLimits { requests: [rate(0), rate(0), rate(1)], ..DiskLimits::default() };
        let mut throttle = Throttle::new(&limits, start);
        while throttle.take(WRITE, start).is_ok() {}
        assert!((0..1000).all(|_| throttle.take(READ, start).is_ok()));
    }

    #[test]
    fn a_burst_lasts_as_long_as_it_may_and_comes_again_after_a_rest() {
        let start = Instant::now();
        let burst = RateLimit { rate: 100, max: 1000, seconds: 5 };
        let limits = DiskLimits { requests: [burst, rate(0), rate(0)], ..DiskLimits::default() };
        let mut throttle = Throttle::new(&limits, start);
        let fast = passed(&mut throttle, READ, start, 5);
        assert!((4900..=5150).contains(&fast), "{fast} of 5000");
        let slow = passed(&mut throttle, READ, start + Duration::from_secs(5), 10);
        assert!((950..=1150).contains(&slow), "{slow} of 1000");
        let rested = start + Duration::from_secs(75);
        let fast = passed(&mut throttle, READ, rested, 5);
        assert!((4900..=5150).contains(&fast), "{fast} of 5000");
    }

    #[test]
    fn a_large_request_passes_and_is_paid_for() {
        let start = Instant::now();
        let limits = DiskLimits { bytes: [rate(1 << 20), rate(0), rate(0)], ..DiskLimits::default() };
        let mut throttle = Throttle::new(&limits, start);
        let large = Cost { write: false, bytes: 10 << 20 };
        assert_eq!(throttle.take(large, start), Ok(()));
        let wait = throttle.take(READ, start).unwrap_err();
        assert!((9.8..10.1).contains(&wait.as_secs_f64()), "{wait:?}");
    }

    #[test]
    fn large_requests_count_as_several_where_that_is_asked() {
        let start = Instant::now();
        let limits = DiskLimits {
            requests: [rate(100), rate(0), rate(0)],
            request_bytes: 1024,
            ..DiskLimits::default()
        };
        let requests = passed(&mut Throttle::new(&limits, start), READ, start, 10);
        assert!((250..=255).contains(&requests), "{requests} of 250");
    }

    #[test]
    fn no_wait_is_longer_than_an_hour() {
        let start = Instant::now();
        let limits = DiskLimits { bytes: [rate(1), rate(0), rate(0)], ..DiskLimits::default() };
        let mut throttle = Throttle::new(&limits, start);
        assert_eq!(throttle.take(READ, start), Ok(()));
        let debt = Cost { write: false, bytes: u64::MAX };
        throttle.bytes[0][0].level = 1.0;
        assert_eq!(throttle.take(debt, start), Ok(()));
        assert_eq!(throttle.take(READ, start), Err(LONGEST));
    }
}
