//! Who says what comes after a round.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Capabilities;

/// What is moved, for who plans it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name of the domain.
    pub name: String,
    /// Bytes of its memory.
    pub memory: u64,
}

/// How to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Longest time that the guest may stand still.
    pub max_downtime: Duration,
    /// Whether pages are compressed, where both sides can.
    pub compress: bool,
    /// Streams that pages go over, as far as both sides can.
    pub streams: u16,
}

/// What one round did, and what it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundStats {
    /// Number of the round, from 1.
    pub round: u32,
    /// Time since the migration began.
    pub elapsed: Duration,
    /// How long the round took.
    pub duration: Duration,
    /// Pages that were sent in it, zeros included.
    pub pages: u64,
    /// Those of them that were zero.
    pub zero_pages: u64,
    /// Bytes that went over the stream in it.
    pub bytes: u64,
    /// Pages that the guest wrote meanwhile: what the next round sends.
    pub dirty_pages: u64,
    /// Bytes a second that the stream took in this round.
    pub bandwidth: u64,
    /// How long the guest would stand still if this were the last round.
    pub expected_downtime: Duration,
    /// What was the limit for that.
    pub max_downtime: Duration,
    /// Hundredths of its time that the guest does not get.
    pub throttle: u8,
    /// Whether pages were compressed.
    pub compressed: bool,
    /// Streams that pages went over.
    pub streams: u16,
    /// What became of pages that were to be compressed.
    #[serde(default)]
    pub packed: Packed,
}

/// What became of pages that were to be compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Pages that travelled compressed.
    pub pages: u64,
    /// Bytes that they were then.
    pub bytes: u64,
    /// Pages that were not worth it, and travelled as they are.
    pub missed: u64,
}

impl std::ops::AddAssign for Packed {
    fn add_assign(&mut self, other: Self) {
        self.pages += other.pages;
        self.bytes += other.bytes;
        self.missed += other.missed;
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Another round.
    Continue,
    /// Another round, with the guest kept from running for that many hundredths of its time.
    Throttle(u8),
    /// Another limit for the time that the guest stands still, then another round.
    SetMaxDowntime(Duration),
    /// Compressed from now on, then another round.
    Compress,
    /// More streams, then another round.
    AddStreams(u16),
    /// The guest goes on at the destination, which fetches what it misses.
    SwitchToPostCopy,
    /// The guest stands still now, and the rest is sent.
    StopAndCopy,
    /// It ends, and the guest stays where it is.
    Abort(String),
}

/// Steers one migration. Called by the source only, never while the guest stands still.
pub trait Strategy: Send {
    /// Whether it may begin; else why not.
    fn precheck(&mut self, subject: &Subject) -> Result<(), String>;

    /// How to begin, with what both sides can do.
    fn plan(&mut self, subject: &Subject, capabilities: Capabilities) -> Plan;

    /// Asks how to begin, without waiting: [`plan`](Self::plan) is called for it soon.
    fn ask_plan(&mut self, _subject: &Subject, _capabilities: Capabilities) {}

    /// What comes after a round. What can't be done is taken as [`Step::Continue`].
    fn next_step(&mut self, stats: &RoundStats) -> Step;

    /// Asks what comes after a round, without waiting: the answer where it is there at once. Else [`answer`](Self::answer) has it later.
    fn ask(&mut self, stats: &RoundStats) -> Option<Step> {
        Some(self.next_step(stats))
    }

    /// The answer to what was asked, once; none where it is not there yet. With `wait` it is waited for, within a bounded time.
    fn answer(&mut self, _wait: bool) -> Option<Step> {
        None
    }
}

/// Rounds until the rest can be sent within the longest downtime; a guest that writes faster than that is held back more and
/// more, where it may be.
#[derive(Debug, Clone)]
pub struct PreCopy {
    /// Longest time that the guest may stand still.
    pub max_downtime: Duration,
    /// Whether pages are compressed, where both sides can.
    pub compress: bool,
    /// Whether a guest that writes too fast is held back.
    pub converge: bool,
    /// Rounds in a row that brought nothing.
    stalled: u32,
    /// Dirty pages after the round before.
    before: Option<u64>,
}

impl PreCopy {
    /// Rounds without progress before something is done about it.
    const PATIENCE: u32 = 2;
    /// Hundredths of the guest's time that are taken at first, and then more each time.
    const FIRST_THROTTLE: u8 = 20;
    const MORE_THROTTLE: u8 = 10;

    /// A strategy with a limit for the downtime.
    pub fn new(max_downtime: Duration) -> Self {
        Self { max_downtime, compress: false, converge: false, stalled: 0, before: None }
    }
}

impl Strategy for PreCopy {
    fn precheck(&mut self, _subject: &Subject) -> Result<(), String> {
        Ok(())
    }

    fn plan(&mut self, _subject: &Subject, _capabilities: Capabilities) -> Plan {
        Plan { max_downtime: self.max_downtime, compress: self.compress, streams: 1 }
    }

    fn next_step(&mut self, stats: &RoundStats) -> Step {
        if stats.expected_downtime <= stats.max_downtime {
            return Step::StopAndCopy;
        }
        // Less than a tenth fewer pages is no progress.
        let progress = self.before.is_none_or(|before| stats.dirty_pages < before - before / 10);
        self.before = Some(stats.dirty_pages);
        self.stalled = if progress { 0 } else { self.stalled + 1 };
        if self.stalled < Self::PATIENCE || !self.converge {
            return Step::Continue;
        }
        self.stalled = 0;
        Step::Throttle(match stats.throttle {
            0 => Self::FIRST_THROTTLE,
            throttle => throttle.saturating_add(Self::MORE_THROTTLE),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(round: u32, dirty_pages: u64, throttle: u8) -> RoundStats {
        let expected_downtime = Duration::from_millis(dirty_pages);
        let (elapsed, duration) = (Duration::from_secs(round.into()), Duration::from_secs(1));
        let (pages, zero_pages, bytes, bandwidth) = (1000, 0, 1 << 22, 1 << 22);
        let max_downtime = Duration::from_millis(300);
        RoundStats {
            round,
            elapsed,
            duration,
            pages,
            zero_pages,
            bytes,
            dirty_pages,
            bandwidth,
            expected_downtime,
            max_downtime,
            throttle,
            compressed: false,
            streams: 1,
            packed: Packed::default(),
        }
    }

    #[test]
    fn it_stops_the_guest_when_the_rest_is_small_enough() {
        let mut strategy = PreCopy::new(Duration::from_millis(300));
        assert_eq!(strategy.next_step(&round(1, 5000, 0)), Step::Continue);
        assert_eq!(strategy.next_step(&round(2, 301, 0)), Step::Continue);
        assert_eq!(strategy.next_step(&round(3, 300, 0)), Step::StopAndCopy);
    }

    #[test]
    fn a_guest_that_writes_too_fast_is_held_back_only_where_it_may_be() {
        let mut strategy = PreCopy::new(Duration::from_millis(300));
        assert!((1..20).all(|number| strategy.next_step(&round(number, 5000, 0)) == Step::Continue));
        strategy = PreCopy { converge: true, ..PreCopy::new(Duration::from_millis(300)) };
        let steps: Vec<_> = (1..=5).map(|number| strategy.next_step(&round(number, 5000, 0))).collect();
        let twice = [Step::Throttle(20), Step::Continue, Step::Throttle(20)];
        assert_eq!(steps, [&[Step::Continue, Step::Continue][..], &twice].concat());
        strategy.next_step(&round(6, 5000, 20));
        assert_eq!(strategy.next_step(&round(7, 5000, 20)), Step::Throttle(30));
        strategy.next_step(&round(8, 4900, 90));
        assert_eq!(strategy.next_step(&round(9, 3000, 90)), Step::Continue, "that was progress");
    }
}
