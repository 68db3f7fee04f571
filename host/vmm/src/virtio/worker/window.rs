//! How long a thread looks for work before it sleeps.

use std::time::Duration;

/// Longest it looks. To wake a thread takes about that long.
const MOST: Duration = Duration::from_micros(32);
/// What it begins with.
const FIRST: Duration = Duration::from_micros(4);

/// It gets longer while work comes soon after the thread went to sleep, and shorter while none does: where nothing is to be gained no time is
/// spent.
#[derive(Debug, Default)]
pub(super) struct Window {
    length: Duration,
}

impl Window {
    /// How long to look.
    pub(super) fn length(&self) -> Duration {
        self.length
    }

    /// Looking found nothing, and an event came when the thread had looked and slept for so long.
    pub(super) fn learn(&mut self, waited: Duration) {
        self.length = if waited <= MOST {
            (self.length * 2).clamp(FIRST, MOST)
        } else {
            Some(self.length / 2).filter(|length| *length >= FIRST).unwrap_or_default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_woken_soon_looks_longer_and_who_is_not_stops_to_look() {
        let mut window = Window::default();
        assert_eq!(window.length(), Duration::ZERO);
        for expected in [4, 8, 16, 32, 32] {
            window.learn(MOST);
            assert_eq!(window.length(), Duration::from_micros(expected));
        }
        for expected in [16, 8, 4, 0, 0] {
            window.learn(MOST + Duration::from_nanos(1));
            assert_eq!(window.length(), Duration::from_micros(expected));
        }
    }
}
