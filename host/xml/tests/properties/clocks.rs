//! Clocks and timers of any domain.

use proptest::option::of;
use proptest::prelude::*;
use reeve_model::domain::{Adjustment, Catchup, ClockConfig, Timer};

use super::{extra, word};

/// A clock that keeps the rules of documents.
pub fn clock() -> impl Strategy<Value = ClockConfig> {
    let seconds = || any::<i32>().prop_map(|seconds| Adjustment::Seconds(seconds.into()));
    let fixed = (word(&["utc", "localtime"]), of(prop_oneof![Just(Adjustment::Reset), seconds()]))
        .prop_map(|(offset, adjustment)| ClockConfig { offset, adjustment, ..ClockConfig::default() });
    let variable = (of(seconds()), of(word(&["utc", "localtime"]))).prop_map(|(adjustment, basis)| {
        ClockConfig { offset: "variable".to_owned(), adjustment, basis, ..ClockConfig::default() }
    });
    let place = word(&["Europe/Paris", "Asia/Kolkata"]).prop_map(|place| ClockConfig {
        offset: "timezone".to_owned(),
        timezone: Some(place),
        ..ClockConfig::default()
    });
    (prop_oneof![fixed, variable, place], timers(), extra()).prop_map(|(clock, timers, extra)| ClockConfig {
        timers,
        extra,
        ..clock
    })
}

/// One that ticks, the one that counts, and one that is there or not.
fn timers() -> impl Strategy<Value = Vec<Timer>> {
    let number = || of(1..u32::MAX);
    let catchup = (number(), number(), number()).prop_map(|(threshold, slew, limit)| Catchup {
        threshold,
        slew,
        limit,
    });
    let policy = prop_oneof![
        of(word(&["delay", "merge", "discard"])).prop_map(|policy| (policy, None)),
        of(catchup).prop_map(|catchup| (Some("catchup".to_owned()), catchup)),
    ];
    let ticks = (word(&["rtc", "pit"]), of(any::<bool>()), policy, extra()).prop_map(
        |(name, present, (tickpolicy, catchup), extra)| Timer {
            track: (name == "rtc").then(|| "guest".to_owned()),
            name,
            present,
            tickpolicy,
            catchup,
            extra,
            ..Timer::default()
        },
    );
    let counts =
        (of(1..u64::MAX), of(word(&["auto", "native"])), extra()).prop_map(|(frequency, mode, extra)| {
            Timer { name: "tsc".to_owned(), frequency, mode, extra, ..Timer::default() }
        });
    let is_there = (word(&["kvmclock", "hpet"]), of(any::<bool>()), extra())
        .prop_map(|(name, present, extra)| Timer { name, present, extra, ..Timer::default() });
    (of(ticks), of(counts), of(is_there)).prop_map(|all| {
        let (ticks, counts, is_there) = all;
        ticks.into_iter().chain(counts).chain(is_there).collect::<Vec<_>>()
    })
}
