//! What is active on the host: networks and ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_model::MacAddress;
use reeve_model::network::{
    AddressRange, Bandwidth, Bridge, Dhcp, DhcpRange, Dns, Forward, ForwardMode, IpConfig, IpNetwork, Lease,
    NetworkConfig, PortCounters,
};
use reeve_sys::link::LinkName;
use uuid::Uuid;

use crate::service::{self, Service};
use crate::{Host, NetworkError, PlannedPort, rules};

mod adopt;
pub(crate) mod bridge;
mod check;
mod life;
mod update;

pub(crate) use check::refuse_switch;

/// Hears what happens by itself. Called on a thread of the network's own; it must hand on and return, and not call [`Networks`].
pub trait NetworkSink: Send + Sync {
    /// A network's dnsmasq ended and was started again; `reason` is how it ended.
    fn service_restarted(&self, network: Uuid, reason: &str);

    /// A guest got an address or renewed it.
    fn lease_acquired(&self, network: Uuid, lease: &Lease);

    /// A lease ended or was given back.
    fn lease_expired(&self, network: Uuid, lease: &Lease);
}

/// How taking over after a restart went for one network.
#[derive(Debug)]
pub struct Adopted {
    /// The network.
    pub network: Uuid,
    /// What had to be mended, one sentence each; or why it can't run any more: it is not active then.
    pub outcome: Result<Vec<String>, NetworkError>,
}

/// The document of the network that every host has: NAT, 192.168.122.0/24, virbr0. Its UUID is new and [`Networks::fill`] chooses the MAC.
pub fn default_network() -> NetworkConfig {
    let ip = |last| IpAddr::V4(Ipv4Addr::new(192, 168, 122, last));
    let range = AddressRange { start: ip(2), end: ip(254) };
    NetworkConfig {
        name: "default".to_owned(),
        uuid: Uuid::new_v4(),
        metadata: None,
        guest_ipv6: false,
        forward: Some(Forward {
            mode: ForwardMode::Nat,
            dev: None,
            managed: None,
            nat: None,
            interfaces: Vec::new(),
            pf: None,
            extra: Default::default(),
        }),
        bridge: Bridge {
            name: Some("virbr0".to_owned()),
            stp: Some(true),
            delay_s: Some(0),
            extra: Default::default(),
        },
        mac: None,
        mtu: None,
        domain: None,
        dns: Dns::default(),
        bandwidth: Bandwidth::default(),
        vlan: None,
        virtualport: None,
        port_isolated: false,
        portgroups: Vec::new(),
        ips: vec![IpConfig {
            network: IpNetwork { address: ip(1), prefix: 24 },
            netmask_form: true,
            local_ptr: false,
            tftp_root: None,
            dhcp: Some(Dhcp {
                ranges: vec![DhcpRange { addresses: range, lease_s: None }],
                hosts: Vec::new(),
                bootp: None,
            }),
        }],
        routes: Vec::new(),
        extra: Default::default(),
    }
}

/// The active networks and ports of one host.
pub struct Networks {
    pub(crate) host: Host,
    pub(crate) sink: Arc<dyn NetworkSink>,
    state: Mutex<State>,
}

/// What is active. Whoever changes the host's networks holds it locked meanwhile.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) networks: BTreeMap<Uuid, Active>,
    /// By link.
    pub(crate) ports: BTreeMap<String, PlannedPort>,
}

/// An active network.
pub(crate) struct Active {
    pub(crate) config: NetworkConfig,
    pub(crate) service: Option<Service>,
}

impl Networks {
    /// Nothing active yet; see [`Networks::adopt`].
    pub fn new(host: Host, sink: Arc<dyn NetworkSink>) -> Self {
        Self { host, sink, state: Mutex::default() }
    }

    /// Chooses what a definition leaves out: a bridge name `virbrN` that is free on the host and among `others`, and a MAC address for
    /// the bridge. Networks without a bridge of their own are left as they are.
    pub fn fill(&self, config: &mut NetworkConfig, others: &[NetworkConfig]) -> Result<(), NetworkError> {
        if !bridge::is_own(config) {
            return Ok(());
        }
        if config.bridge.name.is_none() {
            let links = self.host.links.list()?;
            let others = others.iter().filter(|other| other.uuid != config.uuid);
            let defined: Vec<&str> = others.filter_map(|other| other.bridge.name.as_deref()).collect();
            let taken =
                |name: &str| defined.contains(&name) || links.iter().any(|link| link.name.as_str() == name);
            config.bridge.name = (0..=u32::MAX).map(|n| format!("virbr{n}")).find(|name| !taken(name));
        }
        if config.mac.is_none() {
            let [a, b, c]: [u8; 3] = rand::random();
            config.mac = Some(MacAddress([0x52, 0x54, 0x00, a, b, c]));
        }
        Ok(())
    }

    /// Refuses what can't run on this host, before anything is made; warnings otherwise, one sentence each.
    pub fn check_host(&self, config: &NetworkConfig) -> Result<Vec<String>, NetworkError> {
        check::check(&self.host, config, &self.state())
    }

    /// Documents of the active networks, by name.
    pub fn active(&self) -> Vec<NetworkConfig> {
        let mut active: Vec<NetworkConfig> =
            self.state().networks.values().map(|active| active.config.clone()).collect();
        active.sort_by(|one, other| one.name.cmp(&other.name));
        active
    }

    /// True while the network is active.
    pub fn is_active(&self, network: Uuid) -> bool {
        self.state().networks.contains_key(&network)
    }

    /// What dnsmasq gave out in an active network.
    pub fn leases(&self, network: Uuid) -> Result<Vec<Lease>, NetworkError> {
        let state = self.state();
        let active = state.networks.get(&network).ok_or_else(|| not_active(network))?;
        match &active.service {
            Some(_) => service::leases(&self.host, &active.config),
            None => Ok(Vec::new()),
        }
    }

    /// What passed a link, seen from the guest behind it.
    pub fn counters(&self, link: &str) -> Result<PortCounters, NetworkError> {
        let counters = self.host.links.counters(&LinkName::new(link)?)?;
        // What the host sends over the link is what the guest receives.
        Ok(PortCounters {
            received_bytes: counters.tx_bytes,
            received_packets: counters.tx_packets,
            received_dropped: counters.tx_dropped,
            sent_bytes: counters.rx_bytes,
            sent_packets: counters.rx_packets,
            sent_dropped: counters.rx_dropped,
        })
    }

    /// Addresses by which the host's own stack has talked to this hardware address.
    pub fn neighbours(&self, mac: MacAddress) -> Result<Vec<IpAddr>, NetworkError> {
        let neighbours = self.host.links.neighbours()?.into_iter();
        Ok(neighbours.filter(|neighbour| neighbour.mac.0 == mac.0).map(|neighbour| neighbour.ip).collect())
    }

    /// Forgets what is kept of a network that was undefined: its leases.
    pub fn forget(&self, network: Uuid) -> Result<(), NetworkError> {
        service::forget(&self.host, network)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic between two changes leaves at most a record of something that is gone, which every use tolerates.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn configs(&self) -> impl Iterator<Item = &NetworkConfig> {
        self.networks.values().map(|active| &active.config)
    }

    /// Replaces the table by the rules of what is active, with `new` in place of its older self or besides, and without `gone`.
    pub(crate) fn apply_rules(
        &self,
        host: &Host,
        new: Option<&NetworkConfig>,
        gone: Option<Uuid>,
    ) -> Result<(), NetworkError> {
        let replaced = |config: &&NetworkConfig| {
            Some(config.uuid) != gone && new.is_none_or(|new| new.uuid != config.uuid)
        };
        let configs = self.configs().filter(replaced).chain(new);
        Ok(host.nft.apply(&rules::render(&host.mark(), configs))?)
    }
}

pub(crate) fn not_active(network: Uuid) -> NetworkError {
    NetworkError::NotActive(network.to_string())
}

pub(crate) fn subject(config: &NetworkConfig) -> String {
    format!("network '{}'", config.name)
}
