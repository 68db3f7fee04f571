#![expect(clippy::disallowed_methods, reason = "that time passes is what is tested")]

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::*;
use crate::config::{MissedTicks, ZoneOffset};

struct Bench {
    rtc: Arc<Rtc>,
    line: Arc<AtomicBool>,
    told: Arc<AtomicI64>,
}

fn bench(clock: &ClockConfig) -> Bench {
    let (line, told) = (Arc::<AtomicBool>::default(), Arc::new(AtomicI64::new(i64::MIN)));
    let (wire, ear) = (line.clone(), told.clone());
    let rtc = Rtc::new(
        clock,
        Box::new(move |high| wire.store(high, Ordering::SeqCst)),
        Box::new(move |adjustment| ear.store(adjustment, Ordering::SeqCst)),
        Box::new(|| {}),
    );
    let rtc = rtc.unwrap().unwrap();
    rtc.go_on();
    Bench { rtc, line, told }
}

impl Bench {
    fn get(&self, index: u8) -> u8 {
        let mut data = [0];
        self.rtc.write(0, &[index]);
        self.rtc.read(1, &mut data);
        data[0]
    }

    fn put(&self, index: u8, value: u8) {
        self.rtc.write(0, &[index]);
        self.rtc.write(1, &[value]);
    }

    fn seconds(&self) -> i64 {
        self.rtc.lock().flow.seconds()
    }
}

fn plain(adjustment: i64) -> ClockConfig {
    ClockConfig { adjustment, ..ClockConfig::default() }
}

#[test]
fn it_shows_the_hosts_date_and_keeps_memory() {
    let bench = bench(&plain(0));
    let shown = bench.get(9);
    assert!(shown >> 4 < 10 && shown & 15 < 10, "{shown:#x} is not BCD");
    assert_eq!(bench.get(0x32), 0x20);
    assert!((bench.seconds() - utc_seconds()).abs() <= 1);
    bench.put(0x7f, 0x5a);
    bench.rtc.write(1, &[1, 2]);
    assert_eq!((bench.get(0x7f), bench.get(0x0d)), (0x5a, STATUS_D));
    let state = bench.rtc.state();
    let again = self::bench(&plain(0));
    assert!(again.rtc.restore(&state));
    assert_eq!(again.get(0x7f), 0x5a);
    assert!(!again.rtc.restore(&RtcState { index: 128, ..state.clone() }));
    assert!(!again.rtc.restore(&RtcState { memory: vec![0; 127], ..state }));
}

/// As Linux does it: the clock stands while it is set.
fn set(bench: &Bench) {
    bench.put(0x0b, SET | DAY_HOURS);
    for (register, value) in [(0, 0x58), (2, 0x59), (4, 0x23), (7, 0x31), (8, 0x12), (9, 0x99), (0x32, 0x20)]
    {
        bench.put(register, value);
    }
    assert_eq!((bench.get(7), bench.get(8)), (0x31, 0x12));
    bench.put(0x0b, DAY_HOURS);
}

const SET_TO: i64 = 4_102_444_798;

#[test]
fn what_a_guest_sets_is_told_and_kept_or_not() {
    let lost = bench(&plain(0));
    set(&lost);
    let told = lost.told.load(Ordering::SeqCst);
    assert!((told - (SET_TO - utc_seconds())).abs() <= 1, "{told}");
    assert!((lost.seconds() - SET_TO).abs() <= 1 && (told - lost.rtc.adjustment()).abs() <= 1);
    lost.rtc.reset();
    assert!((lost.seconds() - utc_seconds()).abs() <= 1);

    let kept = bench(&ClockConfig { kept: true, ..plain(3600) });
    assert!((kept.seconds() - utc_seconds() - 3600).abs() <= 1);
    set(&kept);
    kept.rtc.reset();
    assert!((kept.seconds() - SET_TO).abs() <= 2);
    let again = bench(&plain(0));
    assert!(again.rtc.restore(&kept.rtc.state()));
    assert!((again.seconds() - SET_TO).abs() <= 2);
    // Without a stop each register counts as soon as all of them are a time.
    for (register, value) in [(8, 0x02), (7, 0x28), (9, 0x50)] {
        again.put(register, value);
    }
    assert_eq!((again.get(7), again.get(8), again.get(9), again.get(0x32)), (0x28, 0x02, 0x50, 0x20));
    let told = again.told.swap(i64::MIN, Ordering::SeqCst);
    again.put(9, 0x50);
    assert_eq!((told > 0, again.told.load(Ordering::SeqCst)), (true, i64::MIN), "nothing was set anew");
}

#[test]
fn local_time_is_that_of_the_last_change_of_its_offset() {
    let zone = |from, seconds| ZoneOffset { from, seconds };
    let now = utc_seconds();
    let clock =
        ClockConfig { zone: vec![zone(0, 3600), zone(now - 10, 7200), zone(now + 10_000, 0)], ..plain(0) };
    assert_eq!([clock.offset_at(-5), clock.offset_at(now - 11), clock.offset_at(now)], [3600, 3600, 7200]);
    assert_eq!(clock.offset_at(now + 10_000), 0);
    let bench = bench(&clock);
    assert!((bench.seconds() - now - 7200).abs() <= 1);
    assert_eq!(bench.rtc.adjustment(), 0);
}

#[test]
fn a_clock_that_follows_the_guest_stands_still_with_it() {
    let rtc = Some(RtcConfig { follows_guest: true, ..RtcConfig::default() });
    let bench = bench(&ClockConfig { rtc, ..plain(0) });
    bench.rtc.halt();
    let shown = bench.rtc.lock().flow.now();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(bench.rtc.lock().flow.now(), shown);
    let state = bench.rtc.state();
    bench.rtc.go_on();
    std::thread::sleep(Duration::from_millis(5));
    assert!(bench.rtc.lock().flow.now() > shown);
    std::thread::sleep(Duration::from_millis(30));
    let again = self::bench(&ClockConfig { rtc, ..plain(0) });
    again.rtc.halt();
    assert!(again.rtc.restore(&state));
    assert_eq!(again.rtc.lock().flow.now() / 1_000_000, shown / 1_000_000);
}

#[test]
fn it_interrupts_at_its_rate_at_an_alarm_and_after_each_second() {
    let bench = bench(&plain(0));
    let interrupted = |what: u8, within: Duration| {
        let end = Instant::now() + within;
        while Instant::now() < end {
            bench.rtc.expired();
            if bench.line.load(Ordering::SeqCst) {
                let c = bench.get(0x0c);
                assert!(!bench.line.load(Ordering::SeqCst), "reading C takes the interrupt");
                assert_eq!(c & (PENDING | what), PENDING | what);
                return true;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        false
    };
    assert!(!interrupted(PERIODIC, Duration::from_millis(20)));
    bench.put(0x0b, DAY_HOURS | PERIODIC);
    assert!((0..5).all(|_| interrupted(PERIODIC, Duration::from_secs(2))));
    bench.put(0x0b, DAY_HOURS | UPDATE);
    assert!(interrupted(UPDATE, Duration::from_secs(3)));
    let alarm = Fields::of(bench.seconds() + 2).0;
    let form = Form { binary: false, day_hours: true };
    bench.put(1, form.encode(alarm[SECOND]));
    bench.put(3, form.encode(alarm[MINUTE]));
    bench.put(5, ANY);
    bench.put(0x0b, DAY_HOURS | ALARM);
    assert!(interrupted(ALARM, Duration::from_secs(5)));
    bench.rtc.halt();
    assert!(!interrupted(ALARM, Duration::from_millis(10)));
}

#[test]
fn an_alarm_is_kept_for_a_guest_that_stands_and_none_is_of_before_it_was_set() {
    let form = Form { binary: false, day_hours: true };
    let set_alarm = |bench: &Bench, seconds: i64| {
        let fields = Fields::of(seconds).0;
        bench.put(1, form.encode(fields[SECOND]));
        bench.put(3, form.encode(fields[MINUTE]));
        bench.put(5, form.encode_hour(fields[HOUR]));
        bench.put(0x0b, DAY_HOURS | ALARM);
    };
    let pass = |bench: &Bench, second: i64| {
        while bench.seconds() <= second {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let bench = bench(&plain(0));
    let now = bench.seconds();
    pass(&bench, now + 1);
    set_alarm(&bench, now + 1);
    bench.rtc.expired();
    assert!(!bench.line.load(Ordering::SeqCst), "it is over until tomorrow");
    bench.rtc.halt();
    let soon = bench.seconds() + 1;
    set_alarm(&bench, soon);
    pass(&bench, soon);
    let state = bench.rtc.state();
    bench.rtc.go_on();
    bench.rtc.expired();
    assert!(bench.line.load(Ordering::SeqCst));
    // What was saved before its alarm has it too.
    let shown_ms = (soon - 1) * 1000;
    let time = state.time.map(|time| RtcTime { shown_ms, ..time });
    let again = self::bench(&plain(0));
    again.rtc.halt();
    assert!(again.rtc.restore(&RtcState { time, ..state }));
    assert!(!again.line.load(Ordering::SeqCst));
    again.rtc.go_on();
    again.rtc.expired();
    assert!(again.line.load(Ordering::SeqCst));
}

#[test]
fn the_next_alarm_is_that_of_its_registers() {
    let bench = bench(&plain(0));
    let next = |registers: [u8; 3], after: i64| {
        let mut state = bench.rtc.lock();
        ALARMS.into_iter().zip(registers).for_each(|(place, value)| state.memory[place] = value);
        state.next_alarm(after)
    };
    assert_eq!(next([ANY; 3], 100), Some(101));
    assert_eq!(next([0x30, 0x59, 0x23], 0), Some(86_370));
    assert_eq!(next([0x30, 0x59, 0x23], 86_370), Some(2 * DAY_SECONDS - 30));
    assert_eq!(next([0x05, ANY, ANY], 5), Some(65));
    assert_eq!(next([0x00, 0x00, ANY], 1), Some(3600));
    assert_eq!(next([ANY, ANY, 0x01], 7199), Some(DAY_SECONDS + 3600));
    for never in [[0x99, ANY, ANY], [ANY, 0x60, ANY], [ANY, ANY, 0x24]] {
        assert_eq!(next(never, 0), None);
    }
}

#[test]
fn a_guest_that_writes_anything_harms_nothing() {
    let rtc = RtcConfig {
        missed: MissedTicks::CatchUp { threshold: 1, slew: 101, limit: 3 },
        ..RtcConfig::default()
    };
    let bench = bench(&ClockConfig { rtc: Some(rtc), ..plain(0) });
    for value in 0..=255u8 {
        for index in 0..128 {
            bench.put(index, value);
            bench.get(index);
        }
        bench.rtc.expired();
    }
    assert!(self::bench(&plain(0)).rtc.restore(&bench.rtc.state()));
}
