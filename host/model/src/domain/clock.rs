//! `<clock>` and its timers (guide 8.10, 20.15).

use serde::{Deserialize, Serialize};

use super::Extra;

/// `<clock>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockConfig {
    /// `offset`: `utc`, `localtime`, `timezone` or `variable`; empty means `utc`.
    pub offset: String,
    /// `timezone`: name of a time zone, e.g. `Europe/Paris`.
    #[serde(default)]
    pub timezone: Option<String>,
    /// `adjustment`.
    #[serde(default)]
    pub adjustment: Option<Adjustment>,
    /// `basis` of a variable clock: `utc` or `localtime`.
    #[serde(default)]
    pub basis: Option<String>,
    /// Timers in document order.
    #[serde(default)]
    pub timers: Vec<Timer>,
    /// Other attributes and children.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// What a clock is ahead of its basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adjustment {
    /// Nothing, whatever the guest set it to before it boots again.
    Reset,
    /// So many seconds.
    Seconds(i64),
}

impl ClockConfig {
    /// The word of `offset`.
    pub fn offset(&self) -> &str {
        if self.offset.is_empty() { "utc" } else { &self.offset }
    }

    /// Seconds that the guest's clock is ahead of its basis, where that is kept when the guest sets its clock: it is variable, or a number is
    /// given that makes it so.
    pub fn kept(&self) -> Option<i64> {
        match (self.offset(), self.adjustment) {
            ("variable", Some(Adjustment::Seconds(seconds))) => Some(seconds),
            ("variable", _) => Some(0),
            ("utc" | "localtime", Some(Adjustment::Seconds(seconds))) => Some(seconds),
            _ => None,
        }
    }

    /// Whether it shows local time, before what it is ahead of that.
    pub fn is_local(&self) -> bool {
        match self.offset() {
            "variable" => self.basis.as_deref() == Some("localtime"),
            offset => offset == "localtime",
        }
    }

    /// Keeps what the guest has set. False when nothing changes by that, or it is not kept.
    pub fn keep(&mut self, seconds: i64) -> bool {
        if self.kept().is_none_or(|kept| kept == seconds) {
            return false;
        }
        if self.is_local() {
            self.basis = Some("localtime".to_owned());
        }
        self.offset = "variable".to_owned();
        self.adjustment = Some(Adjustment::Seconds(seconds));
        true
    }

    /// The timer of a name.
    pub fn timer(&self, name: &str) -> Option<&Timer> {
        self.timers.iter().find(|timer| timer.name == name)
    }
}

/// `<timer>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// `pit`, `rtc`, `tsc`, `kvmclock`, `hpet`…
    pub name: String,
    /// `present='yes|no'`.
    #[serde(default)]
    pub present: Option<bool>,
    /// `tickpolicy`.
    #[serde(default)]
    pub tickpolicy: Option<String>,
    /// `track`.
    #[serde(default)]
    pub track: Option<String>,
    /// `mode`.
    #[serde(default)]
    pub mode: Option<String>,
    /// `frequency` in Hz.
    #[serde(default)]
    pub frequency: Option<u64>,
    /// `<catchup>`.
    #[serde(default)]
    pub catchup: Option<Catchup>,
    /// Other attributes and children.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

impl Timer {
    /// What it tracks. The guide's example prints its own word for guests in the place of `guest`.
    pub fn track(&self) -> Option<&str> {
        self.track.as_deref().map(|word| if word == "guest virtual machine" { "guest" } else { word })
    }

    /// Whether the document says that the guest has none.
    pub fn is_absent(&self) -> bool {
        self.present == Some(false)
    }
}

/// `<catchup>`: how missed ticks are made up for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catchup {
    /// Missed ticks from which on they are made up for.
    #[serde(default)]
    pub threshold: Option<u32>,
    /// Hundredths of the normal rate at which they come meanwhile.
    #[serde(default)]
    pub slew: Option<u32>,
    /// Most missed ticks that are remembered.
    #[serde(default)]
    pub limit: Option<u32>,
}
