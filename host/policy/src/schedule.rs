//! When a task is due: a cron expression in the host's time zone, or an interval.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use time::OffsetDateTime;

const LONGEST: u64 = 366 * 24 * 3600;

/// A schedule that was understood.
#[derive(Debug, Clone)]
pub(crate) enum Schedule {
    /// So long after the moment it was due before.
    Every(Duration),
    /// Whenever the clock on the wall matches.
    Cron(Box<Cron>),
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not an interval, although it begins as one.
    #[error("'{0}' is no interval, write e.g. 'every 5m': a number and s, m, h or d, from 1 s to 366 d")]
    Interval(String),
    /// Not a cron expression.
    #[error("'{text}' is no cron expression of five fields (minute hour day month weekday): {reason}")]
    Cron {
        /// What was written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Schedule {
    /// Reads `every 5m` or `0 3 * * mon-fri`.
    pub(crate) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let text = text.trim();
        if let Some(interval) = text.strip_prefix("every") {
            return match interval_of(interval.trim()) {
                Some(interval) => Ok(Self::Every(interval)),
                None => Err(ScheduleError::Interval(text.to_owned())),
            };
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        match parser.parse(text) {
            Ok(cron) => Ok(Self::Cron(Box::new(cron))),
            Err(error) => Err(ScheduleError::Cron { text: text.to_owned(), reason: error.to_string() }),
        }
    }

    /// The first moment after `after`; none when there is none within the years that a cron expression is searched for.
    pub(crate) fn next(&self, after: OffsetDateTime) -> Option<OffsetDateTime> {
        match self {
            Self::Every(interval) => after.checked_add((*interval).try_into().ok()?),
            Self::Cron(cron) => {
                let start = Timestamp::from_second(after.unix_timestamp()).ok()?.to_zoned(TimeZone::system());
                let next = cron.find_next_occurrence(&start, false).ok()?;
                OffsetDateTime::from_unix_timestamp(next.timestamp().as_second()).ok()
            }
        }
    }
}

fn interval_of(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?.parse::<u64>().ok()?;
    let seconds = number.checked_mul(factor).filter(|seconds| (1..=LONGEST).contains(seconds))?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn intervals() {
        let noon = datetime!(2026-11-23 12:00 UTC);
        let next = |text: &str| Schedule::parse(text).map(|schedule| schedule.next(noon));
        assert_eq!(next("every 5m"), Ok(Some(datetime!(2026-11-23 12:05 UTC))));
        assert_eq!(next("every 1d"), Ok(Some(datetime!(2026-11-24 12:00 UTC))));
        for bad in
            ["every", "every 0s", "every 5", "every 5w", "every -1s", "every 9999999999d", "every 367d"]
        {
            assert_eq!(next(bad), Err(ScheduleError::Interval(bad.to_owned())), "{bad}");
        }
    }

    #[test]
    fn cron_expressions_go_by_the_clock_on_the_wall() {
        let noon = datetime!(2026-11-23 12:00 UTC);
        let quarter = Schedule::parse("*/15 * * * *").unwrap();
        assert_eq!(
            quarter.next(noon),
            Some(datetime!(2026-11-23 12:15 UTC)),
            "the present moment does not count"
        );
        assert_eq!(quarter.next(datetime!(2026-11-23 12:14:59.9 UTC)), Some(datetime!(2026-11-23 12:15 UTC)));
        assert_eq!(Schedule::parse("0 0 30 2 *").unwrap().next(noon), None, "there is no 30th of February");
    }

    #[test]
    fn mistakes_are_named() {
        for bad in ["", "noon", "* * * *", "61 * * * *", "0 0 3 * * *", "0 3 * * * 2027"] {
            let error = Schedule::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("'{bad}' is no cron expression of five fields")), "{error}");
        }
    }
}
