//! What tc is told.

use std::fmt::Write;

use super::{Floor, Rate, Shape, TrafficError};
use crate::link::{LinkName, Mac};

/// How long bytes may wait at the average rate, as a part of a second.
const QUEUE: u64 = 5;
/// A queue holds several packets of the host's stack even when they are slow.
const SMALLEST_QUEUE: u64 = 256 << 10;
const LARGEST_QUEUE: u64 = 16 << 20;
/// 20 ms: less than a timer's delay on a busy host costs throughput.
const BURST: u64 = 50;
/// Two full frames.
const SMALLEST_BURST: u64 = 3028;
/// The kernel counts a burst as the time it takes, up to 274 s.
const LONGEST_BURST_S: u64 = 200;
/// Ids of floors, between the classes of the bridge itself and the end of what four decimal digits can say.
const FLOOR_IDS: std::ops::RangeInclusive<u16> = 3..=9999;

/// Refuses limits that make no sense.
pub(super) fn check(link: &LinkName, shape: &Shape, floors: &[Floor]) -> Result<(), TrafficError> {
    let wrong = |reason| Err(TrafficError::Limits { link: link.clone(), reason });
    for rate in [shape.inbound, shape.outbound].into_iter().flatten() {
        if rate.average == 0 {
            return wrong("its average is 0");
        }
        if rate.peak.is_some_and(|peak| peak < rate.average) {
            return wrong("its peak is below its average");
        }
        if rate.burst.is_some_and(|burst| burst / rate.average > LONGEST_BURST_S || burst > u32::MAX.into()) {
            return wrong("its burst takes minutes at its average");
        }
    }
    if floors.is_empty() {
        return Ok(());
    }
    let Some(inbound) = shape.inbound else {
        return wrong("ports have floors, but it has no inbound limit");
    };
    let mut ids: Vec<u16> = floors.iter().map(|floor| floor.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != floors.len() || !ids.iter().all(|id| FLOOR_IDS.contains(id)) {
        return wrong("the ids of its floors are not different numbers from 3 to 9999");
    }
    if floors.iter().any(|floor| floor.rate == 0) {
        return wrong("a floor is 0");
    }
    let promised = floors.iter().try_fold(0_u64, |sum, floor| sum.checked_add(floor.rate));
    if promised.is_none_or(|sum| sum >= inbound.average) {
        return wrong("its floors together are not below its average");
    }
    Ok(())
}

/// One class that paces everything that leaves by a link.
pub(super) fn single(script: &mut String, link: &LinkName, rate: Rate) {
    line(script, format_args!("qdisc add dev {link} root handle 1: htb default 1"));
    class(script, link, "1:", 1, rate);
    queue(script, link, 1, rate.average);
}

/// A class for everything, and below it one for each floor and one for the rest.
pub(super) fn shared(script: &mut String, bridge: &LinkName, rate: Rate, floors: &[Floor]) {
    line(script, format_args!("qdisc add dev {bridge} root handle 1: htb default 2"));
    class(script, bridge, "1:", 1, rate);
    let promised: u64 = floors.iter().map(|floor| floor.rate).sum();
    let most = rate.peak.unwrap_or(rate.average);
    let below = |average| Rate { average, peak: Some(most), burst: None };
    class(script, bridge, "1:1", 2, below(rate.average.saturating_sub(promised).max(1)));
    queue(script, bridge, 2, rate.average);
    for floor in floors {
        class(script, bridge, "1:1", floor.id, below(floor.rate));
        queue(script, bridge, floor.id, floor.rate);
        let id = floor.id;
        let Mac([a, b, c, d, e, f]) = floor.mac;
        // Offsets count from behind the frame's header, which begins with the destination.
        line(
            script,
            format_args!(
                "filter add dev {bridge} parent 1: protocol all prio 1 u32 match u16 0x{a:02x}{b:02x} 0xffff at -14 \
                 match u32 0x{c:02x}{d:02x}{e:02x}{f:02x} 0xffffffff at -12 flowid 1:{id}"
            ),
        );
    }
}

/// Sends what arrives by a link to the intermediate one.
pub(super) fn redirect(script: &mut String, link: &LinkName, to: &LinkName) {
    line(script, format_args!("qdisc add dev {link} handle ffff: ingress"));
    line(
        script,
        format_args!(
            "filter add dev {link} parent ffff: protocol all prio 1 u32 match u32 0 0 \
             action mirred egress redirect dev {to}"
        ),
    );
}

pub(super) fn remove(script: &mut String, link: &LinkName, what: &str) {
    line(script, format_args!("qdisc del dev {link} {what}"));
}

fn class(script: &mut String, link: &LinkName, parent: &str, id: u16, rate: Rate) {
    let Rate { average, peak, burst } = rate;
    let short = |rate: u64| (rate / BURST).clamp(SMALLEST_BURST, u32::MAX.into());
    let burst = burst.unwrap_or_else(|| short(average)).max(SMALLEST_BURST);
    let ceiling = peak.unwrap_or(average);
    // What may pass faster than the peak: no more than pacing needs.
    let above = if peak.is_some() { short(ceiling) } else { burst };
    // What one class sends before it is the next one's turn.
    let quantum = (average / 10).clamp(1514, 60_000);
    line(
        script,
        format_args!(
            "class add dev {link} parent {parent} classid 1:{id} htb rate {average}bps ceil {ceiling}bps \
             burst {burst}b cburst {above}b quantum {quantum}"
        ),
    );
}

fn queue(script: &mut String, link: &LinkName, id: u16, average: u64) {
    let limit = (average / QUEUE).clamp(SMALLEST_QUEUE, LARGEST_QUEUE);
    line(script, format_args!("qdisc add dev {link} parent 1:{id} bfifo limit {limit}b"));
}

fn line(script: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(script, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { average: 1_000_000, peak: None, burst: None };

    fn reason(inbound: Option<Rate>, floors: &[(u16, u64)]) -> String {
        let floors: Vec<Floor> =
            floors.iter().map(|&(id, rate)| Floor { id, mac: Mac([2, 0, 0, 0, 0, 1]), rate }).collect();
        let link = LinkName::new("virbr0").unwrap();
        match check(&link, &Shape { inbound, outbound: None }, &floors) {
            Ok(()) => String::new(),
            Err(error) => error.to_string().split_once("can't be limited: ").unwrap().1.to_owned(),
        }
    }

    #[test]
    fn limits_without_sense_are_refused() {
        assert_eq!(reason(Some(RATE), &[(3, 400_000), (4, 599_999)]), "");
        assert_eq!(reason(Some(Rate { peak: Some(1_000_000), burst: Some(200_000_000), ..RATE }), &[]), "");
        assert_eq!(reason(Some(Rate { average: 0, ..RATE }), &[]), "its average is 0");
        assert_eq!(reason(Some(Rate { peak: Some(1), ..RATE }), &[]), "its peak is below its average");
        let long = Rate { burst: Some(u64::MAX), ..RATE };
        assert_eq!(reason(Some(long), &[]), "its burst takes minutes at its average");
        assert_eq!(reason(None, &[(3, 1)]), "ports have floors, but it has no inbound limit");
        let ids = "the ids of its floors are not different numbers from 3 to 9999";
        for wrong in [[(3, 1), (3, 1)], [(2, 1), (3, 1)], [(3, 1), (10_000, 1)]] {
            assert_eq!(reason(Some(RATE), &wrong), ids);
        }
        assert_eq!(reason(Some(RATE), &[(3, 0)]), "a floor is 0");
        let sum = "its floors together are not below its average";
        assert_eq!(reason(Some(RATE), &[(3, 400_000), (4, 600_000)]), sum);
        assert_eq!(reason(Some(RATE), &[(3, u64::MAX), (4, 2)]), sum);
    }
}
