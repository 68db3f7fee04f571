//! Tests of a policy with `cargo test`, natively: domains and a host of the test's own. Not there on wasm32.
//!
//! A hook is an associated function of the policy; a [`Domain`] makes what it looks at, [`context`] what it is told, and a [`Host`]
//! answers what it calls. Every test thread has a host of its own.
//!
//! ```
//! use reeve_sdk::Code;
//! use reeve_sdk::prelude::*;
//! use reeve_sdk::testing::{self, Domain, Host};
//!
//! /// No domain may have more vCPUs than the host has CPUs.
//! struct NotWider;
//!
//! impl Policy for NotWider {
//!     fn domain_prepare(_ctx: &Context, domain: &DomainConfig) -> Decision {
//!         let cpus = host::get_info()?.cpus;
//!         if domain.vcpus() > cpus { deny(format!("the host has {cpus} CPUs")) } else { allow() }
//!     }
//! }
//!
//! let mut host = Host::default();
//! host.info.cpus = 4;
//! testing::set_host(host);
//! let ctx = testing::context("{}");
//! let wide = Domain { vcpus: 5, ..Domain::default() };
//! assert_eq!(NotWider::domain_prepare(&ctx, &wide.config()), deny("the host has 4 CPUs"));
//! assert_eq!(NotWider::domain_prepare(&ctx, &Domain::default().config()), allow());
//!
//! testing::set_host(Host { failure: Some(testing::error(Code::Denied, "no")), ..Host::default() });
//! let failed = NotWider::domain_prepare(&ctx, &wide.config());
//! assert_eq!(failed, Err(Failure { message: "the host answered: no".into() }));
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::domain::{Balloon, Disk, DomainConfig, NetworkInterface, State};
use crate::domains::Commitment;
use crate::host::{Info, Memory};
use crate::ksm::KsmState;
use crate::migration::{self, CacheMode, Journey, MigratedDisk, Way};
use crate::storage::{Pool, Space, Volume, VolumePlan};
use crate::{Actor, Code, Context, Error};

/// A domain as a test makes it: `Domain { vcpus: 4, ..Domain::default() }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    /// Unique name.
    pub name: String,
    /// UUID.
    pub uuid: String,
    /// What it is doing.
    pub state: State,
    /// Title.
    pub title: Option<String>,
    /// Driver it asks for.
    pub domain_type: String,
    /// Memory at boot and at most, bytes.
    pub memory: u64,
    /// Memory after the balloon took its share, bytes.
    pub current_memory: u64,
    /// vCPUs at most.
    pub vcpus: u32,
    /// vCPUs at boot.
    pub current_vcpus: u32,
    /// Whether the host may merge its pages.
    pub mergeable: bool,
    /// Path of the kernel.
    pub kernel: Option<String>,
    /// Kernel command line.
    pub cmdline: Option<String>,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Interfaces.
    pub interfaces: Vec<NetworkInterface>,
    /// Memory balloon.
    pub balloon: Option<Balloon>,
    /// Number of random-number devices.
    pub rng_count: u32,
    /// `<metadata>` as XML text.
    pub metadata: Option<String>,
    /// The whole document.
    pub xml: String,
}

impl Default for Domain {
    /// A stopped domain `test` of driver `kvm` with 1 GiB, one vCPU and no devices.
    fn default() -> Self {
        Self {
            name: "test".into(),
            uuid: "00000000-0000-4000-8000-000000000000".into(),
            state: State::ShutOff,
            title: None,
            domain_type: "kvm".into(),
            memory: 1 << 30,
            current_memory: 1 << 30,
            vcpus: 1,
            current_vcpus: 1,
            mergeable: true,
            kernel: None,
            cmdline: None,
            disks: Vec::new(),
            interfaces: Vec::new(),
            balloon: None,
            rng_count: 0,
            metadata: None,
            xml: String::new(),
        }
    }
}

impl Domain {
    /// What a hook looks at.
    pub fn config(&self) -> DomainConfig {
        DomainConfig::new(self.clone())
    }
}

/// What the host answers, and what it was asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// The machine.
    pub info: Info,
    /// Its memory.
    pub memory: Memory,
    /// Samepage merging.
    pub ksm: KsmState,
    /// What all active domains may use.
    pub committed: Commitment,
    /// The domains there are.
    pub domains: Vec<Domain>,
    /// Milliseconds since the Unix epoch.
    pub now: u64,
    /// Nanoseconds of the monotonic clock.
    pub monotonic: u64,
    /// When it is some, every call that can fail does so.
    pub failure: Option<Error>,
    /// The calls that would have changed something, one line each: `start web-1`.
    pub calls: Vec<String>,
    /// The lines that were logged: `info: text`.
    pub lines: Vec<String>,
    /// Storage pools.
    pub pools: Vec<Pool>,
    /// Volumes of any pool; [`volume`] makes one.
    pub volumes: Vec<Volume>,
    /// Disks of the guest that moves; [`migrated_disk`] makes one.
    pub migrated_disks: Vec<MigratedDisk>,
    /// Values in kv.
    pub store: BTreeMap<String, Vec<u8>>,
}

impl Default for Host {
    /// A host without anything: no CPUs, no memory, no domains.
    fn default() -> Self {
        let memory =
            Memory { total: 0, free: 0, available: 0, cached: 0, buffers: 0, swap_total: 0, swap_free: 0 };
        let ksm = KsmState {
            run: 0,
            pages_to_scan: 0,
            sleep_millisecs: 0,
            merge_across_nodes: None,
            pages_shared: 0,
            pages_sharing: 0,
            pages_unshared: 0,
            pages_volatile: 0,
            full_scans: 0,
        };
        Self {
            info: Info { hostname: "host".into(), cpus: 0, memory: 0, numa_cells: 1 },
            memory,
            ksm,
            committed: Commitment { active: 0, memory: 0, vcpus: 0 },
            domains: Vec::new(),
            migrated_disks: Vec::new(),
            now: 0,
            monotonic: 0,
            failure: None,
            calls: Vec::new(),
            lines: Vec::new(),
            pools: Vec::new(),
            volumes: Vec::new(),
            store: BTreeMap::new(),
        }
    }
}

/// A running directory pool without volumes, and with room of `capacity` bytes.
pub fn pool(name: &str, capacity: u64) -> Pool {
    Pool {
        uuid: "00000000-0000-4000-8000-000000000000".into(),
        name: name.into(),
        kind: "dir".into(),
        active: true,
        persistent: true,
        autostart: false,
        path: None,
        space: Some(Space { capacity, allocation: 0, available: capacity }),
        volumes: 0,
    }
}

/// A raw volume of a pool that takes nothing of it.
pub fn volume(pool: &str, name: &str, capacity: u64) -> Volume {
    Volume {
        name: name.into(),
        pool: pool.into(),
        key: format!("/{pool}/{name}"),
        path: format!("/{pool}/{name}"),
        format: "raw".into(),
        capacity,
        allocation: 0,
        backing: None,
        created: None,
        complete: true,
    }
}

/// A migration from one machine to another, both of version 0.1.0.
pub fn journey() -> Journey {
    let host = |name: &str| migration::Peer { name: name.into(), version: "0.1.0".into() };
    Journey {
        id: "00000000-0000-4000-8000-000000000001".into(),
        source: host("a"),
        destination: host("b"),
        same_machine: false,
        transport: "unix".into(),
        unchecked: false,
        persistent: false,
    }
}

/// A disk of a file that both hosts share and neither caches.
pub fn migrated_disk(target: &str, path: &str) -> MigratedDisk {
    MigratedDisk {
        target: target.into(),
        device: "disk".into(),
        source: "file".into(),
        path: Some(path.into()),
        pool: None,
        volume: None,
        format: Some("raw".into()),
        capacity: None,
        allocation: None,
        file_system: None,
        readonly: false,
        shareable: false,
        cache: CacheMode::None,
        coherent: true,
        way: Way::Shared,
        backing: None,
    }
}

/// A volume that is about to be made.
pub fn plan(name: &str, capacity: u64) -> VolumePlan {
    VolumePlan {
        name: name.into(),
        capacity: Some(capacity),
        allocation: None,
        format: None,
        backing: None,
        source: None,
        xml: String::new(),
    }
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::new(Host::default());
}

/// From now on this host answers the calls of this thread.
pub fn set_host(host: Host) {
    HOST.set(host);
}

/// The host as it is now: what it was asked to do is in it.
pub fn host() -> Host {
    HOST.with_borrow(Host::clone)
}

/// The context of a call by the daemon, with this configuration (JSON text).
pub fn context(config: &str) -> Context {
    Context { call_id: "test".into(), time: 0, actor: Actor::Daemon, config: config.into(), attempt: 1 }
}

/// A host error, for [`Host::failure`].
pub fn error(code: Code, message: &str) -> Error {
    Error { code, message: message.into() }
}

/// Asks the host, or fails as the test wants it.
pub(crate) fn ask<T>(what: impl FnOnce(&mut Host) -> Result<T, Error>) -> Result<T, Error> {
    HOST.with_borrow_mut(|host| match &host.failure {
        Some(failure) => Err(failure.clone()),
        None => what(host),
    })
}

/// Tells the host what cannot fail.
pub(crate) fn tell<T>(what: impl FnOnce(&mut Host) -> T) -> T {
    HOST.with_borrow_mut(what)
}
