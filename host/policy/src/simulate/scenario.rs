//! What a simulated migration is of: the guest and how it writes, the link, what the operator allows, what both hosts offer.

use reeve_migrate::Capabilities;
use reeve_model::migration::{Journey, MigrationHost, MigrationLimits};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Pages have so many bytes.
pub(super) const PAGE: f64 = 4096.0;
pub(super) const MIB: f64 = (1 << 20) as f64;

/// Memory of a guest at most, MiB: 16 TiB.
const MEMORY_LIMIT: u64 = 16 << 20;
/// Rounds at most.
const ROUNDS_LIMIT: u32 = 10_000;
/// The domain of a scenario that says nothing of it.
const DOMAIN: &str = "<domain type='kvm'><name>guest</name><uuid>00000000-0000-4000-8000-000000000001</uuid>\
                      <memory unit='MiB'>4096</memory><vcpu>2</vcpu><os><type arch='x86_64'>hvm</type></os></domain>";

/// A migration that did not happen. Everything may be left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Document of the domain, for `precheck`.
    pub domain: String,
    /// What is known of its disks beside the document, as a session has it, e.g. `[{"target": "vda", "way": "copied"}]`.
    pub disks: Vec<Map<String, Value>>,
    /// The guest.
    pub guest: Guest,
    /// What it goes over.
    pub link: LinkOf,
    /// What the operator allows.
    pub limits: Allowed,
    /// What both hosts offer.
    pub capabilities: Offered,
    /// Where from and to.
    pub journey: Way,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            domain: DOMAIN.to_owned(),
            disks: Vec::new(),
            guest: Guest::default(),
            link: LinkOf::default(),
            limits: Allowed::default(),
            capabilities: Offered::default(),
            journey: Way::default(),
        }
    }
}

/// The guest, and how it writes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guest {
    /// Its memory, MiB.
    pub memory_mib: u64,
    /// Hundredths of its memory that it never wrote.
    pub zero_percent: u8,
    /// MiB that it writes a second, each write anywhere in its working set.
    pub write_mib_per_second: f64,
    /// MiB in which it writes; all of its memory when there is none.
    pub working_set_mib: Option<f64>,
    /// MiB that it is found to have written after each round, the last for all that follow, in place of the two above. Measured
    /// with a guest that nobody held back.
    pub rounds_mib: Vec<f64>,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            memory_mib: 4096,
            zero_percent: 0,
            write_mib_per_second: 200.0,
            working_set_mib: None,
            rounds_mib: Vec::new(),
        }
    }
}

/// What memory goes over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkOf {
    /// MiB a second in all.
    pub mib_per_second: f64,
    /// MiB a second that one stream gets at most.
    pub stream_mib_per_second: Option<f64>,
    /// Time to the other host and back, microseconds.
    pub round_trip_us: u64,
    /// Hundredths of its size that a page has when it is compressed.
    pub compressed_percent: u8,
    /// MiB of pages a second that can be compressed.
    pub compress_mib_per_second: Option<f64>,
}

impl Default for LinkOf {
    fn default() -> Self {
        Self {
            mib_per_second: 1100.0,
            stream_mib_per_second: None,
            round_trip_us: 200,
            compressed_percent: 50,
            compress_mib_per_second: None,
        }
    }
}

/// What the operator allows, as `reeve domain migrate` has it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Allowed {
    /// Milliseconds that the guest may stand still.
    pub max_downtime_ms: u64,
    /// MiB a second while the guest runs; 0 is as many as the link takes.
    pub bandwidth_mib: u64,
    /// Most hundredths of its time that the guest may lose.
    pub max_throttle: u8,
    /// Rounds after which the guest stays where it is.
    pub max_rounds: u32,
    /// Memory is compressed where no strategy says otherwise.
    pub compress: bool,
    /// The guest may go on at the destination before all of its memory is there.
    pub post_copy: bool,
    /// It does after so many rounds.
    pub post_copy_after: Option<u32>,
}

impl Default for Allowed {
    fn default() -> Self {
        let MigrationLimits { max_downtime_ms, bandwidth_mib, max_throttle, max_rounds, compress, .. } =
            MigrationLimits::default();
        let (post_copy, post_copy_after) = (false, None);
        Self {
            max_downtime_ms,
            bandwidth_mib,
            max_throttle,
            max_rounds,
            compress,
            post_copy,
            post_copy_after,
        }
    }
}

impl Allowed {
    pub(super) fn limits(&self) -> MigrationLimits {
        MigrationLimits {
            max_downtime_ms: self.max_downtime_ms,
            bandwidth_mib: self.bandwidth_mib,
            max_throttle: self.max_throttle,
            max_rounds: self.max_rounds,
            compress: self.compress,
            post_copy: self.post_copy,
            post_copy_after: self.post_copy_after,
            ..MigrationLimits::default()
        }
    }
}

/// What both hosts offer.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Offered {
    /// Pages may be compressed.
    pub compression: bool,
    /// Most streams.
    pub streams: u16,
    /// The destination can take a guest by post-copy.
    pub post_copy: bool,
}

impl Default for Offered {
    fn default() -> Self {
        let Capabilities { zstd, streams, post_copy, .. } = Capabilities::OURS;
        Self { compression: zstd, streams, post_copy }
    }
}

impl Offered {
    pub(super) fn capabilities(&self) -> Capabilities {
        let Self { compression, streams, post_copy } = *self;
        Capabilities { zstd: compression, streams, post_copy, disks: false }
    }
}

/// Where from and to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Way {
    /// Name of the host that the guest leaves.
    pub source: String,
    /// Name of the host that it goes to.
    pub destination: String,
    /// Both are the same machine.
    pub same_machine: bool,
    /// `unix`, `tcp` or `tls`.
    pub transport: String,
    /// With `--unsafe`.
    pub unchecked: bool,
    /// A definition stays at the destination.
    pub persistent: bool,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            source: "source".to_owned(),
            destination: "destination".to_owned(),
            same_machine: false,
            transport: "tls".to_owned(),
            unchecked: false,
            persistent: true,
        }
    }
}

impl Way {
    pub(super) fn journey(&self) -> Journey {
        let host = |name: &String| MigrationHost {
            name: name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Journey {
            id: Uuid::from_u128(1),
            source: host(&self.source),
            destination: host(&self.destination),
            same_machine: self.same_machine,
            transport: self.transport.clone(),
            unchecked: self.unchecked,
            persistent: self.persistent,
        }
    }
}

impl Scenario {
    /// Reads a scenario; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scenario: Self =
            serde_json::from_str(text).map_err(|error| format!("this is not a scenario: {error}"))?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        let Self { guest, link, limits, capabilities, .. } = self;
        let whole = |what: &str, value: u64, least: u64, most: u64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("{what} is {value}; it must be {least} to {most}")),
        };
        let amount = |what: &str, value: f64, least: f64| match value.is_finite() && value >= least {
            true => Ok(()),
            false => Err(format!("{what} is {value}; it must be {least} or more")),
        };
        whole("guest.memory-mib", guest.memory_mib, 1, MEMORY_LIMIT)?;
        whole("guest.zero-percent", guest.zero_percent.into(), 0, 100)?;
        amount("guest.write-mib-per-second", guest.write_mib_per_second, 0.0)?;
        amount("guest.working-set-mib", guest.working_set_mib.unwrap_or(1.0), 0.004)?;
        for written in &guest.rounds_mib {
            amount("what is written in one of guest.rounds-mib", *written, 0.0)?;
        }
        amount("link.mib-per-second", link.mib_per_second, 0.001)?;
        amount("link.stream-mib-per-second", link.stream_mib_per_second.unwrap_or(1.0), 0.001)?;
        amount("link.compress-mib-per-second", link.compress_mib_per_second.unwrap_or(1.0), 0.001)?;
        whole("link.round-trip-us", link.round_trip_us, 0, 60_000_000)?;
        whole("link.compressed-percent", link.compressed_percent.into(), 1, 100)?;
        whole("limits.max-throttle", limits.max_throttle.into(), 0, 99)?;
        whole("limits.max-rounds", limits.max_rounds.into(), 1, ROUNDS_LIMIT.into())?;
        whole("capabilities.streams", capabilities.streams.into(), 1, u16::MAX.into())
    }
}

impl Guest {
    /// Bytes of memory.
    pub(super) fn memory(&self) -> f64 {
        self.memory_mib as f64 * MIB
    }

    /// Bytes that are found written after round `number`, which took so many seconds with the guest held back so far.
    pub(super) fn written(&self, number: u32, seconds: f64, throttle: u8) -> f64 {
        let runs = f64::from(100 - throttle.min(100)) / 100.0;
        let place = (number as usize).min(self.rounds_mib.len()).wrapping_sub(1);
        let written = match self.rounds_mib.get(place) {
            Some(mib) => mib * MIB * runs,
            // Writes anywhere in the working set hit pages that were written before the more often the more of them there are.
            None => {
                let set = self.working_set_mib.map_or(self.memory(), |mib| mib * MIB).min(self.memory());
                let writes = self.write_mib_per_second * MIB * seconds * runs;
                set * -(-writes / set).exp_m1()
            }
        };
        // Whole pages.
        (written.min(self.memory()) / PAGE).round() * PAGE
    }
}

impl LinkOf {
    /// Seconds in which `pages` bytes of pages go over, and the bytes that they are on the way.
    pub(super) fn time(&self, pages: f64, compressed: bool, streams: u16, limit: Option<u64>) -> (f64, f64) {
        let each = self.stream_mib_per_second.map_or(f64::INFINITY, |mib| mib * f64::from(streams));
        let limit = limit.map_or(f64::INFINITY, |bytes| bytes as f64);
        let speed = (self.mib_per_second.min(each) * MIB).min(limit);
        let (share, compress) = match compressed {
            true => (f64::from(self.compressed_percent) / 100.0, self.compress_mib_per_second),
            false => (1.0, None),
        };
        let bytes = pages * share;
        let compressing = compress.map_or(0.0, |mib| pages / (mib * MIB));
        ((bytes / speed).max(compressing) + self.round_trip_us as f64 / 1e6, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_and_the_rest_is_usual() {
        assert_eq!(Scenario::parse("{}"), Ok(Scenario::default()));
        let text = r#"{"guest": {"rounds-mib": [64, 8]}, "limits": {"max-throttle": 50}}"#;
        let scenario = Scenario::parse(text).unwrap();
        assert_eq!((scenario.guest.rounds_mib.len(), scenario.limits.max_throttle), (2, 50));
        for (text, said) in [
            (r#"{"gest": {}}"#, "unknown field `gest`"),
            (r#"{"link": {"mib-per-second": 0}}"#, "link.mib-per-second is 0; it must be 0.001 or more"),
            (r#"{"limits": {"max-rounds": 0}}"#, "limits.max-rounds is 0; it must be 1 to 10000"),
            (r#"{"guest": {"rounds-mib": [-1]}}"#, "it must be 0 or more"),
            (r#"{"limits": {"max-throttle": 100}}"#, "it must be 0 to 99"),
        ] {
            let error = Scenario::parse(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_guest_writes_no_more_than_its_working_set_and_less_when_it_is_held_back() {
        let guest = Guest { write_mib_per_second: 100.0, working_set_mib: Some(64.0), ..Guest::default() };
        let (short, long) = (guest.written(1, 0.1, 0), guest.written(1, 60.0, 0));
        assert!((9.0 * MIB..10.0 * MIB).contains(&short), "nearly all are other pages: {short}");
        assert_eq!(long, 64.0 * MIB);
        assert!(guest.written(1, 0.1, 90) < short / 9.0);
        let listed = Guest { rounds_mib: vec![64.0, 8.0], ..guest };
        let after = |number, throttle| listed.written(number, 1.0, throttle) / MIB;
        assert_eq!((after(1, 0), after(2, 0), after(9, 0), after(2, 50)), (64.0, 8.0, 8.0, 4.0));
    }

    #[test]
    fn a_link_is_as_fast_as_its_slowest_part() {
        let link = LinkOf {
            mib_per_second: 100.0,
            stream_mib_per_second: Some(30.0),
            round_trip_us: 0,
            compressed_percent: 25,
            compress_mib_per_second: Some(50.0),
        };
        let seconds = |compressed, streams, limit| link.time(100.0 * MIB, compressed, streams, limit).0;
        assert_eq!(seconds(false, 1, None), 100.0 / 30.0);
        assert_eq!(seconds(false, 9, None), 1.0);
        assert_eq!(seconds(false, 9, Some(10 << 20)), 10.0);
        assert_eq!(seconds(true, 9, None), 2.0, "as fast as it compresses");
    }
}
