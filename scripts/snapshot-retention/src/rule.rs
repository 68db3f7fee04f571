//! What stays of a series, as plain functions over plain values.

use std::collections::BTreeMap;

use serde::Deserialize;

const DAY: u64 = 86_400_000;

/// What is kept of which volumes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// Name of the pool.
    pub pool: String,
    /// Names that are meant, with `*`.
    pub name: String,
    /// How many of a series stay.
    #[serde(default)]
    pub keep: Option<usize>,
    /// What is older goes.
    #[serde(default)]
    pub max_age_days: Option<u64>,
    /// How many of a series stay whatever their age.
    #[serde(default = "one")]
    pub min_keep: usize,
}

fn one() -> usize {
    1
}

/// A volume, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub created: Option<u64>,
}

/// How many volumes a rule means, and which of them go at `now`, each with the reason; a series after the other, newest first.
pub fn expired<'a>(rule: &Rule, all: &'a [Snapshot], now: u64) -> (usize, Vec<(&'a Snapshot, String)>) {
    let mut series: BTreeMap<&str, Vec<(u64, &Snapshot)>> = BTreeMap::new();
    let mut matching = 0;
    for snapshot in all {
        let Some(begin) = beginning(&rule.name, &snapshot.name) else { continue };
        matching += 1;
        if let Some(created) = snapshot.created {
            series.entry(begin).or_default().push((created, snapshot));
        }
    }
    let mut gone = Vec::new();
    for snapshots in series.values_mut() {
        snapshots.sort_by(|one, other| (other.0, &other.1.name).cmp(&(one.0, &one.1.name)));
        for (place, (created, snapshot)) in snapshots.iter().enumerate().skip(rule.min_keep) {
            let age = now.saturating_sub(*created) / DAY;
            if rule.keep.is_some_and(|keep| place >= keep) {
                gone.push((*snapshot, format!("{place} of its series are newer")));
            } else if rule.max_age_days.is_some_and(|most| age > most) {
                gone.push((*snapshot, format!("it is {age} days old")));
            }
        }
    }
    (matching, gone)
}

/// What a name begins with up to the last `*` of a pattern, as much as that can be; none when it does not match.
fn beginning<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let (head, tail) = pattern.rsplit_once('*')?;
    let end = name.len().checked_sub(tail.len()).filter(|_| name.ends_with(tail))?;
    (0..=end)
        .rev()
        .filter(|at| name.is_char_boundary(*at))
        .map(|at| &name[..at])
        .find(|begin| matches(head, begin))
}

/// True when a pattern (`*` any text) matches all of a text. Never goes back further than the last star.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(keep: Option<usize>, max_age_days: Option<u64>, min_keep: usize) -> Rule {
        Rule { pool: "p".into(), name: "*-snap-*".into(), keep, max_age_days, min_keep }
    }

    fn snapshots(days: &[u64]) -> Vec<Snapshot> {
        let of_day =
            |(n, day): (usize, &u64)| Snapshot { name: format!("a-snap-{n}"), created: Some(day * DAY) };
        days.iter().enumerate().map(of_day).collect()
    }

    fn names(rule: &Rule, all: &[Snapshot], day: u64) -> Vec<String> {
        expired(rule, all, day * DAY).1.into_iter().map(|(snapshot, _)| snapshot.name.clone()).collect()
    }

    #[test]
    fn the_newest_stay() {
        let all = snapshots(&[5, 1, 9]);
        assert_eq!(names(&rule(Some(2), None, 1), &all, 10), ["a-snap-1"]);
        assert_eq!(names(&rule(None, Some(4), 1), &all, 10), ["a-snap-0", "a-snap-1"]);
        assert_eq!(names(&rule(None, Some(4), 0), &snapshots(&[1]), 10), ["a-snap-0"]);
        assert!(names(&rule(None, Some(4), 2), &snapshots(&[1, 2]), 99).is_empty());
        assert!(names(&rule(Some(1), Some(1), 1), &snapshots(&[50]), 1).is_empty(), "from the future");
    }

    #[test]
    fn a_series_is_what_is_alike_up_to_the_last_star() {
        assert_eq!(beginning("*-snap-*", "web-snap-7"), Some("web-snap-"));
        assert_eq!(beginning("*-snap-*", "a-snap-b-snap-7"), Some("a-snap-b-snap-"));
        assert_eq!(beginning("backup-*.img", "backup-7.img"), Some("backup-"));
        assert_eq!(beginning("*", "any"), Some(""));
        for other in ["web", "web-snap", "snap-7"] {
            assert_eq!(beginning("*-snap-*", other), None, "{other}");
        }
        assert_eq!(beginning("a*a", "a"), None, "a letter is not two");
        assert_eq!(beginning("\u{e9}*", "\u{e9}t\u{e9}"), Some("\u{e9}"));
    }
}
