//! How long calls took: a count for every quarter of an octave of microseconds, cheap to add to and exact enough for percentiles.

use std::sync::atomic::{AtomicU64, Ordering};

use reeve_model::watch::LatencyClass;

/// Up to 2^26 microseconds, 67 s; what is longer is in the last class.
const CLASSES: usize = 26 * 4;

/// Counts by length.
#[derive(Debug)]
pub(crate) struct Latency([AtomicU64; CLASSES]);

impl Default for Latency {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// Four classes an octave; the first octaves have fewer numbers than classes.
fn class(micros: u64) -> usize {
    let micros = micros.max(1);
    let octave = micros.ilog2();
    let quarter = if octave < 2 { (micros << (2 - octave)) & 3 } else { (micros >> (octave - 2)) & 3 };
    (octave as usize * 4 + quarter as usize).min(CLASSES - 1)
}

/// The longest call of a class, microseconds.
fn up_to(class: usize) -> u64 {
    let (octave, quarter) = (class / 4, class as u64 % 4);
    // 4, 5, 6 or 7 quarters of the octave's first number begin a class; it ends right before the next begins.
    (((5 + quarter) << octave) - 1) >> 2
}

impl Latency {
    /// Counts a call.
    pub(crate) fn add(&self, micros: u64) {
        self.0[class(micros)].fetch_add(1, Ordering::Relaxed);
    }

    /// Classes with calls, shortest first.
    pub(crate) fn classes(&self) -> Vec<LatencyClass> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        let some = counts.filter(|(_, calls)| *calls > 0);
        some.map(|(class, calls)| LatencyClass { up_to: up_to(class), calls }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_says() {
        for micros in (0..5000).chain([1 << 20, (1 << 26) - 1]) {
            let class = class(micros);
            assert!(micros <= up_to(class), "{micros} is longer than its class says");
            assert!(
                class == 0 || micros.max(1) > up_to(class - 1) || up_to(class) == up_to(class - 1),
                "{micros}"
            );
        }
        assert_eq!(class(u64::MAX), CLASSES - 1);
    }

    #[test]
    fn classes_without_calls_are_left_out() {
        let latency = Latency::default();
        for micros in [100, 100, 9000] {
            latency.add(micros);
        }
        let classes = latency.classes();
        assert_eq!(classes.iter().map(|class| class.calls).collect::<Vec<_>>(), [2, 1]);
        assert!((100..=127).contains(&classes[0].up_to) && (9000..=10239).contains(&classes[1].up_to));
    }
}
