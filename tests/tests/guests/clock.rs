//! What a guest tells the time by: the offset of its clock, what it sets that to, and its timers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use reeve_tests::{Daemon, Guest, Options, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";
/// How far what a guest shows may be from what is expected; machines under test load are slow.
const NEAR: i64 = 20;
/// 2040-02-29 12:00:00 in seconds since 1970, and how a guest is told it.
const LEAP: i64 = 2_214_129_600;
const SET_LEAP: &str = "rtc set 2040 2 29 12 0 0";

fn document(clock: &str) -> anyhow::Result<String> {
    let document = Guest::locate()?.document_with("web", 64, "", CONSOLE);
    Ok(document.replace("</features>", &format!("</features>{clock}")))
}

/// A guest with this clock that runs under a host in Japan.
fn start(clock: &str) -> anyhow::Result<Lab> {
    let environment = vec![("TZ".to_owned(), "Asia/Tokyo".to_owned())];
    let daemon = Daemon::start_with(Options { environment, ..Options::default() })?;
    let lab = Lab { daemon, place: tempfile::tempdir()? };
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &document(clock)?)?.ok();
    boot(&lab)?;
    Ok(lab)
}

fn boot(lab: &Lab) -> Outcome {
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("", "reeve-guest: ready").map(drop)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64
}

/// What the guest answers to a command, in one line.
fn ask(lab: &Lab, command: &str) -> anyhow::Result<String> {
    let said = lab.console(&format!("{command}\nping and-that-is-all"), "pong and-that-is-all")?;
    let mut lines = said.lines().filter(|line| line.starts_with("ok ") || line.starts_with("error "));
    lines.next().map(str::to_owned).with_context(|| said.clone())
}

/// Seconds since 1970 that the guest's clock shows, whatever place it is the time of.
fn shown(lab: &Lab) -> anyhow::Result<i64> {
    let said = ask(lab, "rtc")?;
    let numbers: Vec<i64> = said
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().unwrap_or(-1))
        .collect();
    let [year, month, day, hour, minute, second] = numbers[..] else { anyhow::bail!("no time: {said}") };
    // Years that begin in March end with the day that not all of them have.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Ok(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn near(lab: &Lab, expected: impl Fn() -> i64) -> Outcome {
    let (shown, expected) = (shown(lab)?, expected());
    anyhow::ensure!((shown - expected).abs() <= NEAR, "{shown} is not about {expected}");
    Ok(())
}

fn adjustment(lab: &Lab, options: &[&str]) -> anyhow::Result<i64> {
    let xml = lab.reeve(&[&["domain", "xml", "web"], options].concat())?.ok();
    let clock = xml.lines().find(|line| line.contains("<clock")).context("a domain has a clock")?;
    anyhow::ensure!(clock.contains("offset='variable'"), "{clock}");
    let (_, after) = clock.split_once("adjustment='").context("no adjustment")?;
    Ok(after.split('\'').next().unwrap_or_default().parse()?)
}

#[test]
fn a_clock_shows_utc_the_hosts_time_that_of_a_place_or_any_other() -> Outcome {
    near(&start("")?, now)?;
    near(&start("<clock offset='localtime'/>")?, || now() + 9 * 3600)?;
    // No summer has another offset there.
    near(&start("<clock offset='timezone' timezone='Asia/Kolkata'/>")?, || now() + 19_800)?;
    near(&start("<clock offset='variable' adjustment='123456'/>")?, || now() + 123_456)?;
    near(&start("<clock offset='variable' adjustment='-60' basis='localtime'/>")?, || now() + 9 * 3600 - 60)?;
    let lab = Lab::with_domain(CONSOLE)?;
    let refused = |clock: &str, code| {
        lab.reeve(&["domain", "undefine", "web"])?;
        let defined = lab.daemon.reeve_with_input(&["domain", "define", "-"], &document(clock)?)?;
        let run = if defined.code == 0 { lab.reeve(&["domain", "start", "web"])? } else { defined };
        anyhow::Ok(run.fails(code))
    };
    let said = refused("<clock offset='timezone' timezone='Europe/Atlantis'/>", 1)?;
    assert!(said.contains("no time zone 'Europe/Atlantis'"), "{said}");
    let said = refused("<clock offset='timezone'/>", 7)?;
    assert!(said.contains("needs the attribute timezone"), "{said}");
    let said = refused("<clock offset='utc'><timer name='pit' track='guest'/></clock>", 7)?;
    assert!(said.contains("for rtc"), "{said}");
    let said = refused("<clock offset='utc'><timer name='tsc' frequency='1000000'/></clock>", 1)?;
    assert!(said.contains("1000000 Hz"), "{said}");
    Ok(())
}

#[test]
fn what_a_guest_sets_is_lost_when_it_boots_again() -> Outcome {
    let lab = start("<clock offset='utc' adjustment='reset'/>")?;
    ask(&lab, SET_LEAP)?;
    near(&lab, || LEAP)?;
    wait::until("the change is told", PATIENCE, || {
        let events = lab.reeve(&["domain", "events", "web", "--after", "0", "--timeout", "0", "-o", "json"]);
        events.is_ok_and(|events| events.stdout.contains("\"change\":\"clock-changed\""))
    })?;
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    near(&lab, now)?;
    let xml = lab.reeve(&["domain", "xml", "web"])?.ok();
    assert!(xml.contains("<clock offset='utc' adjustment='reset'/>"), "{xml}");
    Ok(())
}

#[test]
fn what_a_guest_sets_a_variable_clock_to_is_kept() -> Outcome {
    let mut lab = start("<clock offset='utc' adjustment='3600'/>")?;
    near(&lab, || now() + 3600)?;
    let ahead = LEAP - now();
    ask(&lab, SET_LEAP)?;
    let kept = |lab: &Lab| {
        let both = [&[][..], &["--inactive"]].map(|options| adjustment(lab, options));
        both.iter().all(|kept| kept.as_ref().is_ok_and(|kept| (kept - ahead).abs() <= NEAR))
    };
    wait::until("live configuration and definition have it", PATIENCE, || kept(&lab))?;
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    near(&lab, || now() + ahead)?;
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    boot(&lab)?;
    near(&lab, || now() + ahead)?;
    // Set while no daemon runs: the next one learns it.
    lab.console("spin 4\nrtc set 2001 9 9 1 46 40", "")?;
    let told = Instant::now();
    wait::until("the guest is at it", PATIENCE, || told.elapsed() > Duration::from_secs(1))?;
    lab.daemon.kill()?;
    wait::until("the guest has set its clock", PATIENCE, || told.elapsed() > Duration::from_secs(8))?;
    let back = 1_000_000_000 - now();
    lab.daemon.launch()?;
    wait::until("it is told", PATIENCE, || {
        adjustment(&lab, &["--inactive"]).is_ok_and(|kept| (kept - back).abs() <= NEAR)
    })?;
    let kept = adjustment(&lab, &[])?;
    assert!((kept - back).abs() <= NEAR, "{kept} after {back}");
    near(&lab, || now() + back)?;
    Ok(())
}

#[test]
fn a_clock_goes_on_when_it_is_saved_and_stands_still_where_it_follows_the_guest() -> Outcome {
    for (track, stands) in [("wall", false), ("guest", true)] {
        let lab = start(&format!("<clock offset='variable'><timer name='rtc' track='{track}'/></clock>"))?;
        ask(&lab, SET_LEAP)?;
        let (set, file) = (Instant::now(), lab.file("web.save").display().to_string());
        lab.reeve(&["domain", "save", "web", &file])?.ok();
        let stood = Instant::now();
        wait::until("time passes", PATIENCE, || stood.elapsed() > Duration::from_secs(6))?;
        lab.reeve(&["domain", "restore", &file])?.ok();
        lab.reeve(&["domain", "suspend", "web"])?.ok();
        let stood_again = Instant::now();
        wait::until("time passes", PATIENCE, || stood_again.elapsed() > Duration::from_secs(3))?;
        lab.reeve(&["domain", "resume", "web"])?.ok();
        let (shown, elapsed) = (shown(&lab)? - LEAP, set.elapsed().as_secs() as i64);
        let lag = elapsed - shown;
        assert!(
            shown >= 0 && if stands { lag >= 8 } else { lag <= 5 },
            "{track}: {shown} s after {elapsed} s"
        );
    }
    Ok(())
}

#[test]
fn timers_are_there_or_not_and_interrupt() -> Outcome {
    let lab = start(
        "<clock offset='localtime'>\
           <timer name='rtc' tickpolicy='catchup' track='guest'><catchup threshold='123' slew='120' limit='10000'/></timer>\
           <timer name='pit' tickpolicy='delay'/><timer name='hpet' present='no'/></clock>",
    )?;
    assert_eq!(
        (ask(&lab, "pit")?, ask(&lab, "clocksource")?),
        ("ok counts".to_owned(), "ok kvm-clock".to_owned())
    );
    let is_right = |said: &str| {
        let field = |name: &str| {
            let after = said.split(name).nth(1).and_then(|after| after.strip_prefix('='));
            after.and_then(|after| after.split(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
        };
        // 32 Hz; on a busy host one may come late.
        let due = field("elapsed_us") * 32 / 1_000_000;
        field("ticks") + 4 >= due && field("ticks") <= due + 1 && due >= 31
    };
    let mut said = ask(&lab, "rtc ticks 11 1000")?;
    // So few that are missing are not made up for, and a host may be busier than that for a moment.
    for _ in 0..4 {
        if !is_right(&said) {
            said = ask(&lab, "rtc ticks 11 1000")?;
        }
    }
    assert!(is_right(&said), "{said}");
    let said = ask(&lab, "rtc alarm 2")?;
    assert!(said.starts_with("ok status=0x") && said.contains("elapsed_ms="), "{said}");

    let lab = start(
        "<clock offset='utc'><timer name='rtc' present='no'/><timer name='pit' present='no'/>\
           <timer name='kvmclock' present='no'/></clock>",
    )?;
    assert_eq!(
        (ask(&lab, "pit")?, ask(&lab, "rtc")?),
        ("ok absent".to_owned(), "ok ffff-ff-ff ff:ff:ff".to_owned())
    );
    let source = ask(&lab, "clocksource")?;
    if source == "ok kvm-clock" {
        println!(
            "SKIP kvm timers_are_there_or_not_and_interrupt: this KVM shows guests features whatever it is told"
        );
    } else {
        assert_eq!(source, "ok tsc");
    }
    // Without them it is saved all the same.
    let file = lab.file("web.save").display().to_string();
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    lab.reeve(&["domain", "restore", &file])?.ok();
    assert_eq!(ask(&lab, "pit")?, "ok absent");
    let discards = start("<clock offset='utc'><timer name='pit' tickpolicy='discard'/></clock>")?;
    assert_eq!(ask(&discards, "pit")?, "ok counts");
    Ok(())
}
