//! Sets of host CPUs or NUMA nodes in libvirt's notation: `1-4,^3,6` (guide 20.4).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A non-empty set of CPU or node numbers, each below [`CpuSet::LIMIT`]. Written back sorted, with ranges folded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CpuSet(BTreeSet<u32>);

/// Why a text is not a set of CPUs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpuSetError {
    /// A part is not `N`, `N-M` or `^N`.
    #[error("CPU set '{text}' has a part '{part}' that is not N, N-M or ^N")]
    Part {
        /// Whole text.
        text: String,
        /// The part.
        part: String,
    },
    /// A range runs backwards.
    #[error("CPU set '{text}' has a range '{part}' that runs backwards; write the smaller number first")]
    Backwards {
        /// Whole text.
        text: String,
        /// The range.
        part: String,
    },
    /// A number is too large for any host.
    #[error("CPU set '{text}' names CPU {number}; numbers go from 0 to {max}", max = CpuSet::LIMIT - 1)]
    TooLarge {
        /// Whole text.
        text: String,
        /// The number.
        number: u64,
    },
    /// Nothing is left.
    #[error("CPU set '{text}' is empty; name at least one CPU")]
    Empty {
        /// Whole text.
        text: String,
    },
}

impl CpuSet {
    /// First number that is refused; libvirt's own limit.
    pub const LIMIT: u32 = 16384;

    /// The set of `cpus`; none when there are none or one is too large.
    pub fn new(cpus: impl IntoIterator<Item = u32>) -> Option<Self> {
        let cpus: BTreeSet<u32> = cpus.into_iter().collect();
        let valid = cpus.last().is_some_and(|last| *last < Self::LIMIT);
        valid.then_some(Self(cpus))
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// True when `cpu` is in the set.
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.contains(&cpu)
    }

    /// How many there are, at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl FromStr for CpuSet {
    type Err = CpuSetError;

    /// Reads parts from left to right; `^N` takes out what an earlier part put in.
    fn from_str(text: &str) -> Result<Self, CpuSetError> {
        let mut cpus = BTreeSet::new();
        for part in text.split(',').map(str::trim) {
            if let Some(excluded) = part.strip_prefix('^') {
                cpus.remove(&number(text, part, excluded)?);
                continue;
            }
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(text, part, first)?, number(text, part, last)?);
            if first > last {
                return Err(CpuSetError::Backwards { text: text.to_owned(), part: part.to_owned() });
            }
            cpus.extend(first..=last);
        }
        Self::new(cpus).ok_or_else(|| CpuSetError::Empty { text: text.to_owned() })
    }
}

fn number(text: &str, part: &str, digits: &str) -> Result<u32, CpuSetError> {
    let digits = digits.trim();
    let malformed = || CpuSetError::Part { text: text.to_owned(), part: part.to_owned() };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let number: u64 = digits.parse().map_err(|_| malformed())?;
    match u32::try_from(number) {
        Ok(number) if number < CpuSet::LIMIT => Ok(number),
        _ => Err(CpuSetError::TooLarge { text: text.to_owned(), number }),
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if_eq(&(last + 1)) {
                last = next;
            }
            match last - first {
                0 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

impl Serialize for CpuSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CpuSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_example_folds_to_ranges() {
        let set: CpuSet = "1-4,^3,6".parse().expect("the guide's example");
        assert_eq!(set.to_string(), "1-2,4,6");
        assert!(set.contains(4) && !set.contains(3));
        assert_eq!(set.count(), 4);
    }

    #[test]
    fn bad_sets_say_which_part_is_wrong() {
        for (text, reason) in [
            ("", "''"),
            ("a", "'a'"),
            ("1-", "'1-'"),
            ("4-1", "backwards"),
            ("0,^0", "is empty"),
            ("16384", "numbers go from 0 to 16383"),
            ("99999999999999999999", "'99999999999999999999'"),
            ("-1", "'-1'"),
        ] {
            let error = text.parse::<CpuSet>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn json_is_the_notation() {
        let set: CpuSet = serde_json::from_str("\"0-3\"").expect("a set");
        assert_eq!(serde_json::to_string(&set).expect("json"), "\"0-3\"");
    }
}
