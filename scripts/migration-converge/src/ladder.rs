//! What is tried, one after the other. A pure function of the last rounds: what was tried already is what they say.

use reeve_sdk::migration::{Progress, Round, Step};

/// What may be tried.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Compression.
    pub compress: bool,
    /// Hundredths of its time that the guest loses at first.
    pub throttle_first: u8,
    /// Hundredths that are added each time.
    pub throttle_step: u8,
    /// Most hundredths.
    pub throttle_most: u8,
    /// Going on at the destination.
    pub post_copy: bool,
    /// Rounds without progress after which it is given up.
    pub give_up_after: usize,
}

/// What comes after the last round.
pub fn step(rules: &Rules, now: &Progress) -> Step {
    let Some(last) = now.rounds.last() else { return Step::Continue };
    if last.expected_downtime_us <= last.max_downtime_us {
        return Step::StopAndCopy;
    }
    let stalled = now.rounds.windows(2).rev().take_while(|pair| !progressed(&pair[0], &pair[1])).count();
    if stalled == 0 {
        return Step::Continue;
    }
    let (offered, limits) = (&now.capabilities, &now.limits);
    let most = rules.throttle_most.min(limits.max_throttle);
    if rules.compress && offered.compression && !last.compressed {
        return Step::Compress;
    }
    if last.streams < offered.streams {
        return Step::AddStreams(last.streams.min(offered.streams - last.streams));
    }
    if last.throttle < most {
        return Step::Throttle(match last.throttle {
            0 => rules.throttle_first.min(most),
            throttle => throttle.saturating_add(rules.throttle_step).min(most),
        });
    }
    if last.max_downtime_us < limits.max_downtime_us {
        return Step::SetMaxDowntime(
            last.max_downtime_us.max(1000).saturating_mul(2).min(limits.max_downtime_us),
        );
    }
    if rules.post_copy && offered.post_copy {
        return Step::SwitchToPostCopy;
    }
    if stalled >= rules.give_up_after {
        return Step::Abort(format!(
            "the guest writes as fast as it is sent: {} pages were left after each of the last {stalled} rounds, \
             with {} % of its time taken",
            last.dirty_pages, last.throttle
        ));
    }
    Step::Continue
}

/// Less than a tenth fewer pages is no progress.
fn progressed(before: &Round, after: &Round) -> bool {
    after.dirty_pages < before.dirty_pages - before.dirty_pages / 10
}

#[cfg(test)]
mod tests {
    use reeve_sdk::migration::{Capabilities, Limits};

    use super::*;

    const RULES: Rules = Rules {
        compress: true,
        throttle_first: 20,
        throttle_step: 40,
        throttle_most: 90,
        post_copy: true,
        give_up_after: 4,
    };

    fn round(number: u32, dirty_pages: u64) -> Round {
        Round {
            number,
            elapsed_us: u64::from(number) * 1_000_000,
            duration_us: 1_000_000,
            pages: 10_000,
            zero_pages: 0,
            sent: 40 << 20,
            dirty_pages,
            bandwidth: 40 << 20,
            expected_downtime_us: dirty_pages * 100,
            max_downtime_us: 50_000,
            throttle: 0,
            compressed: false,
            streams: 1,
        }
    }

    fn progress(rounds: Vec<Round>, post_copy: bool) -> Progress {
        Progress {
            capabilities: Capabilities { compression: true, streams: 3, post_copy },
            limits: Limits { max_downtime_us: 150_000, bandwidth: None, max_throttle: 70, max_rounds: 100 },
            rounds,
        }
    }

    /// Plays a guest that leaves 5000 pages whatever is tried; the steps until something ends it.
    fn play(post_copy: bool) -> Vec<Step> {
        let (mut rounds, mut steps) = (vec![round(1, 5000)], Vec::new());
        while steps.len() < 40 {
            let now = progress(rounds.clone(), post_copy);
            let step = step(&RULES, &now);
            let mut next = round(rounds.len() as u32 + 1, 5000);
            if let Some(last) = rounds.last() {
                next = Round { number: next.number, ..*last };
            }
            steps.push(step.clone());
            match step {
                Step::Throttle(percent) => next.throttle = percent,
                Step::Compress => next.compressed = true,
                Step::AddStreams(more) => next.streams += more,
                Step::SetMaxDowntime(us) => next.max_downtime_us = us,
                Step::Continue => {}
                Step::SwitchToPostCopy | Step::StopAndCopy | Step::Abort(_) => break,
            }
            rounds.push(next);
        }
        steps
    }

    #[test]
    fn everything_is_tried_in_order_before_it_is_given_up() {
        let steps = play(false);
        let expected = [
            Step::Continue,
            Step::Compress,
            Step::AddStreams(1),
            Step::AddStreams(1),
            Step::Throttle(20),
            Step::Throttle(60),
            Step::Throttle(70),
            Step::SetMaxDowntime(100_000),
            Step::SetMaxDowntime(150_000),
        ];
        assert_eq!(steps[..expected.len()], expected);
        assert!(matches!(steps.last(), Some(Step::Abort(why)) if why.contains("70 % of its time")));
        assert_eq!(play(true).last(), Some(&Step::SwitchToPostCopy));
    }

    #[test]
    fn progress_is_let_go_on_and_ends_when_the_rest_fits() {
        assert_eq!(step(&RULES, &progress(vec![round(1, 5000), round(2, 4000)], true)), Step::Continue);
        assert_eq!(step(&RULES, &progress(vec![round(1, 5000), round(2, 500)], true)), Step::StopAndCopy);
        let mut now = progress(vec![round(1, 5000), round(2, 5000)], false);
        now.limits.max_throttle = 0;
        now.capabilities = Capabilities { compression: false, streams: 1, post_copy: false };
        assert_eq!(step(&RULES, &now), Step::SetMaxDowntime(100_000), "an operator who holds no guest back");
    }
}
