//! What the strategy says, and from when on it holds: it is asked after a round, and while it thinks the next round goes on.
//!
//! An answer that is there at once holds before another page goes. Of one that comes later, what only changes how much the guest runs
//! holds from the next frame on. What ends the rounds, or changes how pages go, breaks the round off there: what is left of it is stopped
//! with, or goes the other way.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::send::{Sender, SourceGuest};
use crate::{Capabilities, MigrateError, RoundStats, SourceDisks, Step, Strategy};

/// What is known of the strategy's will.
#[derive(Debug, Default)]
pub(crate) struct Steer {
    /// It was asked and has not answered.
    asked: bool,
    /// What it said that does not hold yet.
    said: Option<Step>,
    /// How long it was waited for in all, while nothing went over.
    pub waited: Duration,
    /// Longest time that the guest may stand still, by its will.
    pub max_downtime: Duration,
    /// Hundredths of its time that the guest does not get.
    pub throttle: u8,
}

impl<S: Read + Write, G: SourceGuest + SourceDisks> Sender<'_, S, G> {
    /// Asks what comes after a round; with `wait` nothing goes on before the answer.
    pub fn consult(&mut self, strategy: &mut dyn Strategy, stats: &RoundStats, wait: bool) {
        let begun = Instant::now();
        let step = strategy.ask(stats).or_else(|| wait.then(|| strategy.answer(true)).flatten());
        self.steer.waited += begun.elapsed();
        self.steer.asked = step.is_none() && !wait;
        self.hear(step);
    }

    /// Whether the round that goes on is broken off for what the strategy said about the one before.
    pub fn turns(&mut self, strategy: &mut dyn Strategy) -> bool {
        if self.steer.asked
            && let Some(step) = strategy.answer(false)
        {
            self.steer.asked = false;
            self.hear(Some(step));
        }
        self.steer.said.is_some()
    }

    /// A round was over before the strategy had said what comes after the one before.
    pub fn await_answer(&mut self, strategy: &mut dyn Strategy) {
        if self.steer.asked && !self.controls.breaks_off() {
            let begun = Instant::now();
            let step = strategy.answer(true);
            self.steer.waited += begun.elapsed();
            self.steer.asked = false;
            self.hear(step);
        }
    }

    fn hear(&mut self, step: Option<Step>) {
        match step {
            Some(Step::Throttle(percent)) => {
                self.steer.throttle = percent.min(self.controls.limits().max_throttle);
                self.guest.throttle(self.steer.throttle);
            }
            Some(Step::SetMaxDowntime(limit)) => self.steer.max_downtime = limit,
            Some(Step::Continue) | None => {}
            said => self.steer.said = said,
        }
    }

    /// Whether the rest of a round that was broken off goes another way; from now on it does.
    pub fn goes_another_way(&mut self, agreed: Capabilities) -> Result<bool, MigrateError> {
        match self.steer.said {
            Some(Step::Compress) => self.compress = agreed.zstd,
            // Whoever said so has brought them, or did not get them.
            Some(Step::AddStreams(_)) => self.take_streams(agreed)?,
            _ => return Ok(false),
        }
        self.steer.said = None;
        Ok(!self.controls.breaks_off())
    }

    /// Whether the guest stops now for what the strategy said, with so much left, and then whether it goes on at the destination at once. Only
    /// as long as the operator allows, whatever the strategy thinks of it.
    pub fn ends_rounds(
        &mut self,
        stats: &RoundStats,
        agreed: Capabilities,
    ) -> Result<Option<bool>, MigrateError> {
        // Whoever ends it ends what the strategy thinks of, too.
        if let Some(reason) = self.controls.aborted() {
            return Err(MigrateError::Aborted(reason));
        }
        self.goes_another_way(agreed)?;
        let limits = self.controls.limits();
        match self.steer.said.take() {
            Some(Step::StopAndCopy) if stats.expected_downtime <= limits.max_downtime => Ok(Some(false)),
            Some(Step::SwitchToPostCopy) if limits.post_copy && agreed.post_copy => Ok(Some(true)),
            Some(Step::Abort(reason)) => Err(MigrateError::Aborted(reason)),
            _ => Ok(None),
        }
    }
}
