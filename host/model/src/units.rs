//! Sizes with their units.

use serde::{Deserialize, Serialize};

/// A size in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` KiB, libvirt's unit for memory.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// `n` GiB.
    pub const fn gib(n: u64) -> Self {
        Self(n * 1024 * 1024 * 1024)
    }

    /// `count` of a unit as documents write it (guide 8.4): b, bytes, KB, k, KiB, MB, M, MiB, GB, G, GiB, TB, T, TiB, and
    /// libvirt's PB/P/PiB and EB/E/EiB. Letter case does not matter. None when the unit is unknown or the size overflows.
    pub fn of_unit(count: u64, unit: &str) -> Option<Self> {
        let unit = unit.to_ascii_lowercase();
        if unit == "b" || unit == "byte" || unit == "bytes" {
            return Some(Self(count));
        }
        let power = 1 + "kmgtpe".find(unit.chars().next()?)? as u32;
        let base: u64 = match &unit[1..] {
            "" | "ib" => 1024,
            "b" => 1000,
            _ => return None,
        };
        count.checked_mul(base.checked_pow(power)?).map(Self)
    }

    /// The same size rounded up to whole KiB, libvirt's granularity; none when that overflows.
    pub fn round_up_to_kib(self) -> Option<Self> {
        self.0.checked_next_multiple_of(1024).map(Self)
    }

    /// Whole KiB in it, rounded down.
    pub const fn as_kib(self) -> u64 {
        self.0 / 1024
    }

    /// Whole MiB in it, rounded down.
    pub const fn as_mib(self) -> u64 {
        self.0 / (1024 * 1024)
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [(&str, u64); 4] =
            [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        for (unit, size) in UNITS {
            if self.0 >= size {
                let whole = self.0 / size;
                let tenth = (self.0 % size) * 10 / size;
                return if tenth == 0 {
                    write!(f, "{whole} {unit}")
                } else {
                    write!(f, "{whole}.{tenth} {unit}")
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}
