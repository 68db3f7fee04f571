//! Times of repeated runs.

use std::time::Duration;

/// The times of one measurement.
#[derive(Debug, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds the time of one run.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Number of runs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time below which `fraction` (0 to 1) of the runs stay; zero without runs.
    pub fn quantile(&self, fraction: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * fraction).round() as usize).copied().unwrap_or_default()
    }

    /// Median in microseconds.
    pub fn median_us(&self) -> f64 {
        self.quantile(0.5).as_secs_f64() * 1e6
    }

    /// Median in milliseconds.
    pub fn median_ms(&self) -> f64 {
        self.quantile(0.5).as_secs_f64() * 1e3
    }
}
