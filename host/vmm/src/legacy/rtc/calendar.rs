//! Date and time as the registers of the clock have them.

use time::{Date, Month, OffsetDateTime, Time};

/// Second, minute, hour, day, month, year of the century, century.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields(pub [u8; 7]);

/// Places of [`Fields`].
pub(super) const SECOND: usize = 0;
pub(super) const MINUTE: usize = 1;
pub(super) const HOUR: usize = 2;
pub(super) const DAY: usize = 3;
pub(super) const MONTH: usize = 4;
pub(super) const YEAR: usize = 5;
pub(super) const CENTURY: usize = 6;

impl Fields {
    /// Those of a time in seconds since 1970, within the years 0 to 9999.
    pub fn of(seconds: i64) -> Self {
        let shown = moment(seconds);
        let year = shown.year().clamp(0, 9999) as u16;
        Self([
            shown.second(),
            shown.minute(),
            shown.hour(),
            shown.day(),
            u8::from(shown.month()),
            (year % 100) as u8,
            (year / 100) as u8,
        ])
    }

    /// Seconds since 1970; none when there is no such date or time.
    pub fn seconds(self) -> Option<i64> {
        let [second, minute, hour, day, month, year, century] = self.0;
        let (year, century) = (i32::from(year), i32::from(century));
        if year > 99 || century > 99 {
            return None;
        }
        let date = Date::from_calendar_date(century * 100 + year, Month::try_from(month).ok()?, day).ok()?;
        let time = Time::from_hms(hour, minute, second).ok()?;
        Some(date.with_time(time).assume_utc().unix_timestamp())
    }
}

/// Day of the week of a time, Sunday being 1.
pub(super) fn weekday(seconds: i64) -> u8 {
    moment(seconds).weekday().number_from_sunday()
}

fn moment(seconds: i64) -> OffsetDateTime {
    let last = OffsetDateTime::UNIX_EPOCH;
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(last)
}

/// How a number stands in a register.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Binary, not BCD.
    pub binary: bool,
    /// Hours from 0 to 23, not from 1 to 12 with a bit for the afternoon.
    pub day_hours: bool,
}

const AFTERNOON: u8 = 0x80;

impl Form {
    /// As it stands in a register.
    pub fn encode(self, value: u8) -> u8 {
        if self.binary { value } else { ((value / 10) << 4) | (value % 10) }
    }

    /// What stands in a register, whatever that is.
    pub fn decode(self, register: u8) -> u8 {
        if self.binary { register } else { (register >> 4).saturating_mul(10).saturating_add(register & 15) }
    }

    /// An hour as it stands in a register.
    pub fn encode_hour(self, hour: u8) -> u8 {
        match self.day_hours {
            true => self.encode(hour),
            false => self.encode((hour % 12 + 11) % 12 + 1) | if hour >= 12 { AFTERNOON } else { 0 },
        }
    }

    /// The hour that stands in a register.
    pub fn decode_hour(self, register: u8) -> u8 {
        match self.day_hours {
            true => self.decode(register),
            false => {
                let hour = self.decode(register & !AFTERNOON) % 12;
                hour + if register & AFTERNOON != 0 { 12 } else { 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_a_time_where_there_is_one() {
        let fields = Fields::of(1_709_208_000);
        assert_eq!(fields, Fields([0, 0, 12, 29, 2, 24, 20]));
        assert_eq!((fields.seconds(), weekday(1_709_208_000)), (Some(1_709_208_000), 5));
        assert_eq!(Fields([0, 0, 12, 29, 2, 25, 20]).seconds(), None);
        assert_eq!(Fields([60, 0, 12, 1, 1, 25, 20]).seconds(), None);
        assert_eq!(Fields::of(i64::MAX), Fields::of(0));
    }

    #[test]
    fn hours_have_two_forms() {
        let form = Form { binary: false, day_hours: false };
        for (hour, register) in [(0, 0x12), (1, 0x01), (11, 0x11), (12, 0x92), (23, 0x91)] {
            assert_eq!((form.encode_hour(hour), form.decode_hour(register)), (register, hour));
        }
        // Guests may change the form after they have written anything.
        assert_eq!(form.encode_hour(255), 0x83);
        let binary = Form { binary: true, day_hours: true };
        assert_eq!(
            (binary.encode(59), binary.decode(59), form.encode(59), form.decode(0x59)),
            (59, 59, 0x59, 59)
        );
    }
}
