//! Addresses of guests that nobody wrote down (guide 18.12.5).
//!
//! ```text
//!   tap ──frames that a BPF program lets pass──> sniffer (a process with nothing to lose) ──lines──> Learning ──> the port is asked again
//! ```
//!
//! The daemon opens the socket on a guest's tap and hands it to the sniffer, which parses what it gets and reports addresses. The daemon
//! decides: an unknown port, a server that is not trusted, a lease too many are passed over.
//!
//! - `any`: the source of the first ARP or IPv4 packet with the guest's own hardware address. It is the guest's only address and stays
//!   until [`Learning::relearn`].
//! - `dhcp`: every address that a server gave the guest, until its lease ends or the guest gives it back. Leases outlive the daemon.
//!
//! Until an address is known only a request for one passes, with the answer to it: see [`provisional`]. A packet that teaches the address
//! in mode `any` is itself dropped, since it came before its rules; what follows passes.

pub mod frame;
mod program;
mod provisional;
pub mod sniffer;
mod watcher;
mod wire;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use reeve_model::{Error, ErrorCode, MacAddress};
use reeve_sys::link::LinkName;
use reeve_sys::packet::{PacketError, PacketSocket};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::tree::LearningMode;
use frame::Seen;
pub use provisional::provisional;
use watcher::Sniffer;

/// Leases of a port that are kept; the oldest gives way.
const MAX_LEASES: usize = 16;
/// Longest lease, in seconds: longer ones are as good as for ever, and no sum of times overflows.
const LONGEST_LEASE: u32 = 10 * 365 * 86_400;

/// An address that was learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The guest.
    pub mac: MacAddress,
    /// Its address.
    pub ip: Ipv4Addr,
    /// When it ends, in seconds since 1970; none for never.
    pub expires: Option<u64>,
}

/// Where leases outlive the daemon.
pub trait LeaseKeeper: Send + Sync {
    /// Leases of a port that were saved.
    fn load(&self, link: &LinkName) -> io::Result<Vec<Lease>>;

    /// Saves all leases of a port in the place of those before; none forgets it.
    fn save(&self, link: &LinkName, leases: &[Lease]) -> io::Result<()>;
}

/// Told that the addresses of a port are others now, on the thread of [`Learning`]. It must not block for long.
pub trait AddressSink: Send + Sync {
    /// They are these.
    fn changed(&self, link: &LinkName, addresses: &[IpAddr]);
}

/// How the sniffer is started: a program that calls [`sniffer::run`] with its descriptor 3.
#[derive(Debug, Clone)]
pub struct SnifferProgram {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// A guest to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Its link on the host, which is there.
    pub link: LinkName,
    /// Its hardware address.
    pub mac: MacAddress,
    /// How its address is found out.
    pub mode: LearningMode,
    /// The servers whose leases count; empty for all.
    pub servers: Vec<IpAddr>,
}

/// A guest can't be watched.
#[derive(Debug, thiserror::Error)]
pub enum LearningError {
    /// Its frames can't be had.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// Nothing can be watched.
    #[error("addresses of guests can't be learned: {step}")]
    Start {
        /// What failed.
        step: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl From<LearningError> for Error {
    fn from(error: LearningError) -> Self {
        Self::caused(ErrorCode::Internal, &error)
    }
}

/// Learns addresses until it is dropped.
pub struct Learning {
    shared: Arc<Shared>,
    /// Written to wake the thread, closed to end it.
    wake: Option<io::PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    program: SnifferProgram,
    keeper: Arc<dyn LeaseKeeper>,
    sink: Arc<dyn AddressSink>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ports: BTreeMap<LinkName, Port>,
    next: u32,
    sniffer: Option<Sniffer>,
}

struct Port {
    /// Never given twice, so that a report that was on its way finds nobody.
    number: u32,
    watch: Watch,
    leases: Vec<Lease>,
    /// Gathers frames until there is a sniffer to take it.
    waiting: Option<PacketSocket>,
}

impl Learning {
    /// Starts. The sniffer is started with the first guest that is watched, and ended when there is nothing to learn any more.
    pub fn start(
        program: SnifferProgram,
        keeper: Arc<dyn LeaseKeeper>,
        sink: Arc<dyn AddressSink>,
    ) -> Result<Self, LearningError> {
        let failed = |step| move |source| LearningError::Start { step, source };
        let (reader, writer) = io::pipe().map_err(failed("there is no pipe"))?;
        let shared = Arc::new(Shared { program, keeper, sink, state: Mutex::default() });
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("learning".to_owned())
            .spawn(move || watcher::run(&theirs, reader))
            .map_err(failed("there is no thread"))?;
        Ok(Self { shared, wake: Some(writer), thread: Some(thread) })
    }

    /// Watches a guest from now on, and says which of its addresses are known from before. Watching it again changes how.
    pub fn watch(&self, watch: Watch) -> Result<Vec<IpAddr>, LearningError> {
        let socket = watch.open()?;
        let saved = self.shared.keeper.load(&watch.link).unwrap_or_else(|error| {
            warn!(link = %watch.link, %error, "learned addresses can't be read");
            Vec::new()
        });
        let mut state = self.shared.state();
        if let Some(old) = state.ports.remove(&watch.link) {
            state.forget(old.number);
        }
        let now = now();
        let valid = |lease: &Lease| lease.mac == watch.mac && lease.expires.is_none_or(|end| end > now);
        let leases: Vec<Lease> = saved.into_iter().filter(valid).take(MAX_LEASES).collect();
        state.next += 1;
        let mut port = Port { number: state.next, watch: watch.clone(), leases, waiting: None };
        let addresses = port.addresses();
        match &state.sniffer {
            Some(sniffer) if port.is_open() => sniffer.watch(&port, &socket),
            None if port.is_open() => port.waiting = Some(socket),
            _ => {}
        }
        state.ports.insert(watch.link, port);
        drop(state);
        self.wake();
        Ok(addresses)
    }

    /// Stops watching a guest that is gone for good; what was learned is forgotten.
    pub fn forget(&self, link: &LinkName) {
        let mut state = self.shared.state();
        if let Some(port) = state.ports.remove(link) {
            state.forget(port.number);
        }
        drop(state);
        self.wake();
        self.shared.save(link, &[]);
    }

    /// Forgets an address that was learned from a packet, and learns it from the next one: after the guest moved or was resumed.
    pub fn relearn(&self, link: &LinkName) -> Result<(), LearningError> {
        let watch = self.shared.state().ports.get(link).map(|port| port.watch.clone());
        let Some(watch) = watch.filter(|watch| watch.mode == LearningMode::Any) else { return Ok(()) };
        self.forget(link);
        self.watch(watch)?;
        Ok(())
    }

    /// Addresses of a port that are known now.
    pub fn addresses(&self, link: &LinkName) -> Vec<IpAddr> {
        self.shared.state().ports.get(link).map(Port::addresses).unwrap_or_default()
    }

    fn wake(&self) {
        if let Some(mut wake) = self.wake.as_ref() {
            // A full pipe wakes as well.
            let _ = io::Write::write(&mut wake, &[1]);
        }
    }
}

impl Drop for Learning {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // It only ends by a panic otherwise, which was reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Watch {
    fn open(&self) -> Result<PacketSocket, PacketError> {
        PacketSocket::open(&self.link, Some(&program::program(self.mode)))
    }
}

impl Port {
    fn addresses(&self) -> Vec<IpAddr> {
        self.leases.iter().map(|lease| lease.ip.into()).collect()
    }

    /// True while there is something to learn.
    fn is_open(&self) -> bool {
        self.watch.mode == LearningMode::Dhcp || self.leases.is_empty()
    }

    /// Takes what the sniffer saw; true when the leases are others now.
    fn take(&mut self, seen: Seen, now: u64) -> bool {
        match (seen, self.watch.mode) {
            (Seen::Address(ip), LearningMode::Any) if self.leases.is_empty() => {
                self.leases.push(Lease { mac: self.watch.mac, ip, expires: None });
                true
            }
            (Seen::Lease { ip, seconds, server }, LearningMode::Dhcp) => {
                let trusted = &self.watch.servers;
                if seconds == Some(0) || !(trusted.is_empty() || trusted.contains(&server.into())) {
                    return false;
                }
                let expires = seconds.map(|seconds| now + u64::from(seconds.min(LONGEST_LEASE)));
                self.leases.retain(|lease| lease.ip != ip);
                if self.leases.len() >= MAX_LEASES {
                    self.leases.remove(0);
                }
                self.leases.push(Lease { mac: self.watch.mac, ip, expires });
                true
            }
            (Seen::Release(ip), LearningMode::Dhcp) => {
                let before = self.leases.len();
                self.leases.retain(|lease| lease.ip != ip);
                self.leases.len() < before
            }
            _ => false,
        }
    }

    /// Drops what has ended; true when something had.
    fn expire(&mut self, now: u64) -> bool {
        let before = self.leases.len();
        self.leases.retain(|lease| lease.expires.is_none_or(|end| end > now));
        self.leases.len() < before
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, link: &LinkName, leases: &[Lease]) {
        if let Err(error) = self.keeper.save(link, leases) {
            warn!(%link, %error, "learned addresses can't be saved");
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
