//! From `<clock>` to what a guest tells the time by (guide 8.10, 20.15).

use std::path::Path;
use std::sync::LazyLock;

use reeve_model::domain::{Adjustment, ClockConfig, Timer};
use reeve_sys::{open, zone};
use reeve_vmm::config as vm;
use reeve_vmm::hypervisor::{Hypervisor, TscSupport};
use time::OffsetDateTime;

/// How far ahead a guest knows when its local time changes: it may run for long, and is not told later.
const YEARS: i64 = 30;
const YEAR: i64 = 31_556_952;
/// Most changes that it is told.
const MAX_OFFSETS: usize = 128;
/// Hundredths of the normal rate at which missed ticks come, where the document does not say.
const SLEW: u32 = 200;
/// Missed ticks that are remembered at most, where the document does not say.
const LIMIT: u32 = 10_000;

/// What the time stamp counters of guests can be on this host; none where there is no KVM, which is told elsewhere.
pub(super) fn tsc() -> Option<TscSupport> {
    static TSC: LazyLock<Option<TscSupport>> = LazyLock::new(|| {
        let device = open::character_device(Path::new("/dev/kvm"), true).ok()?;
        Hypervisor::new(device).ok()?.tsc().ok()
    });
    *TSC
}

/// What the guest gets; reasons why it can't be as the document says go to `refuse`.
pub(super) fn plan(
    clock: &ClockConfig,
    tsc: Option<TscSupport>,
    refuse: &mut impl FnMut(String),
) -> vm::ClockConfig {
    let mut plan = vm::ClockConfig {
        adjustment: clock.kept().unwrap_or(0),
        kept: clock.kept().is_some(),
        zone: zone(clock, refuse),
        ..vm::ClockConfig::default()
    };
    for timer in &clock.timers {
        let name = timer.name.as_str();
        match name {
            "rtc" => plan.rtc = rtc(timer, refuse),
            "pit" => plan.pit = pit(timer, refuse),
            "tsc" => plan.tsc_khz = counter(timer, tsc, refuse),
            "kvmclock" => plan.kvmclock = !timer.is_absent(),
            // What is not there is as it should be.
            _ if timer.is_absent() => {}
            "hpet" | "hypervclock" | "platform" | "armvtimer" => {
                refuse(format!("guests here have no timer '{name}'; write present='no', or take it out"));
            }
            other => refuse(format!("there is no timer '{other}'")),
        }
    }
    plan
}

fn zone(clock: &ClockConfig, refuse: &mut impl FnMut(String)) -> Vec<vm::ZoneOffset> {
    let name = match clock.offset() {
        "timezone" => clock.timezone.as_deref(),
        "absolute" => {
            refuse("a clock of offset 'absolute' can't be had; use variable with an adjustment".to_owned());
            return Vec::new();
        }
        _ if clock.is_local() => None,
        _ => return Vec::new(),
    };
    let now = OffsetDateTime::now_utc().unix_timestamp();
    match zone::offsets(name, now, now + YEARS * YEAR, MAX_OFFSETS) {
        Ok(offsets) => offsets.into_iter().map(|(from, seconds)| vm::ZoneOffset { from, seconds }).collect(),
        Err(error) => {
            refuse(error.to_string());
            Vec::new()
        }
    }
}

fn rtc(timer: &Timer, refuse: &mut impl FnMut(String)) -> Option<vm::RtcConfig> {
    if timer.is_absent() {
        return None;
    }
    let follows_guest = match timer.track() {
        Some("guest") => true,
        Some("boot") => {
            refuse("a real-time clock of track 'boot' can't be had; use guest or wall".to_owned());
            false
        }
        _ => false,
    };
    let missed = match timer.tickpolicy.as_deref() {
        Some("delay") => vm::MissedTicks::Delay,
        Some("discard") => vm::MissedTicks::Discard,
        Some("catchup") => catch_up(timer, refuse),
        _ => vm::MissedTicks::Merge,
    };
    Some(vm::RtcConfig { follows_guest, missed })
}

fn catch_up(timer: &Timer, refuse: &mut impl FnMut(String)) -> vm::MissedTicks {
    let given = timer.catchup.unwrap_or_default();
    let (slew, threshold) = (given.slew.unwrap_or(SLEW), given.threshold.unwrap_or(1));
    if slew <= 100 {
        refuse(format!(
            "ticks at {slew} of 100 of their rate never catch up; write a <catchup slew> above 100"
        ));
    }
    vm::MissedTicks::CatchUp { threshold, slew, limit: given.limit.unwrap_or(LIMIT).max(threshold) }
}

fn pit(timer: &Timer, refuse: &mut impl FnMut(String)) -> Option<vm::MissedTicks> {
    if timer.is_absent() {
        return None;
    }
    match timer.tickpolicy.as_deref() {
        None | Some("delay") => Some(vm::MissedTicks::Delay),
        Some("discard") => Some(vm::MissedTicks::Discard),
        Some(other) => {
            refuse(format!("KVM can't '{other}' missed ticks of the timer 'pit'; use delay or discard"));
            Some(vm::MissedTicks::Delay)
        }
    }
}

/// The rate of the time stamp counter, where it is to have one of its own.
fn counter(timer: &Timer, tsc: Option<TscSupport>, refuse: &mut impl FnMut(String)) -> Option<u32> {
    if timer.is_absent() {
        refuse("every x86 guest has a time stamp counter: the timer 'tsc' can't be absent".to_owned());
    }
    if let Some(mode @ ("emulate" | "paravirt" | "smpsafe")) = timer.mode.as_deref() {
        refuse(format!(
            "KVM lets guests read the time stamp counter themselves, not by '{mode}'; use auto or native"
        ));
    }
    let hertz = timer.frequency?;
    let khz = u32::try_from(hertz.div_ceil(1000)).ok();
    match (khz, tsc) {
        (Some(khz), None) if khz < i32::MAX as u32 => Some(khz),
        (Some(khz), Some(support)) if support.can_be(khz) => {
            if timer.mode.as_deref() == Some("native")
                && !(TscSupport { scales: false, ..support }).can_be(khz)
            {
                refuse(format!("a native time stamp counter has the host's {} kHz here", support.khz));
            }
            Some(khz)
        }
        (_, support) => {
            let own = support.map_or(0, |support| support.khz);
            let why = if support.is_some_and(|support| support.scales) {
                "its CPU scales it by at most 255, to less than 2^31 kHz"
            } else {
                "its CPU gives guests no other"
            };
            refuse(format!(
                "<timer name='tsc' frequency='{hertz}'>: its time stamp counter can't have {hertz} Hz: this host's has {own} kHz, and {why}"
            ));
            None
        }
    }
}

/// What the guest gets in another way than its document says.
pub(super) fn notes(clock: &ClockConfig) -> Vec<String> {
    let merged = clock.timer("rtc").is_some_and(|rtc| rtc.tickpolicy.as_deref() == Some("discard"));
    let mut notes = Vec::new();
    if merged {
        let sentence = "a tick of its real-time clock that the guest has not taken is one with the next, as the chip does it";
        notes.push(sentence.to_owned());
    }
    if matches!((clock.offset(), clock.adjustment), ("utc" | "localtime", Some(Adjustment::Seconds(_)))) {
        notes.push("its clock is variable, as it has an adjustment in seconds".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Option<TscSupport> = Some(TscSupport { khz: 2_000_000, scales: false });

    fn planned(clock: &ClockConfig, tsc: Option<TscSupport>) -> Result<vm::ClockConfig, String> {
        let mut refusals = Vec::new();
        let plan = plan(clock, tsc, &mut |sentence| refusals.push(sentence));
        if refusals.is_empty() { Ok(plan) } else { Err(refusals.join("; ")) }
    }

    fn clock(offset: &str, timers: &[Timer]) -> ClockConfig {
        ClockConfig { offset: offset.to_owned(), timers: timers.to_vec(), ..ClockConfig::default() }
    }

    fn timer(name: &str) -> Timer {
        Timer { name: name.to_owned(), ..Timer::default() }
    }

    fn word(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn offsets_become_adjustments_of_a_basis() {
        assert_eq!(planned(&clock("utc", &[]), FIXED).unwrap(), vm::ClockConfig::default());
        let adjustment = Some(Adjustment::Seconds(-7));
        let plan = planned(&ClockConfig { adjustment, ..clock("variable", &[]) }, FIXED).unwrap();
        assert!(plan.kept && plan.zone.is_empty() && plan.adjustment == -7);
        let plan = planned(&ClockConfig { adjustment, ..clock("localtime", &[]) }, FIXED).unwrap();
        assert!(plan.kept && !plan.zone.is_empty() && plan.adjustment == -7);
        let zone = |name: &str| ClockConfig { timezone: word(name), ..clock("timezone", &[]) };
        assert!(planned(&zone("Europe/Atlantis"), FIXED).unwrap_err().contains("no time zone"));
        if Path::new("/usr/share/zoneinfo/Asia/Tokyo").exists() {
            let plan = planned(&zone("Asia/Tokyo"), FIXED).unwrap();
            assert_eq!((plan.zone.len(), plan.zone[0].seconds, plan.kept), (1, 9 * 3600, false));
        }
        assert!(planned(&clock("absolute", &[]), FIXED).unwrap_err().contains("use variable"));
    }

    #[test]
    fn timers_are_what_kvm_can_give() {
        let one = |timer: Timer| planned(&clock("utc", &[timer]), FIXED);
        let absent = |name| Timer { present: Some(false), ..timer(name) };
        let rtc = |plan: vm::ClockConfig| plan.rtc.unwrap();
        let guest = rtc(one(Timer { track: word("guest"), ..timer("rtc") }).unwrap());
        assert!(guest.follows_guest && guest.missed == vm::MissedTicks::Merge);
        let catchup =
            Some(reeve_model::domain::Catchup { threshold: Some(123), slew: Some(120), limit: Some(10_000) });
        let plan = one(Timer { tickpolicy: word("catchup"), catchup, ..timer("rtc") }).unwrap();
        assert_eq!(rtc(plan).missed, vm::MissedTicks::CatchUp { threshold: 123, slew: 120, limit: 10_000 });
        assert_eq!(
            one(Timer { tickpolicy: word("discard"), ..timer("pit") }).unwrap().pit,
            Some(vm::MissedTicks::Discard)
        );
        assert_eq!(one(absent("pit")).unwrap().pit, None);
        assert_eq!(one(absent("rtc")).unwrap().rtc, None);
        assert!(!one(absent("kvmclock")).unwrap().kvmclock);
        one(absent("hpet")).unwrap();
        for (bad, words) in [
            (Timer { track: word("boot"), ..timer("rtc") }, "guest or wall"),
            (Timer { tickpolicy: word("merge"), ..timer("pit") }, "delay or discard"),
            (Timer { tickpolicy: word("catchup"), ..timer("pit") }, "delay or discard"),
            (Timer { mode: word("emulate"), ..timer("tsc") }, "auto or native"),
            (absent("tsc"), "can't be absent"),
            (timer("hpet"), "no timer 'hpet'"),
            (timer("platform"), "no timer 'platform'"),
            (Timer { frequency: Some(1_000_000), ..timer("tsc") }, "2000000 kHz"),
        ] {
            let said = one(bad).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_counter_of_another_rate_takes_a_cpu_that_scales() {
        let tsc = |hertz, mode| Timer { frequency: Some(hertz), mode, ..timer("tsc") };
        let scales = Some(TscSupport { khz: 2_000_000, scales: true });
        let with = |timer, support| planned(&clock("utc", &[timer]), support).map(|plan| plan.tsc_khz);
        assert_eq!(with(tsc(2_000_000_000, word("native")), FIXED), Ok(Some(2_000_000)));
        assert_eq!(with(tsc(1_500_000_000, None), scales), Ok(Some(1_500_000)));
        assert!(with(tsc(1_500_000_000, word("native")), scales).unwrap_err().contains("native"));
        let much = with(tsc(4_000_000_000_000, None), scales).unwrap_err();
        assert!(
            much.contains("<timer name='tsc' frequency='4000000000000'>") && much.contains("255"),
            "{much}"
        );
        assert!(with(tsc(i32::MAX as u64 * 1000, None), None).is_err());
        assert!(with(tsc(u64::MAX, None), scales).unwrap_err().contains("can't have"));
    }
}
