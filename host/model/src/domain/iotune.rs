//! `<iotune>` of a disk (guide 20.16.1.5): how much may pass.

use serde::{Deserialize, Serialize};

/// Limits of a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IoTune {
    /// Bytes a second.
    #[serde(default)]
    pub bytes: IoLimits,
    /// Requests a second.
    #[serde(default)]
    pub iops: IoLimits,
    /// `size_iops_sec`: bytes that count as one request; a larger request counts as several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_iops_sec: Option<u64>,
}

/// Limits of one kind. One for both ways together excludes those of a way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IoLimits {
    /// Reads and writes together.
    #[serde(default)]
    pub total: IoLimit,
    /// Reads.
    #[serde(default)]
    pub read: IoLimit,
    /// Writes.
    #[serde(default)]
    pub write: IoLimit,
}

/// One limit; none or 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IoLimit {
    /// What may pass a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sec: Option<u64>,
    /// What may pass a second in a burst.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Seconds that a burst may last; one when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
}

/// Largest number of bytes or requests a second.
const MOST: u64 = 1_000_000_000_000_000;
/// Longest burst in seconds.
const LONGEST: u64 = 86_400;

impl IoTune {
    /// True when nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Every number with its libvirt name, in the order of libvirt's documents.
    pub fn numbers(&mut self) -> Vec<(String, &mut Option<u64>)> {
        let mut all: [Vec<(String, &mut Option<u64>)>; 3] = Default::default();
        for (kind, limits) in [("bytes", &mut self.bytes), ("iops", &mut self.iops)] {
            for (way, limit) in
                [("total", &mut limits.total), ("read", &mut limits.read), ("write", &mut limits.write)]
            {
                let name = format!("{way}_{kind}_sec");
                all[1].push((format!("{name}_max"), &mut limit.max));
                all[2].push((format!("{name}_max_length"), &mut limit.max_length));
                all[0].push((name, &mut limit.sec));
            }
        }
        let [sec, max, length] = all;
        let size = std::iter::once(("size_iops_sec".to_owned(), &mut self.size_iops_sec));
        sec.into_iter().chain(max).chain(size).chain(length).collect()
    }

    /// These limits, with what `other` says in the place of what is said here.
    pub fn changed_to(mut self, mut other: Self) -> Self {
        for ((_, mine), (_, theirs)) in self.numbers().into_iter().zip(other.numbers()) {
            *mine = theirs.or(*mine);
        }
        self
    }

    /// Refuses numbers that make no sense together.
    pub fn check(mut self) -> Result<(), String> {
        for (name, value) in self.numbers() {
            let most = if name.ends_with("_length") { LONGEST } else { MOST };
            if value.is_some_and(|value| value > most) {
                return Err(format!("{name} is more than {most}"));
            }
        }
        for (kind, limits) in [("bytes", self.bytes), ("iops", self.iops)] {
            let ways = [("total", limits.total), ("read", limits.read), ("write", limits.write)];
            for (way, limit) in ways {
                limit.check(&format!("{way}_{kind}_sec"))?;
                if way != "total" && limit.rate() > 0 && limits.total.rate() > 0 {
                    return Err(format!(
                        "total_{kind}_sec and {way}_{kind}_sec exclude each other; give the first or the others, \
                         and 0 for what is not to be"
                    ));
                }
            }
        }
        Ok(())
    }
}

impl IoLimit {
    /// What may pass a second; 0 is no limit.
    pub fn rate(self) -> u64 {
        self.sec.unwrap_or(0)
    }

    fn check(self, name: &str) -> Result<(), String> {
        let max = self.max.unwrap_or(0);
        let sentence = match (self.rate(), max, self.max_length.unwrap_or(0)) {
            (0, 1.., _) => format!("{name}_max needs {name}: a burst is above a limit"),
            (rate, 1.., _) if max < rate => format!("{name}_max is less than {name}"),
            (_, 0, 1..) => format!("{name}_max_length needs {name}_max: it is how long the burst may last"),
            _ => return Ok(()),
        };
        Err(sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(sec: u64, max: u64, max_length: u64) -> IoLimit {
        let some = |value| Some(value).filter(|value| *value > 0);
        IoLimit { sec: some(sec), max: some(max), max_length: some(max_length) }
    }

    fn of_bytes(total: IoLimit, read: IoLimit) -> IoTune {
        IoTune { bytes: IoLimits { total, read, ..IoLimits::default() }, ..IoTune::default() }
    }

    #[test]
    fn numbers_have_the_names_and_the_order_of_documents() {
        let names: Vec<String> = IoTune::default().numbers().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 19);
        assert_eq!(names[..3], ["total_bytes_sec", "read_bytes_sec", "write_bytes_sec"]);
        assert_eq!(names[3..7], ["total_iops_sec", "read_iops_sec", "write_iops_sec", "total_bytes_sec_max"]);
        assert_eq!(names[12..14], ["size_iops_sec", "total_bytes_sec_max_length"]);
    }

    #[test]
    fn what_is_not_said_stays() {
        let before = of_bytes(limit(1000, 2000, 0), limit(0, 0, 0));
        let change = IoTune { size_iops_sec: Some(4096), ..of_bytes(limit(500, 0, 0), limit(0, 0, 0)) };
        let after = before.changed_to(change);
        assert_eq!(after.bytes.total, limit(500, 2000, 0));
        assert_eq!(after.size_iops_sec, Some(4096));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let none = limit(0, 0, 0);
        for (tune, said) in [
            (
                of_bytes(limit(1, 0, 0), limit(1, 0, 0)),
                "total_bytes_sec and read_bytes_sec exclude each other",
            ),
            (of_bytes(limit(0, 5, 0), none), "total_bytes_sec_max needs total_bytes_sec"),
            (of_bytes(none, limit(5, 4, 0)), "read_bytes_sec_max is less than read_bytes_sec"),
            (of_bytes(limit(5, 0, 3), none), "total_bytes_sec_max_length needs total_bytes_sec_max"),
            (of_bytes(limit(u64::MAX, 0, 0), none), "total_bytes_sec is more than"),
        ] {
            let error = tune.check().unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(of_bytes(limit(5, 10, 3), none).check().is_ok());
    }
}
