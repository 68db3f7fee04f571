//! A strategy that somebody else has: it is asked, and the host's own goes on where it does not answer.

use serde::{Deserialize, Serialize};

use crate::{Capabilities, Plan, PreCopy, RoundStats, Step, Strategy, Subject};

/// What whoever has the strategy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyQuestion {
    /// How to begin, with what both sides can do.
    Plan(Capabilities),
    /// What comes after a round.
    Step(RoundStats),
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyAnswer {
    /// How to begin.
    Plan(Plan),
    /// What comes next.
    Step(Step),
    /// What the host's own says, this time: whoever is asked only watches.
    Own,
    /// Nothing, now and later: the host's own goes on.
    Nothing,
}

/// Asks whoever has the strategy.
pub trait Adviser: Send {
    /// Asks, without waiting. What was asked before does not count any more.
    fn ask(&mut self, question: StrategyQuestion);

    /// What is known of the answer; with `wait` it is waited for, within a bounded time.
    fn answer(&mut self, wait: bool) -> Advice;
}

/// What is known of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advice {
    /// It is not there yet.
    Pending,
    /// It is there.
    Given(StrategyAnswer),
    /// There is none.
    Missing,
}

/// The strategy of an [`Adviser`], with the host's own behind it. After the first question without an answer that fits, the host's
/// own has the rest of the migration.
#[derive(Debug)]
pub struct Steered<A> {
    /// Gone once it failed.
    adviser: Option<A>,
    own: PreCopy,
    /// What the host's own says to what was asked last.
    otherwise: Step,
    /// It was asked how to begin.
    plans: bool,
}

impl<A: Adviser> Steered<A> {
    /// Steered by `adviser`, or by the host's own where there is none.
    pub fn new(adviser: Option<A>, own: PreCopy) -> Self {
        Self { adviser, own, otherwise: Step::Continue, plans: false }
    }
}

impl<A: Adviser> Strategy for Steered<A> {
    fn precheck(&mut self, subject: &Subject) -> Result<(), String> {
        self.own.precheck(subject)
    }

    fn plan(&mut self, subject: &Subject, capabilities: Capabilities) -> Plan {
        let own = self.own.plan(subject, capabilities);
        if !self.plans {
            self.ask_plan(subject, capabilities);
        }
        self.plans = false;
        let Some(adviser) = &mut self.adviser else { return own };
        match adviser.answer(true) {
            Advice::Given(StrategyAnswer::Plan(plan)) => plan,
            Advice::Given(StrategyAnswer::Own) => own,
            _ => {
                self.adviser = None;
                own
            }
        }
    }

    fn ask_plan(&mut self, _subject: &Subject, capabilities: Capabilities) {
        if let Some(adviser) = &mut self.adviser {
            adviser.ask(StrategyQuestion::Plan(capabilities));
            self.plans = true;
        }
    }

    fn next_step(&mut self, stats: &RoundStats) -> Step {
        self.ask(stats).or_else(|| self.answer(true)).unwrap_or(Step::Continue)
    }

    fn ask(&mut self, stats: &RoundStats) -> Option<Step> {
        // It is told every round, to know how the guest writes when it has to go on.
        self.otherwise = self.own.next_step(stats);
        match &mut self.adviser {
            Some(adviser) => adviser.ask(StrategyQuestion::Step(*stats)),
            None => return Some(self.otherwise.clone()),
        }
        self.answer(false)
    }

    fn answer(&mut self, wait: bool) -> Option<Step> {
        match self.adviser.as_mut().map_or(Advice::Missing, |adviser| adviser.answer(wait)) {
            Advice::Pending if !wait => return None,
            Advice::Given(StrategyAnswer::Step(step)) => return Some(step),
            Advice::Given(StrategyAnswer::Own) => {}
            _ => self.adviser = None,
        }
        Some(self.otherwise.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Answers what it was given, then nothing.
    struct Script(Vec<StrategyAnswer>);

    impl Adviser for Script {
        fn ask(&mut self, _question: StrategyQuestion) {}

        fn answer(&mut self, _wait: bool) -> Advice {
            if self.0.is_empty() { Advice::Missing } else { Advice::Given(self.0.remove(0)) }
        }
    }

    /// Answers only whoever waits.
    struct Slow(StrategyAnswer);

    impl Adviser for Slow {
        fn ask(&mut self, _question: StrategyQuestion) {}

        fn answer(&mut self, wait: bool) -> Advice {
            if wait { Advice::Given(self.0.clone()) } else { Advice::Pending }
        }
    }

    #[test]
    fn an_answer_may_come_later() {
        for (answer, step) in [
            (StrategyAnswer::Step(Step::Compress), Step::Compress),
            (StrategyAnswer::Own, Step::StopAndCopy),
            (StrategyAnswer::Nothing, Step::StopAndCopy),
        ] {
            let mut strategy = Steered::new(Some(Slow(answer)), PreCopy::new(Duration::from_millis(300)));
            assert_eq!((strategy.ask(&round(200)), strategy.answer(false)), (None, None));
            assert_eq!(strategy.answer(true), Some(step.clone()));
            assert_eq!(strategy.next_step(&round(200)), step);
        }
    }

    fn round(dirty_pages: u64) -> RoundStats {
        RoundStats {
            round: 1,
            elapsed: Duration::from_secs(1),
            duration: Duration::from_secs(1),
            pages: 1000,
            zero_pages: 0,
            bytes: 1 << 22,
            dirty_pages,
            bandwidth: 1 << 22,
            expected_downtime: Duration::from_millis(dirty_pages),
            max_downtime: Duration::from_millis(300),
            throttle: 0,
            compressed: false,
            streams: 1,
            packed: crate::Packed::default(),
        }
    }

    #[test]
    fn an_adviser_that_fails_once_is_not_asked_again() {
        let subject = Subject { name: "guest".to_owned(), memory: 1 << 30 };
        let plan = Plan { max_downtime: Duration::from_millis(7), compress: true, streams: 1 };
        let answers = vec![
            StrategyAnswer::Plan(plan),
            StrategyAnswer::Own,
            StrategyAnswer::Step(Step::Compress),
            // No answer to this question.
            StrategyAnswer::Plan(plan),
            StrategyAnswer::Step(Step::Compress),
        ];
        let mut strategy = Steered::new(Some(Script(answers)), PreCopy::new(Duration::from_millis(300)));
        assert_eq!(strategy.plan(&subject, Capabilities::OURS), plan);
        assert_eq!(strategy.next_step(&round(9000)), Step::Continue, "somebody watches");
        assert_eq!(strategy.next_step(&round(5000)), Step::Compress);
        assert_eq!(strategy.next_step(&round(5000)), Step::Continue, "the host's own");
        assert_eq!(strategy.next_step(&round(5000)), Step::Continue, "for good");
        assert_eq!(strategy.next_step(&round(300)), Step::StopAndCopy);
    }
}
