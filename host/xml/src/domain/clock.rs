//! `<clock>` and its timers (guide 20.15).

use reeve_model::domain::{ClockConfig, Timer};

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

/// What a document without `<clock>` means.
pub(super) fn utc() -> ClockConfig {
    ClockConfig { offset: "utc".to_owned(), ..ClockConfig::default() }
}

pub(super) fn read(clock: &mut Reader<'_, '_>) -> Result<ClockConfig, Fault> {
    Ok(ClockConfig {
        offset: clock.word("offset").filter(|offset| !offset.is_empty()).unwrap_or_else(|| utc().offset),
        timers: clock.each("timer", read_timer)?,
        extra: clock.extra(),
    })
}

fn read_timer(timer: &mut Reader<'_, '_>) -> Result<Timer, Fault> {
    Ok(Timer {
        name: timer.required("name", "kvmclock")?,
        present: timer.either("present", "yes", "no")?,
        tickpolicy: timer.word("tickpolicy"),
        track: timer.word("track"),
        mode: timer.word("mode"),
        frequency: timer.number("frequency")?,
        extra: timer.extra(),
    })
}

pub(super) fn write(clock: &ClockConfig) -> Element<'_> {
    let offset = if clock.offset.is_empty() { "utc" } else { clock.offset.as_str() };
    let element = Element::new("clock").with("offset", offset);
    element.each(clock.timers.iter().map(write_timer)).extra(&clock.extra)
}

fn write_timer(timer: &Timer) -> Element<'_> {
    let mut element = Element::new("timer").with("name", &timer.name);
    if let Some(present) = timer.present {
        element.set("present", if present { "yes" } else { "no" });
    }
    element
        .with_some("tickpolicy", timer.tickpolicy.as_ref())
        .with_some("track", timer.track.as_ref())
        .with_some("mode", timer.mode.as_ref())
        .with_some("frequency", timer.frequency.as_ref())
        .extra(&timer.extra)
}
