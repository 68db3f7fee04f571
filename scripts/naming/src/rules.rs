//! The house rules, as plain functions over plain values.

use reeve_sdk::{DiskCache, Edit, domain};
use serde::Deserialize;

/// What the operator may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct House {
    /// Names must begin with one of these; empty allows every name.
    pub prefixes: Vec<String>,
    /// Cache mode of a writable disk that does not say; empty leaves it open.
    pub cache: String,
    /// Whether a domain that does not say gets a memory balloon.
    pub balloon: bool,
    /// Whether a domain without one gets a random-number device.
    pub rng: bool,
}

impl Default for House {
    fn default() -> Self {
        Self { prefixes: Vec::new(), cache: "none".into(), balloon: true, rng: true }
    }
}

/// What the rules look at in a definition.
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    /// Disks in document order.
    pub disks: Vec<Disk>,
    /// Whether the document says anything of a balloon.
    pub has_balloon: bool,
    /// Random-number devices.
    pub rngs: u32,
}

/// What the rules look at in a disk.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Target name.
    pub target: String,
    /// Whether it has a cache mode.
    pub has_cache: bool,
    /// Whether the guest may write, to a medium that is there.
    pub writable: bool,
}

impl From<domain::Disk> for Disk {
    fn from(disk: domain::Disk) -> Self {
        Self {
            has_cache: disk.cache.is_some(),
            writable: disk.device == "disk" && !disk.readonly && disk.source.is_some(),
            target: disk.target,
        }
    }
}

/// One default that is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FillIn {
    /// Cache mode of a disk.
    Cache {
        /// Target of the disk.
        target: String,
        /// Its mode.
        mode: String,
    },
    /// A memory balloon.
    Balloon,
    /// A random-number device fed from /dev/urandom.
    Rng,
}

impl From<FillIn> for Edit {
    fn from(fill_in: FillIn) -> Self {
        match fill_in {
            FillIn::Cache { target, mode } => Edit::SetDiskCache(DiskCache { target, cache: mode }),
            FillIn::Balloon => Edit::AddDevice("<memballoon model='virtio'/>".into()),
            FillIn::Rng => Edit::AddDevice(
                "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>".into(),
            ),
        }
    }
}

impl House {
    /// Why `name` is refused; none when it is not.
    pub fn objection(&self, name: &str) -> Option<String> {
        let fits =
            self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        (!fits).then(|| format!("the name '{name}' must begin with one of: {}", self.prefixes.join(", ")))
    }

    /// What a definition leaves open and this house fills in.
    pub fn fill_in(&self, sketch: &Sketch) -> Vec<FillIn> {
        let open_disks =
            sketch.disks.iter().filter(|disk| disk.writable && !disk.has_cache && !self.cache.is_empty());
        let mut fill_ins: Vec<FillIn> = open_disks
            .map(|disk| FillIn::Cache { target: disk.target.clone(), mode: self.cache.clone() })
            .collect();
        if self.balloon && !sketch.has_balloon {
            fill_ins.push(FillIn::Balloon);
        }
        if self.rng && sketch.rngs == 0 {
            fill_ins.push(FillIn::Rng);
        }
        fill_ins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(target: &str, has_cache: bool, writable: bool) -> Disk {
        Disk { target: target.into(), has_cache, writable }
    }

    #[test]
    fn only_what_is_left_open_is_filled_in() {
        let sketch = Sketch {
            disks: vec![disk("vda", false, true), disk("vdb", true, true), disk("sda", false, false)],
            has_balloon: false,
            rngs: 1,
        };
        let expected = [FillIn::Cache { target: "vda".into(), mode: "none".into() }, FillIn::Balloon];
        assert_eq!(House::default().fill_in(&sketch), expected);
    }

    #[test]
    fn a_complete_definition_stays_as_it_is() {
        let sketch = Sketch { disks: vec![disk("vda", true, true)], has_balloon: true, rngs: 1 };
        assert_eq!(House::default().fill_in(&sketch), []);
    }

    #[test]
    fn names_follow_the_house() {
        let house = House { prefixes: vec!["web-".into(), "db-".into()], ..House::default() };
        assert_eq!(house.objection("web-1"), None);
        assert!(house.objection("test").is_some_and(|reason| reason.contains("web-, db-")));
        assert_eq!(House::default().objection("anything"), None);
    }
}
