//! Networks, packet filters and ports of this host, as the verbs hold them: what is defined, and what is active.
//!
//! The crates `network` and `filter` do what is asked and remember what is in the kernel. Here is what was asked: definitions, as they
//! are in the store too, and the filter and the addresses of every port, from which its rules are made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_filter::{Bindings, Learning, LearningError, LearningMode, SnifferProgram, Watch};
use reeve_model::MacAddress;
use reeve_model::filter::FilterConfig;
use reeve_model::network::{Lease, NetworkConfig};
use reeve_network::{Host, NetworkSink, Networks, PlannedPort};
use reeve_store::Store;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::filter::{News, StoreLeases};
use crate::interface::Interfaces;

/// Notices that wait; more than that are dropped, and a lease that was missed is read again with the next.
const NOTICES: usize = 1024;

/// A domain and the hardware address of one of its interfaces.
pub(crate) type PortKey = (Uuid, MacAddress);

/// The networking of one host.
pub struct Networking {
    pub(crate) networks: Networks,
    pub(crate) bindings: Bindings,
    /// The host's own.
    pub(crate) interfaces: Interfaces,
    /// None on hosts that only know what is written down or leased by their own networks.
    pub(crate) learning: Option<Learning>,
    pub(crate) news: Arc<News>,
    /// Ports that could not have their rules when the daemon started.
    pub(crate) unsettled: Mutex<BTreeSet<PortKey>>,
    records: Mutex<Records>,
    /// Held from the last look at the records until the kernel has the rules that belong to them.
    rules: Mutex<()>,
    /// One change of networks at a time, from its checks to its end. Never held while a policy is asked.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// One port is unplugged at a time, so that it is done once.
    pub(crate) unplugging: tokio::sync::Mutex<()>,
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
    pub(crate) ports: BTreeMap<PortKey, Plugged>,
    revision: u64,
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
    /// Addresses that the network's own DHCP server gave the guest.
    pub(crate) leased: Vec<IpAddr>,
    /// Addresses that its frames told.
    pub(crate) learned: Vec<IpAddr>,
    /// Those of them that no DHCP server of ours tells of.
    pub(crate) told: BTreeSet<IpAddr>,
    /// Its link is there.
    pub(crate) is_made: bool,
    /// How its frames are looked at; none where its address is not to be found out.
    pub(crate) watch: Option<Watch>,
    /// Number of the last event when it was plugged; 0 for one that an earlier daemon plugged.
    pub(crate) since: u64,
    /// Another with every change of what its rules are made from.
    pub(crate) revision: u64,
}

impl Plugged {
    /// A port of which nothing is known yet. It gets a revision when it is recorded.
    pub(crate) fn new(port: PlannedPort, since: u64) -> Self {
        Self {
            port,
            leased: Vec::new(),
            learned: Vec::new(),
            told: BTreeSet::new(),
            is_made: false,
            watch: None,
            since,
            revision: 0,
        }
    }

    pub(crate) fn key(&self) -> PortKey {
        (self.port.domain, self.port.mac)
    }
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
            learning: None,
            news: Arc::default(),
            unsettled: Mutex::default(),
            records: Mutex::default(),
            rules: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            unplugging: tokio::sync::Mutex::default(),
            notices: Mutex::new(Some(receiver)),
        }
    }

    /// The networking of the kernel; files of running networks go below `run`, leases below `state`.
    pub fn kernel(run: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self::new(Host::kernel(run, state))
    }

    /// Lets it find out the addresses of guests that nobody wrote down, by this program; what it learns is kept in the store.
    pub fn learn(mut self, program: SnifferProgram, store: Store) -> Result<Self, LearningError> {
        let (keeper, sink) = (Arc::new(StoreLeases(store)), Arc::clone(&self.news));
        self.learning = Some(Learning::start(program, keeper, sink)?);
        Ok(self)
    }

    /// The right to change rules; taken before the records, and for the moment of one change.
    pub(crate) fn rules(&self) -> MutexGuard<'_, ()> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Records a port, in the place of an earlier one.
    pub(crate) fn put_port(&mut self, mut plugged: Plugged) -> Plugged {
        plugged.revision = self.next_revision();
        self.ports.insert(plugged.key(), plugged.clone());
        plugged
    }

    pub(crate) fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// Addresses of the guest that count where they are found out this way. The network's own DHCP server is believed rather than a
    /// packet, but only where it is trusted.
    pub(crate) fn known(&self, plugged: &Plugged, watch: Option<&Watch>) -> Vec<IpAddr> {
        let (leased, learned) = (&plugged.leased, &plugged.learned);
        let Some(watch) = watch else { return leased.clone() };
        // What was learned another way does not count.
        let learned = learned.iter().filter(|_| plugged.watch.as_ref() == Some(watch));
        match watch.mode {
            LearningMode::Any if leased.is_empty() => learned.copied().collect(),
            LearningMode::Any => leased.clone(),
            LearningMode::Dhcp => {
                let leased = leased.iter().filter(|_| self.trusts_own_server(plugged, watch));
                leased.chain(learned).copied().collect::<BTreeSet<_>>().into_iter().collect()
            }
        }
    }

    fn trusts_own_server(&self, plugged: &Plugged, watch: &Watch) -> bool {
        let network = plugged.port.network.and_then(|network| self.networks.get(&network));
        let own = |server: &IpAddr| {
            network.is_some_and(|network| network.config().ips.iter().any(|ip| ip.network.address == *server))
        };
        watch.servers.is_empty() || watch.servers.iter().any(own)
    }

    /// Changes what is known of the addresses behind a port; those that it has now and had not, and the other way round.
    pub(crate) fn change_addresses(
        &mut self,
        key: PortKey,
        change: impl FnOnce(&mut Plugged),
    ) -> (Vec<IpAddr>, Vec<IpAddr>) {
        let Some(mut plugged) = self.ports.get(&key).cloned() else { return Default::default() };
        let before = self.known(&plugged, plugged.watch.as_ref());
        change(&mut plugged);
        let after = self.known(&plugged, plugged.watch.as_ref());
        if before != after {
            plugged.revision = self.next_revision();
        }
        self.ports.insert(key, plugged);
        let missing = |from: &[IpAddr], of: &[IpAddr]| {
            of.iter().copied().filter(|address| !from.contains(address)).collect()
        };
        (missing(&before, &after), missing(&after, &before))
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
