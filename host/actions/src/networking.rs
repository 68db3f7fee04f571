//! Networks, packet filters and ports of this host, as the verbs hold them: what is defined, and what is active.
//!
//! The crates `network` and `filter` do what is asked and remember what is in the kernel. Here is what was asked: definitions, as they
//! are in the store too, and the filter and the addresses of every port, from which its rules are made.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_filter::Bindings;
use reeve_model::MacAddress;
use reeve_model::filter::FilterConfig;
use reeve_model::network::{Lease, NetworkConfig};
use reeve_network::{Host, NetworkSink, Networks, PlannedPort};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::interface::Interfaces;

/// Notices that wait; more than that are dropped, and a lease that was missed is read again with the next.
const NOTICES: usize = 1024;

/// The networking of one host.
pub struct Networking {
    pub(crate) networks: Networks,
    pub(crate) bindings: Bindings,
    /// The host's own.
    pub(crate) interfaces: Interfaces,
    records: Mutex<Records>,
    /// One change of networks at a time, from its checks to its end. Never held while a policy is asked.
    pub(crate) changing: tokio::sync::Mutex<()>,
    notices: Mutex<Option<mpsc::Receiver<Notice>>>,
}

/// What is defined and what is plugged.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) networks: BTreeMap<Uuid, Network>,
    /// By name.
    pub(crate) filters: BTreeMap<String, Arc<FilterConfig>>,
    /// Grows with every change of a filter.
    pub(crate) filters_changed: u64,
    pub(crate) ports: BTreeMap<(Uuid, MacAddress), Plugged>,
}

/// A network that is defined, active, or both.
#[derive(Clone)]
pub(crate) struct Network {
    /// What it will be at its next start; none for a transient one.
    pub(crate) definition: Option<Arc<NetworkConfig>>,
    /// What it is now; none while it is not active.
    pub(crate) live: Option<Arc<NetworkConfig>>,
    pub(crate) autostart: bool,
}

impl Network {
    /// The document that counts: the live one, or the definition.
    pub(crate) fn config(&self) -> &Arc<NetworkConfig> {
        let any = self.live.as_ref().or(self.definition.as_ref());
        any.expect("a network that is neither defined nor active has no record")
    }
}

/// A port that is plugged.
#[derive(Clone)]
pub(crate) struct Plugged {
    pub(crate) port: PlannedPort,
    /// Addresses of the guest that were learned.
    pub(crate) addresses: Vec<IpAddr>,
    /// Number of the last event when it was plugged; 0 for one that an earlier daemon plugged.
    pub(crate) since: u64,
}

/// What happened by itself.
#[derive(Debug)]
pub(crate) enum Notice {
    ServiceRestarted { network: Uuid, reason: String },
    LeaseAcquired { network: Uuid, lease: Lease },
    LeaseExpired { network: Uuid, lease: Lease },
}

/// Hands notices of the network crate's threads on to the daemon's runtime.
struct Notices(mpsc::Sender<Notice>);

impl Notices {
    fn send(&self, notice: Notice) {
        if self.0.try_send(notice).is_err() {
            tracing::warn!("a notice of a network was dropped: too many are waiting");
        }
    }
}

impl NetworkSink for Notices {
    fn service_restarted(&self, network: Uuid, reason: &str) {
        self.send(Notice::ServiceRestarted { network, reason: reason.to_owned() });
    }

    fn lease_acquired(&self, network: Uuid, lease: &Lease) {
        self.send(Notice::LeaseAcquired { network, lease: lease.clone() });
    }

    fn lease_expired(&self, network: Uuid, lease: &Lease) {
        self.send(Notice::LeaseExpired { network, lease: lease.clone() });
    }
}

impl Networking {
    /// The networking of a host. Nothing is touched before the first verb or the recovery.
    pub fn new(host: Host) -> Self {
        let bindings = Bindings::new(Arc::clone(&host.nft));
        let (sender, receiver) = mpsc::channel(NOTICES);
        Self {
            interfaces: Interfaces::new(host.clone()),
            networks: Networks::new(host, Arc::new(Notices(sender))),
            bindings,
            records: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            notices: Mutex::new(Some(receiver)),
        }
    }

    /// The networking of the kernel; files of running networks go below `run`, leases below `state`.
    pub fn kernel(run: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self::new(Host::kernel(run, state))
    }

    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The notices, for the one who follows them.
    pub(crate) fn take_notices(&self) -> Option<mpsc::Receiver<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Leaves everything as it runs, for the end of the daemon.
    pub fn detach(&self) {
        self.networks.detach();
    }
}

impl Records {
    /// The network with this name or UUID.
    pub(crate) fn network(&self, key: &str) -> Option<(Uuid, &Network)> {
        let uuid = key.parse::<Uuid>().ok();
        let named =
            |(uuid_of, network): &(&Uuid, &Network)| network.config().name == key || uuid == Some(**uuid_of);
        self.networks.iter().find(named).map(|(uuid, network)| (*uuid, network))
    }

    /// Interfaces of running domains that are plugged into a network.
    pub(crate) fn connections(&self, network: Uuid) -> u32 {
        let count = self.ports.values().filter(|plugged| plugged.port.network == Some(network)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The filter with this name or UUID.
    pub(crate) fn filter(&self, key: &str) -> Option<&Arc<FilterConfig>> {
        self.filters.get(key).or_else(|| {
            let uuid = key.parse::<Uuid>().ok()?;
            self.filters.values().find(|filter| filter.uuid == uuid)
        })
    }
}

impl fmt::Debug for Networking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.records();
        f.debug_struct("Networking")
            .field("networks", &records.networks.len())
            .field("filters", &records.filters.len())
            .field("ports", &records.ports.len())
            .finish_non_exhaustive()
    }
}
