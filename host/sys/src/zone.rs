//! Time zones: how far local time is from UTC, and when that changes, by the host's own database (`/usr/share/zoneinfo`).

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A time zone can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// The database has no such zone.
    #[error(
        "this host knows no time zone '{0}'; its names are the files below /usr/share/zoneinfo (package tzdata), e.g. Europe/Paris"
    )]
    Unknown(String),
    /// The time is beyond what the database can say anything about.
    #[error("there is no local time at {0} seconds since 1970")]
    Range(i64),
}

/// Seconds that local time is ahead of UTC, with the time in seconds since 1970 from which on it is so: the one that holds at `from`, then
/// every change before `until`, `most` in all. Without a name it is the zone that the host is set to, which is UTC where it is set to none.
pub fn offsets(name: Option<&str>, from: i64, until: i64, most: usize) -> Result<Vec<(i64, i32)>, ZoneError> {
    let zone = match name {
        Some(name) => TimeZone::get(name).map_err(|_| ZoneError::Unknown(name.to_owned()))?,
        None => TimeZone::try_system().unwrap_or(TimeZone::UTC),
    };
    let start = Timestamp::from_second(from).map_err(|_| ZoneError::Range(from))?;
    let mut offsets = vec![(from, zone.to_offset(start).seconds())];
    for change in zone.following(start).take_while(|change| change.timestamp().as_second() < until) {
        let (at, seconds) = (change.timestamp().as_second(), change.offset().seconds());
        // Only the name may change, or whether it is called summer.
        if offsets.last().is_none_or(|(_, last)| *last != seconds) {
            offsets.push((at, seconds));
        }
    }
    offsets.truncate(most);
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_change_when_summer_begins_and_ends() {
        let year = 1_735_689_600..1_767_225_600;
        let found = match offsets(Some("Europe/Paris"), year.start, year.end, 10) {
            Ok(found) => found,
            Err(error) => {
                println!("SKIP zoneinfo offsets_change_when_summer_begins_and_ends: {error}");
                return;
            }
        };
        assert_eq!(found, [(1_735_689_600, 3600), (1_743_296_400, 7200), (1_761_440_400, 3600)]);
        assert_eq!(offsets(Some("Europe/Paris"), year.start, year.end, 2).unwrap().len(), 2);
        assert_eq!(offsets(Some("UTC"), 0, i64::MAX, 10).unwrap(), [(0, 0)]);
    }

    #[test]
    fn names_that_are_none_and_times_that_are_none_are_refused() {
        let said = offsets(Some("Europe/Atlantis"), 0, 1, 1).unwrap_err().to_string();
        assert!(said.contains("'Europe/Atlantis'") && said.contains("/usr/share/zoneinfo"), "{said}");
        assert!(offsets(Some("../../etc/localtime"), 0, 1, 1).is_err());
        assert!(offsets(None, i64::MAX, i64::MAX, 1).is_err());
    }
}
