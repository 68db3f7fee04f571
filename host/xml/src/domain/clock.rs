//! `<clock>` and its timers (guide 20.15).

use reeve_model::domain::{Adjustment, Catchup, ClockConfig, Timer};

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
        timezone: clock.word("timezone"),
        adjustment: read_adjustment(clock)?,
        basis: clock.word("basis"),
        timers: clock.each("timer", read_timer)?,
        extra: clock.extra(),
    })
}

fn read_adjustment(clock: &mut Reader<'_, '_>) -> Result<Option<Adjustment>, Fault> {
    if clock.element.attribute("adjustment").is_some_and(|attribute| attribute.value == "reset") {
        clock.attribute("adjustment");
        return Ok(Some(Adjustment::Reset));
    }
    Ok(clock.number("adjustment")?.map(Adjustment::Seconds))
}

fn read_timer(timer: &mut Reader<'_, '_>) -> Result<Timer, Fault> {
    Ok(Timer {
        name: timer.required("name", "kvmclock")?,
        present: timer.either("present", "yes", "no")?,
        tickpolicy: timer.word("tickpolicy"),
        track: timer.word("track"),
        mode: timer.word("mode"),
        frequency: timer.number("frequency")?,
        catchup: timer.one("catchup", read_catchup)?,
        extra: timer.extra(),
    })
}

fn read_catchup(catchup: &mut Reader<'_, '_>) -> Result<Catchup, Fault> {
    Ok(Catchup {
        threshold: catchup.number("threshold")?,
        slew: catchup.number("slew")?,
        limit: catchup.number("limit")?,
    })
}

pub(super) fn write(clock: &ClockConfig) -> Element<'_> {
    let mut element =
        Element::new("clock").with("offset", clock.offset()).with_some("timezone", clock.timezone.as_ref());
    match clock.adjustment {
        Some(Adjustment::Reset) => element.set("adjustment", "reset"),
        Some(Adjustment::Seconds(seconds)) => element.set("adjustment", seconds.to_string()),
        None => {}
    }
    element
        .with_some("basis", clock.basis.as_ref())
        .each(clock.timers.iter().map(write_timer))
        .extra(&clock.extra)
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
        .each(timer.catchup.as_ref().map(write_catchup))
        .extra(&timer.extra)
}

fn write_catchup(catchup: &Catchup) -> Element<'_> {
    Element::new("catchup")
        .with_some("threshold", catchup.threshold.as_ref())
        .with_some("slew", catchup.slew.as_ref())
        .with_some("limit", catchup.limit.as_ref())
}
