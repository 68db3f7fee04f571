//! The host of a simulation: its domains, its memory, and samepage merging as the kernel does it, in large.
//!
//! Merging: scanning covers `pages-to-scan / sleep-millisecs` pages a second, at 2 us of CPU each and one CPU at most. What could be
//! merged and is not yet merges as the scan comes by, in two rounds as in the kernel: one to see that a page is calm, one to
//! find its like. Of each image one copy stays. `run` 2 gives everything back at once.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use reeve_actions::policy_port::VolumeView;
use reeve_model::network::{Lease, NetworkSummary, Port, PortCounters};
use reeve_model::node::{KsmChange, KsmState, NodeInfo, NodeMemory};
use reeve_model::policy::PathChange;
use reeve_model::stats::{DomainSnapshot, DomainSummary};
use reeve_model::storage::PoolSummary;
use reeve_model::{Actor, Bytes, DomainState, Error, ErrorCode, StateReason};
use serde_json::{Value, json};
use uuid::Uuid;

use super::population::{Guest, IMAGES};
use super::{Sample, lock};
use crate::offline::machine::{no_network, no_pool};
use crate::services::{Committed, DomainAction, Services, VolumeAction};

const PAGE: u64 = 4096;
const SECONDS_A_PAGE: f64 = 2e-6;

/// The host.
#[derive(Debug)]
pub(super) struct SimulatedHost {
    memory: u64,
    cpus: u32,
    guests: Vec<Guest>,
    ksm: KsmState,
    used: u64,
    saved: f64,
    /// Rounds of the scanner, with the part of the present one.
    scans: f64,
    scanned: f64,
}

impl SimulatedHost {
    pub(super) fn new(memory: u64, cpus: u32) -> Self {
        let ksm = KsmState {
            run: 0,
            pages_to_scan: 100,
            sleep_millisecs: 20,
            merge_across_nodes: Some(true),
            pages_shared: 0,
            pages_sharing: 0,
            pages_unshared: 0,
            pages_volatile: 0,
            full_scans: 0,
        };
        Self { memory, cpus, guests: Vec::new(), ksm, used: 0, saved: 0.0, scans: 0.0, scanned: 0.0 }
    }

    /// Takes out the domains whose time is over; how many there were.
    pub(super) fn depart(&mut self, second: u64) -> usize {
        let before = self.guests.len();
        self.guests.retain(|guest| guest.until > second);
        before - self.guests.len()
    }

    pub(super) fn admit(&mut self, guest: Guest) {
        self.guests.push(guest);
    }

    /// Lets `interval` seconds pass.
    pub(super) fn pass(&mut self, second: u64, interval: u64) {
        let mut alike = [(0.0, 0_u32); IMAGES as usize];
        self.used = 0;
        for guest in &self.guests {
            let used = guest.used(second);
            self.used += used;
            let (bytes, count) = &mut alike[(guest.image % IMAGES) as usize];
            *bytes += used as f64 * guest.alike;
            *count += 1;
        }
        // One copy of each image stays.
        let possible: f64 = alike
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(bytes, count)| bytes - bytes / f64::from(*count))
            .sum();
        match self.ksm.run {
            1 => {
                let wanted = self.ksm.pages_to_scan as f64 * 1000.0 / self.ksm.sleep_millisecs.max(1) as f64;
                let pages = wanted.min(1.0 / SECONDS_A_PAGE) * interval as f64;
                let rounds = pages / (self.used / PAGE).max(1) as f64;
                self.scanned += pages;
                self.scans += rounds;
                self.saved += (possible - self.saved).max(0.0) * (rounds / 2.0).min(1.0);
            }
            2 => self.saved = 0.0,
            _ => {}
        }
        self.saved = self.saved.min(possible);
        let pages = |bytes: f64| (bytes / PAGE as f64) as u64;
        self.ksm.pages_sharing = pages(self.saved);
        self.ksm.pages_shared = self.ksm.pages_sharing / 8;
        self.ksm.pages_unshared = pages((self.used as f64 - self.saved).max(0.0));
        self.ksm.full_scans = self.scans as u64;
    }

    /// Applies one change of the tuner, as the decision log names it.
    pub(super) fn adjust(&mut self, change: &PathChange) {
        let Some(value) = change.after.as_deref().and_then(|value| value.parse::<u64>().ok()) else { return };
        match change.path.as_str() {
            "node.ksm.run" => self.ksm.run = u8::try_from(value).unwrap_or_default(),
            "node.ksm.pages_to_scan" => self.ksm.pages_to_scan = value,
            "node.ksm.sleep_millisecs" => self.ksm.sleep_millisecs = value,
            _ => {}
        }
    }

    pub(super) fn scan_cpu_seconds(&self) -> f64 {
        self.scanned * SECONDS_A_PAGE
    }

    /// What a tuner is asked about.
    pub(super) fn snapshot(&self, changed: bool) -> Value {
        let memory = crate::host::node::contract_memory(&self.node_memory());
        let ksm = crate::host::ksm::contract_ksm(&self.ksm);
        json!({
            "memory": crate::session::Memory::from(memory),
            "ksm": crate::session::Ksm::from(ksm),
            "committed": self.committed(None).memory.0,
            "active-domains": self.guests.len(),
            "wake": if changed { "domains-changed" } else { "interval" },
        })
    }

    pub(super) fn sample(&self, second: u64) -> Sample {
        let committed = self.committed(None);
        Sample {
            second,
            active: committed.active,
            committed: committed.memory.0,
            used: self.used,
            saved: self.saved as u64,
            scanning: self.ksm.run == 1,
        }
    }

    fn node_memory(&self) -> NodeMemory {
        let used = self.used.saturating_sub(self.saved as u64);
        let (free, swapped) = (self.memory.saturating_sub(used), used.saturating_sub(self.memory));
        let swap = self.memory / 4;
        NodeMemory {
            total: Bytes(self.memory),
            free: Bytes(free),
            available: Bytes(free),
            cached: Bytes(0),
            buffers: Bytes(0),
            swap_total: Bytes(swap),
            swap_free: Bytes(swap.saturating_sub(swapped)),
        }
    }

    fn committed(&self, except: Option<Uuid>) -> Committed {
        let mut sums = Committed::default();
        for guest in self.guests.iter().filter(|guest| except.is_none_or(|except| guest.uuid() != except)) {
            sums.active += 1;
            sums.vcpus += guest.vcpus;
            sums.memory = Bytes(sums.memory.0 + guest.memory);
        }
        sums.mergeable = sums.memory;
        sums
    }
}

fn summary(guest: &Guest) -> DomainSummary {
    DomainSummary {
        id: None,
        uuid: guest.uuid(),
        name: guest.name.clone(),
        state: DomainState::Running,
        reason: StateReason::Booted,
        persistent: true,
        autostart: false,
        driver: "sim".to_owned(),
        managed_save: false,
        unreadable: None,
    }
}

/// The host as a policy reaches it.
pub(super) struct Shared(pub(super) Arc<Mutex<SimulatedHost>>);

#[async_trait]
impl Services for Shared {
    async fn domains(&self) -> Vec<DomainSummary> {
        lock(&self.0).guests.iter().map(summary).collect()
    }

    async fn domain(&self, name: &str) -> Result<DomainSnapshot, Error> {
        let found = lock(&self.0).guests.iter().find(|guest| guest.name == name).cloned();
        let guest = found
            .ok_or_else(|| Error::new(ErrorCode::NotFound, format!("domain '{name}' does not exist")))?;
        let parsed = reeve_xml::domain::parse(&guest.document(), &reeve_xml::ParseOptions::default());
        let config = parsed.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))?.document;
        Ok(DomainSnapshot { summary: summary(&guest), config })
    }

    async fn committed(&self, except: Option<Uuid>) -> Committed {
        lock(&self.0).committed(except)
    }

    async fn act(&self, _actor: Actor, _name: &str, _action: DomainAction) -> Result<(), Error> {
        Err(Error::new(ErrorCode::Unsupported, "a simulated host is changed by answers only"))
    }

    async fn networks(&self) -> Vec<NetworkSummary> {
        Vec::new()
    }

    async fn ports(&self, network: &str) -> Result<Vec<Port>, Error> {
        Err(no_network(network))
    }

    async fn leases(&self, network: &str) -> Result<Vec<Lease>, Error> {
        Err(no_network(network))
    }

    async fn port_counters(&self, network: &str, _link: &str) -> Result<PortCounters, Error> {
        Err(no_network(network))
    }

    async fn pools(&self) -> Vec<PoolSummary> {
        Vec::new()
    }

    async fn volumes(&self, pool: &str) -> Result<Vec<VolumeView>, Error> {
        Err(no_pool(pool))
    }

    async fn volume(&self, pool: &str, _name: &str) -> Result<VolumeView, Error> {
        Err(no_pool(pool))
    }

    async fn read_volume(
        &self,
        pool: &str,
        _name: &str,
        _offset: u64,
        _length: u64,
    ) -> Result<Vec<u8>, Error> {
        Err(no_pool(pool))
    }

    async fn change_volume(
        &self,
        _actor: Actor,
        _pool: &str,
        _action: VolumeAction,
    ) -> Result<Option<VolumeView>, Error> {
        Err(Error::new(ErrorCode::Unsupported, "a simulated host is changed by answers only"))
    }

    fn node_info(&self) -> Result<NodeInfo, Error> {
        let host = lock(&self.0);
        Ok(NodeInfo {
            hostname: "simulated".to_owned(),
            arch: "x86_64".to_owned(),
            cpu_model: String::new(),
            cpus: host.cpus,
            mhz: 0,
            sockets: 1,
            cores_per_socket: host.cpus,
            threads_per_core: 1,
            numa_cells: 1,
            memory: Bytes(host.memory),
            kvm: false,
        })
    }

    fn node_memory(&self) -> Result<NodeMemory, Error> {
        Ok(lock(&self.0).node_memory())
    }

    fn ksm(&self) -> Result<KsmState, Error> {
        Ok(lock(&self.0).ksm.clone())
    }

    async fn set_ksm(&self, _actor: Actor, _change: KsmChange) -> Result<KsmState, Error> {
        Err(Error::new(ErrorCode::Unsupported, "a simulated host is changed by answers only"))
    }
}
