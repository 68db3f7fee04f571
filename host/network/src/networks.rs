//! What is active on the host: networks and ports.

use reeve_model::network::{Bandwidth, Lease, NetworkConfig};
use uuid::Uuid;

use crate::{Host, NetworkError, PlannedPort, PortRequest};

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
    todo!()
}

/// The active networks and ports of one host.
pub struct Networks {}

impl Networks {
    /// Nothing active yet; see [`Networks::adopt`].
    pub fn new(_host: Host, _sink: std::sync::Arc<dyn NetworkSink>) -> Self {
        todo!()
    }

    /// Chooses what a definition leaves out: a bridge name `virbrN` that is free on the host and among `others`, and a MAC address for
    /// the bridge. Networks without a bridge of their own are left as they are.
    pub fn fill(&self, _config: &mut NetworkConfig, _others: &[NetworkConfig]) -> Result<(), NetworkError> {
        todo!()
    }

    /// Refuses what can't run on this host, before anything is made; warnings otherwise, one sentence each.
    pub fn check_host(&self, _config: &NetworkConfig) -> Result<Vec<String>, NetworkError> {
        todo!()
    }

    /// Makes a network active, with [`Networks::check_host`]'s warnings. Ports that are known to be plugged into it are put on its new bridge.
    /// When a step fails, nothing of it stays.
    pub fn start(&self, _config: &NetworkConfig) -> Result<Vec<String>, NetworkError> {
        todo!()
    }

    /// Ends a network. Ports stay, cut off, until it is started again. Everything is taken down even if something fails; the first failure is told.
    pub fn stop(&self, _network: Uuid) -> Result<(), NetworkError> {
        todo!()
    }

    /// Carries out a changed document (same UUID) while guests stay attached; when a step fails, the old one is in force. Bridge name, MAC,
    /// forward mode and a bridge of the host can't be changed so.
    pub fn update(&self, _config: &NetworkConfig) -> Result<Vec<String>, NetworkError> {
        todo!()
    }

    /// Takes over what an earlier daemon left: `networks` were active and `ports` plugged. Bridges, rules and dnsmasq that are there are kept
    /// without interruption, what is missing is mended, and what carries this host's mark but is not told is removed.
    /// To be called once, before anything else.
    pub fn adopt(&self, _networks: &[NetworkConfig], _ports: &[PlannedPort]) -> Vec<Adopted> {
        todo!()
    }

    /// Stops looking after what runs and leaves it running, for the end of the daemon.
    pub fn detach(&self) {
        todo!()
    }

    /// Documents of the active networks, by name.
    pub fn active(&self) -> Vec<NetworkConfig> {
        todo!()
    }

    /// True while the network is active.
    pub fn is_active(&self, _network: Uuid) -> bool {
        todo!()
    }

    /// What dnsmasq gave out in an active network.
    pub fn leases(&self, _network: Uuid) -> Result<Vec<Lease>, NetworkError> {
        todo!()
    }

    /// Decides how an interface is plugged in, and remembers it: names and devices are taken from now on. Nothing on the host changes.
    /// Take it back with [`Networks::unplug`].
    pub fn plan(&self, _request: &PortRequest<'_>) -> Result<PlannedPort, NetworkError> {
        todo!()
    }

    /// Makes a planned port on the host. When a step fails, nothing of it stays and the plan is forgotten.
    pub fn make(&self, _port: &PlannedPort) -> Result<(), NetworkError> {
        todo!()
    }

    /// [`Networks::plan`] and [`Networks::make`].
    pub fn plug(&self, request: &PortRequest<'_>) -> Result<PlannedPort, NetworkError> {
        let port = self.plan(request)?;
        self.make(&port)?;
        Ok(port)
    }

    /// Removes a port, made or only planned; no error when it is gone already.
    pub fn unplug(&self, _port: &PlannedPort) -> Result<(), NetworkError> {
        todo!()
    }

    /// Known ports, by link; those of tunnels are not among them.
    pub fn ports(&self) -> Vec<PlannedPort> {
        todo!()
    }

    /// Moves a plugged tap to where the changed interface says, while the guest runs (guide 10.5). Refuses what needs another kind of link.
    /// When a step fails, it is where it was.
    pub fn move_to(
        &self,
        _port: &PlannedPort,
        _request: &PortRequest<'_>,
    ) -> Result<PlannedPort, NetworkError> {
        todo!()
    }

    /// Gives a plugged port other limits (domiftune); the port as it is now.
    pub fn set_bandwidth(
        &self,
        _port: &PlannedPort,
        _bandwidth: Bandwidth,
    ) -> Result<PlannedPort, NetworkError> {
        todo!()
    }

    /// Plugs the cable in or pulls it (domif-setlink); the port as it is now. Opening a tap sets it up, so a driver does this after opening.
    pub fn set_link_state(&self, _port: &PlannedPort, _up: bool) -> Result<PlannedPort, NetworkError> {
        todo!()
    }
}
