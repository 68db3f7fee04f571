//! `<iothreads>` and `<iothreadids>`: threads that disks share.

use serde::{Deserialize, Serialize};

use super::{DomainConfig, Extra};
use crate::CpuSet;

/// The I/O threads of a domain. `<iothreads>N</iothreads>` and the numbers below it are one list: what has no number written gets the lowest
/// that is free.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iothreads {
    /// The threads.
    #[serde(default)]
    pub threads: Vec<Iothread>,
    /// What else `<iothreadids>` says.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// One I/O thread: `<iothread id='…'/>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iothread {
    /// Its number, from 1.
    pub id: u32,
    /// Everything else.
    #[serde(default, skip_serializing_if = "Extra::is_empty")]
    pub extra: Extra,
}

/// `<iothreadpin iothread='…' cpuset='…'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IothreadPin {
    /// Number of the I/O thread.
    pub iothread: u32,
    /// Host CPUs it may run on.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub cpuset: CpuSet,
}

impl Iothreads {
    /// True when there are none, and nothing is said of them.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty() && self.extra.is_empty()
    }

    /// Whether there is one of that number.
    pub fn has(&self, id: u32) -> bool {
        self.threads.iter().any(|thread| thread.id == id)
    }

    /// Numbers in order.
    pub fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.threads.iter().map(|thread| thread.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Adds threads with the lowest numbers that are free until there are `count`.
    pub fn fill(&mut self, count: u32) {
        let mut next = 1;
        while (self.threads.len() as u64) < u64::from(count) {
            while self.has(next) {
                next += 1;
            }
            self.threads.push(Iothread { id: next, extra: Extra::default() });
        }
    }

    /// True when a count says it all.
    pub fn is_counted(&self) -> bool {
        let plain = self.threads.iter().all(|thread| thread.extra.is_empty());
        plain && self.extra.is_empty() && (1..).zip(&self.threads).all(|(id, thread)| thread.id == id)
    }
}

impl DomainConfig {
    /// Most I/O threads that a document may ask for.
    pub const MAX_IOTHREADS: usize = 64;

    /// The target of a disk that an I/O thread serves, if there is one.
    pub fn on_iothread(&self, id: u32) -> Option<&str> {
        let disk = self.devices.disks.iter().find(|disk| disk.driver.iothread == Some(id));
        disk.map(|disk| disk.target.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_number_gets_the_lowest_free_one() {
        let one = |id| Iothread { id, extra: Extra::default() };
        let mut threads = Iothreads { threads: vec![one(2), one(9)], ..Iothreads::default() };
        threads.fill(5);
        assert_eq!(threads.ids(), [1, 2, 3, 4, 9]);
        assert!(!threads.is_counted() && threads.has(9) && !threads.has(5));
        let mut counted = Iothreads::default();
        counted.fill(3);
        assert!(counted.is_counted() && counted.ids() == [1, 2, 3]);
        counted.fill(2);
        assert_eq!(counted.threads.len(), 3);
    }
}
