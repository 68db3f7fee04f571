//! Rules of `<clock>` and its timers (guide 8.10, 20.15).

use std::collections::BTreeSet;

use super::{Checked, broken, word};
use crate::domain::{Adjustment, Catchup, ClockConfig, Timer};

const PATH: &str = "/domain/clock";
/// Seconds of ten thousand years: no clock of a PC shows more.
const MOST: u64 = 315_569_520_000;
const TIMERS: [&str; 8] = ["platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock", "armvtimer"];

pub(super) fn check(clock: &ClockConfig) -> Checked {
    let offset = clock.offset();
    word(format!("{PATH}/@offset"), Some(offset), &["utc", "localtime", "timezone", "variable", "absolute"])?;
    match (&clock.timezone, offset) {
        (None, "timezone") => {
            return broken(PATH, "offset='timezone' needs the attribute timezone, e.g. 'Europe/Paris'");
        }
        (Some(zone), "timezone") if !is_zone(zone) => {
            return broken(
                format!("{PATH}/@timezone"),
                format!("'{}' is not the name of a time zone; one is e.g. Europe/Paris", zone.escape_debug()),
            );
        }
        (Some(_), other) if other != "timezone" => {
            let message = format!("a time zone belongs to offset='timezone', and the offset is '{other}'");
            return broken(format!("{PATH}/@timezone"), message);
        }
        _ => {}
    }
    let path = format!("{PATH}/@adjustment");
    match (clock.adjustment, offset) {
        (Some(Adjustment::Reset), "variable") => {
            return broken(
                path,
                "adjustment='reset' is for the offsets utc and localtime; write seconds, or leave it out",
            );
        }
        (Some(_), "timezone" | "absolute") => {
            return broken(path, format!("a clock of offset '{offset}' has no adjustment; take it out"));
        }
        (Some(Adjustment::Seconds(seconds)), _) if seconds.unsigned_abs() > MOST => {
            return broken(path, format!("{seconds} seconds are more than ten thousand years"));
        }
        _ => {}
    }
    let path = format!("{PATH}/@basis");
    word(&path, clock.basis.as_deref(), &["utc", "localtime"])?;
    if clock.basis.is_some() && offset != "variable" {
        return broken(path, format!("a basis belongs to offset='variable', and the offset is '{offset}'"));
    }
    let mut seen = BTreeSet::new();
    for (index, timer) in clock.timers.iter().enumerate() {
        let path = format!("{PATH}/timer[{}]", index + 1);
        check_timer(&path, timer)?;
        if !seen.insert(&timer.name) {
            return broken(path, format!("timer '{}' is there twice; keep one", timer.name));
        }
    }
    Ok(())
}

fn check_timer(path: &str, timer: &Timer) -> Checked {
    let name = timer.name.as_str();
    word(format!("{path}/@name"), Some(name), &TIMERS)?;
    word(format!("{path}/@track"), timer.track(), &["boot", "guest", "wall"])?;
    let policies = ["delay", "catchup", "merge", "discard"];
    word(format!("{path}/@tickpolicy"), timer.tickpolicy.as_deref(), &policies)?;
    let modes = ["auto", "native", "emulate", "paravirt", "smpsafe"];
    word(format!("{path}/@mode"), timer.mode.as_deref(), &modes)?;
    let only = |attribute: &str, there: bool, owners: &[&str]| match there && !owners.contains(&name) {
        true => {
            let owners = owners.join(", ");
            broken(format!("{path}/@{attribute}"), format!("{attribute} is for {owners}, not for '{name}'"))
        }
        false => Ok(()),
    };
    only("track", timer.track.is_some(), &["rtc", "platform"])?;
    only("frequency", timer.frequency.is_some(), &["tsc"])?;
    only("mode", timer.mode.is_some(), &["tsc"])?;
    only("tickpolicy", timer.tickpolicy.is_some(), &["rtc", "pit", "platform"])?;
    if timer.frequency == Some(0) {
        return broken(format!("{path}/@frequency"), "a frequency is at least 1 Hz");
    }
    let Some(Catchup { threshold, slew, limit }) = timer.catchup else { return Ok(()) };
    if timer.tickpolicy.as_deref() != Some("catchup") {
        return broken(format!("{path}/catchup"), "<catchup> belongs to tickpolicy='catchup'");
    }
    for (what, value) in [("threshold", threshold), ("slew", slew), ("limit", limit)] {
        if value == Some(0) {
            return broken(format!("{path}/catchup/@{what}"), format!("{what} is at least 1"));
        }
    }
    Ok(())
}

/// What a name of the time zone database looks like; no path leads out of that.
fn is_zone(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
    name.len() <= 64 && name.split('/').all(|part| !part.is_empty() && part.chars().all(good))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(offset: &str) -> ClockConfig {
        ClockConfig { offset: offset.to_owned(), ..ClockConfig::default() }
    }

    fn timer(name: &str, change: impl FnOnce(&mut Timer)) -> Result<(), String> {
        let mut timer = Timer { name: name.to_owned(), ..Timer::default() };
        change(&mut timer);
        check(&ClockConfig { timers: vec![timer], ..clock("utc") }).map_err(|broken| broken.to_string())
    }

    #[test]
    fn words_and_what_belongs_together() {
        for good in ["", "utc", "localtime", "variable"] {
            check(&clock(good)).unwrap();
        }
        let says = |clock: ClockConfig| check(&clock).unwrap_err().to_string();
        assert!(says(clock("gmt")).contains("'gmt' is not one of utc"));
        assert!(says(clock("timezone")).contains("needs the attribute timezone"));
        let zone =
            |offset: &str, name: &str| ClockConfig { timezone: Some(name.to_owned()), ..clock(offset) };
        check(&zone("timezone", "America/Argentina/Buenos_Aires")).unwrap();
        assert!(says(zone("timezone", "../etc/passwd")).contains("not the name of a time zone"));
        assert!(says(zone("utc", "Europe/Paris")).contains("belongs to offset='timezone'"));
        let adjusted = |offset: &str, by| ClockConfig { adjustment: Some(by), ..clock(offset) };
        check(&adjusted("utc", Adjustment::Reset)).unwrap();
        check(&adjusted("localtime", Adjustment::Seconds(-3600))).unwrap();
        assert!(says(adjusted("variable", Adjustment::Reset)).contains("write seconds"));
        assert!(says(adjusted("variable", Adjustment::Seconds(i64::MIN))).contains("ten thousand"));
        let based = ClockConfig { basis: Some("utc".to_owned()), ..clock("localtime") };
        assert!(says(based).contains("belongs to offset='variable'"));
    }

    #[test]
    fn attributes_of_a_timer_are_those_of_its_kind() {
        let own = |text: &str| Some(text.to_owned());
        timer("rtc", |rtc| (rtc.track, rtc.tickpolicy) = (own("guest"), own("catchup"))).unwrap();
        timer("tsc", |tsc| (tsc.frequency, tsc.mode) = (Some(1_000_000_000), own("native"))).unwrap();
        assert!(timer("tsc", |tsc| tsc.track = own("wall")).unwrap_err().contains("for rtc"));
        assert!(timer("pit", |pit| pit.track = own("guest")).unwrap_err().contains("for rtc"));
        assert!(timer("pit", |pit| pit.frequency = Some(1)).unwrap_err().contains("for tsc"));
        assert!(timer("rtc", |rtc| rtc.mode = own("auto")).unwrap_err().contains("for tsc"));
        assert!(timer("sundial", |_| {}).unwrap_err().contains("'sundial' is not one of"));
        timer("rtc", |rtc| rtc.track = own("guest virtual machine")).unwrap();
        let words = timer("rtc", |rtc| rtc.track = own("host")).unwrap_err();
        assert!(words.contains("boot, guest, wall"), "{words}");
        let catchup = Some(Catchup { threshold: Some(0), ..Catchup::default() });
        assert!(timer("pit", |pit| pit.catchup = catchup).unwrap_err().contains("tickpolicy='catchup'"));
        let twice = ClockConfig {
            timers: vec![Timer { name: "pit".to_owned(), ..Timer::default() }; 2],
            ..clock("utc")
        };
        assert!(check(&twice).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn what_a_guest_sets_is_kept_where_it_may_vary() {
        let mut fixed = clock("utc");
        assert!(!fixed.keep(5) && fixed == clock("utc"));
        let mut local = ClockConfig { adjustment: Some(Adjustment::Seconds(3)), ..clock("localtime") };
        assert!(local.is_local() && !local.keep(3) && local.keep(7));
        assert_eq!(
            (local.offset(), local.basis.as_deref(), local.kept()),
            ("variable", Some("localtime"), Some(7))
        );
        assert!(local.is_local());
    }
}
