//! The order of starts and stops, and the stop itself, over any host.

use std::collections::{BTreeSet, VecDeque};

use serde::Deserialize;

/// How long it takes until a guest is looked at again, milliseconds.
const POLL: u32 = 250;

/// What the start of the daemon does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBoot {
    /// Starts what was active before.
    #[default]
    Start,
    /// Nothing.
    Ignore,
}

/// What the operator may set; names and defaults are those of libvirt-guests.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Globs: what matches the first is started first and stopped last.
    pub order: Vec<String>,
    /// What the start of the daemon does.
    pub on_boot: OnBoot,
    /// Seconds between two starts.
    pub start_delay: u32,
    /// Guests that shut down at the same time; 0 and 1 mean one after the other.
    pub parallel_shutdown: usize,
    /// Seconds that one guest may take; 0 waits without end.
    pub shutdown_timeout: u64,
}

impl Default for Config {
    fn default() -> Self {
        let (start_delay, parallel_shutdown, shutdown_timeout) = (0, 0, 300);
        Self { order: Vec::new(), on_boot: OnBoot::Start, start_delay, parallel_shutdown, shutdown_timeout }
    }
}

/// What a stop needs of the host.
pub trait Host {
    /// Asks a guest to shut down.
    fn shutdown(&mut self, name: &str) -> Result<(), String>;
    /// Names of the active domains.
    fn active(&mut self) -> Result<BTreeSet<String>, String>;
    /// Waits so many milliseconds.
    fn pause(&mut self, milliseconds: u32) -> Result<(), String>;
    /// Milliseconds on any clock.
    fn now(&mut self) -> u64;
}

/// What came of a stop.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Domains that ended.
    pub ended: Vec<String>,
    /// Domains that did not, each with the reason.
    pub left: Vec<(String, String)>,
}

/// Sorts names for a start: by the first glob that matches, then by name. A stop goes the other way round.
pub fn in_order(order: &[String], names: impl IntoIterator<Item = String>) -> Vec<String> {
    let place = |name: &str| order.iter().position(|glob| matches(glob, name)).unwrap_or(order.len());
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_by_cached_key(|name| (place(name), name.clone()));
    names
}

/// Shuts the active domains down, last started first.
pub fn stop(config: &Config, host: &mut impl Host) -> Result<Stopped, String> {
    let mut waiting: VecDeque<String> = in_order(&config.order, host.active()?).into_iter().rev().collect();
    let mut asked: Vec<(String, u64)> = Vec::new();
    let mut stopped = Stopped::default();
    loop {
        while asked.len() < config.parallel_shutdown.max(1)
            && let Some(name) = waiting.pop_front()
        {
            match host.shutdown(&name) {
                Ok(()) => asked.push((name, host.now())),
                Err(reason) => stopped.left.push((name, reason)),
            }
        }
        if asked.is_empty() {
            return Ok(stopped);
        }
        host.pause(POLL)?;
        let (active, now) = (host.active()?, host.now());
        asked.retain(|(name, since)| {
            if !active.contains(name) {
                stopped.ended.push(name.clone());
                return false;
            }
            let late =
                config.shutdown_timeout > 0 && now.saturating_sub(*since) >= config.shutdown_timeout * 1000;
            if late {
                let reason = format!("still active after {} s", config.shutdown_timeout);
                stopped.left.push((name.clone(), reason));
            }
            !late
        });
    }
}

/// Glob match: `*` any text, `?` one character.
fn matches(glob: &str, text: &str) -> bool {
    let (mut glob_left, mut text_left) = (glob.chars(), text.chars());
    match (glob_left.next(), text_left.next()) {
        (None, None) => true,
        (Some('*'), None) => matches(glob_left.as_str(), text),
        (Some('*'), Some(_)) => matches(glob_left.as_str(), text) || matches(glob, text_left.as_str()),
        (Some('?'), Some(_)) => matches(glob_left.as_str(), text_left.as_str()),
        (Some(wanted), Some(found)) if wanted == found => matches(glob_left.as_str(), text_left.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guests that end so many milliseconds after they were asked to; u64::MAX never does.
    struct Guests {
        now: u64,
        takes: Vec<(&'static str, u64)>,
        asked: Vec<(String, u64)>,
        most: usize,
    }

    impl Guests {
        fn new(takes: &[(&'static str, u64)]) -> Self {
            Self { now: 0, takes: takes.to_vec(), asked: Vec::new(), most: 0 }
        }

        fn is_active(&self, name: &str, takes: u64) -> bool {
            let asked = self.asked.iter().find(|(asked, _)| asked == name);
            asked.is_none_or(|(_, since)| self.now - since < takes)
        }
    }

    impl Host for Guests {
        fn shutdown(&mut self, name: &str) -> Result<(), String> {
            if name == "deaf" {
                return Err("the guest has no power button".to_owned());
            }
            self.asked.push((name.to_owned(), self.now));
            let going = self.takes.iter().filter(|(name, takes)| {
                self.asked.iter().any(|(asked, _)| asked == name) && self.is_active(name, *takes)
            });
            self.most = self.most.max(going.count());
            Ok(())
        }

        fn active(&mut self) -> Result<BTreeSet<String>, String> {
            let active = self.takes.iter().filter(|(name, takes)| self.is_active(name, *takes));
            Ok(active.map(|(name, _)| (*name).to_owned()).collect())
        }

        fn pause(&mut self, milliseconds: u32) -> Result<(), String> {
            self.now += u64::from(milliseconds);
            Ok(())
        }

        fn now(&mut self) -> u64 {
            self.now
        }
    }

    fn config(json: &str) -> Config {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_named_first_starts_first() {
        let order = ["dns".to_owned(), "db-?".to_owned(), "web*".to_owned()];
        let names = ["web-2", "other", "web-1", "db-1", "db-10", "dns"].map(str::to_owned);
        assert_eq!(in_order(&order, names), ["dns", "db-1", "web-1", "web-2", "db-10", "other"]);
    }

    #[test]
    fn a_stop_goes_the_other_way_round_one_after_the_other() {
        let mut guests = Guests::new(&[("dns", 400), ("web-1", 900), ("db", 100)]);
        let stopped = stop(&config(r#"{"order": ["dns", "db"]}"#), &mut guests).unwrap();
        assert_eq!(stopped.ended, ["web-1", "db", "dns"]);
        assert_eq!((guests.most, stopped.left.len()), (1, 0));
    }

    #[test]
    fn as_many_at_a_time_as_the_operator_says() {
        let mut guests = Guests::new(&[("a", 600), ("b", 600), ("c", 600), ("d", 600)]);
        let stopped = stop(&config(r#"{"parallel-shutdown": 3}"#), &mut guests).unwrap();
        assert_eq!((guests.most, stopped.ended.len()), (3, 4));
    }

    #[test]
    fn who_does_not_end_in_time_is_left() {
        let mut guests = Guests::new(&[("deaf", 1), ("stuck", u64::MAX), ("quick", 10)]);
        let stopped = stop(&config(r#"{"shutdown-timeout": 2}"#), &mut guests).unwrap();
        assert_eq!(stopped.ended, ["quick"]);
        let left = [("stuck", "still active after 2 s"), ("deaf", "the guest has no power button")];
        assert_eq!(stopped.left, left.map(|(name, why)| (name.to_owned(), why.to_owned())));
        assert!((2000..2500).contains(&(guests.now - 250)), "{} ms", guests.now);
    }

    #[test]
    fn defaults_are_those_of_libvirt_guests() {
        let config = config("{}");
        assert_eq!((config.on_boot, config.start_delay), (OnBoot::Start, 0));
        assert_eq!((config.parallel_shutdown, config.shutdown_timeout), (0, 300));
        assert!(serde_json::from_str::<Config>(r#"{"on-shutdown": "suspend"}"#).is_err());
    }
}
