//! The domains of a simulated week: when they come and go, how large they are, how much of it they use.
//!
//! Sizes are those of small virtual machines (1 to 16 GiB); a domain stays for two days on average. More come by day than by night,
//! fewer at the weekend. What a domain uses swings with the hour; a part of it, 5 to 35 %, is the same as in every other domain
//! that was made of the same image.

use std::f64::consts::TAU;

use uuid::Uuid;

use super::random::Random;

const GIB: u64 = 1 << 30;
const DAY: f64 = 86_400.0;

/// Sizes and how many of a hundred domains have them.
const SIZES: [(u64, f64); 5] = [(1, 30.0), (2, 30.0), (4, 20.0), (8, 15.0), (16, 5.0)];

/// What a domain uses on average, GiB: the mean size, and 55 % of it.
const USUAL_USE: f64 = 3.7 * 0.55;

/// How long a domain stays on average, seconds.
const STAY: f64 = 2.0 * DAY;

/// Images that domains are made of.
pub(super) const IMAGES: u64 = 8;

/// One domain.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) name: String,
    number: u64,
    /// Bytes at most.
    pub(super) memory: u64,
    pub(super) vcpus: u32,
    /// Second at which it goes.
    pub(super) until: u64,
    /// Fraction of its memory that it uses, and how that swings over the day.
    base: f64,
    swing: f64,
    phase: f64,
    /// Fraction of what it uses that others of its image have, too.
    pub(super) alike: f64,
    pub(super) image: u64,
}

impl Guest {
    /// Bytes it uses at a moment.
    pub(super) fn used(&self, second: u64) -> u64 {
        let hour = (second as f64 / DAY + self.phase) * TAU;
        let fraction = (self.base + self.swing * hour.sin()).clamp(0.05, 1.0);
        (self.memory as f64 * fraction) as u64
    }

    /// Its identity.
    pub(super) fn uuid(&self) -> Uuid {
        // Version 4 and variant 1, as of a random one.
        Uuid::from_u128(0x4000_8000_0000_0000_0000 | u128::from(self.number))
    }

    /// Its document.
    pub(super) fn document(&self) -> String {
        let (Self { name, memory, vcpus, .. }, uuid) = (self, self.uuid());
        format!(
            "<domain type='sim'><name>{name}</name><uuid>{uuid}</uuid>\
             <memory unit='KiB'>{}</memory><vcpu>{vcpus}</vcpu><os><type arch='x86_64'>hvm</type></os>\
             <devices><disk type='file' device='disk'><source file='/images/{name}.raw'/>\
             <target dev='vda' bus='virtio'/></disk></devices></domain>",
            memory >> 10
        )
    }
}

/// Where domains come from.
#[derive(Debug)]
pub(super) struct Population {
    random: Random,
    domains: f64,
    next: u64,
}

impl Population {
    pub(super) fn new(seed: u64, domains: u32) -> Self {
        Self { random: Random::new(seed), domains: domains.into(), next: 1 }
    }

    /// Memory that the usual number of domains uses on average, and 5 % more, bytes.
    pub(super) fn usual_use(&self) -> u64 {
        (self.domains * USUAL_USE * 1.05 * GIB as f64) as u64
    }

    /// Domains that come within `interval` seconds; at the begin, all those that are there already.
    pub(super) fn arrivals(&mut self, second: u64, interval: u64) -> Vec<Guest> {
        let there = if second == 0 { self.domains as u32 } else { 0 };
        let day = second as f64 / DAY;
        let by_day = 1.0 - 0.6 * (day * TAU).cos();
        let by_week = if day as u64 % 7 >= 5 { 0.5 } else { 1.2 };
        let mean = self.domains / STAY * interval as f64 * by_day * by_week;
        let coming = self.random.poisson(mean);
        (0..there + coming).map(|_| self.guest(second)).collect()
    }

    fn guest(&mut self, second: u64) -> Guest {
        let random = &mut self.random;
        let mut ticket = random.between(0.0, 100.0);
        let size = SIZES.iter().find(|(_, share)| {
            ticket -= share;
            ticket < 0.0
        });
        let gib = size.map_or(1, |(gib, _)| *gib);
        let number = self.next;
        self.next += 1;
        Guest {
            name: format!("web-{number}"),
            number,
            memory: gib * GIB,
            vcpus: u32::try_from(gib.div_ceil(2)).unwrap_or(1),
            until: second + random.exponential(STAY).max(3600.0) as u64,
            base: random.between(0.3, 0.8),
            swing: random.between(0.0, 0.2),
            // Most are busy by day: a quarter of a day after midnight is where the sine begins to rise.
            phase: -0.25 + random.between(-0.1, 0.1),
            alike: random.between(0.05, 0.35),
            image: random.bits() % IMAGES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_population_is_deterministic_and_of_the_size_that_was_asked_for() {
        let all = |seed| {
            let mut population = Population::new(seed, 500);
            let mut guests = population.arrivals(0, 60);
            assert!(guests.len() >= 500);
            for tick in 1..7 * 1440 {
                guests.extend(population.arrivals(tick * 60, 60));
                guests.retain(|guest| guest.until > tick * 60);
            }
            guests
        };
        let (first, again) = (all(3), all(3));
        let names = |guests: &[Guest]| guests.iter().map(|guest| guest.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&first), names(&again));
        assert!((250..1000).contains(&first.len()), "{} domains after a week", first.len());
        for guest in &first {
            assert!(guest.used(0) <= guest.memory);
            reeve_xml::domain::parse(&guest.document(), &Default::default()).unwrap();
        }
    }
}
