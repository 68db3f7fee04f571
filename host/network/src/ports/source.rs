//! What an interface hangs on: its type, its network, its port group.

use reeve_model::domain::Interface;
use reeve_model::network::{Bandwidth, Forward, ForwardMode, NetworkConfig, PortGroup, VirtualPort, Vlan};
use uuid::Uuid;

use super::{Medium, PlannedPort, macvtap_mode};
use crate::networks::{State, bridge, refuse_switch};
use crate::{Host, NetworkError};

/// Where an interface is plugged in, and what it gets there.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) medium: Medium,
    pub(super) network: Option<Uuid>,
    pub(super) network_name: Option<String>,
    pub(super) portgroup: Option<String>,
    pub(super) group_bandwidth: Bandwidth,
    pub(super) isolated: bool,
    pub(super) mtu: Option<u32>,
    pub(super) warnings: Vec<String>,
}

impl Source {
    fn of(medium: Medium) -> Self {
        Self {
            medium,
            network: None,
            network_name: None,
            portgroup: None,
            group_bandwidth: Bandwidth::default(),
            isolated: false,
            mtu: None,
            warnings: Vec::new(),
        }
    }
}

/// Finds it. `keep` is the port that moves: its device is not in its own way.
pub(super) fn source(
    host: &Host,
    who: &str,
    interface: &Interface,
    state: &State,
    keep: Option<&PlannedPort>,
) -> Result<Source, NetworkError> {
    let attribute = |name: &str| {
        interface.source_attribute(name).ok_or_else(|| NetworkError::Invalid {
            subject: who.to_owned(),
            reason: format!("an interface of type '{}' needs <source {name}='…'/>", interface.kind),
        })
    };
    let unsupported =
        |reason: &str| Err(NetworkError::Unsupported { subject: who.to_owned(), reason: reason.to_owned() });
    let own = || refuse_switch(who, interface.vlan.as_ref(), interface.virtualport.as_ref());
    match interface.kind.as_str() {
        "network" => of_network(host, who, interface, attribute("network")?, state, keep),
        "bridge" => {
            own()?;
            let bridge = attribute("bridge")?;
            need_bridge(host, who, bridge)?;
            Ok(Source::of(Medium::Tap { bridge: bridge.to_owned() }))
        }
        "direct" => {
            own()?;
            let (dev, mode) = (attribute("dev")?, interface.source_attribute("mode").unwrap_or("vepa"));
            if macvtap_mode(mode).is_none() {
                return Err(NetworkError::Invalid {
                    subject: who.to_owned(),
                    reason: format!("mode '{mode}' is none of vepa, bridge, private and passthrough"),
                });
            }
            need_link(host, who, dev)?;
            let exclusive = mode == "passthrough";
            let in_use = use_of(dev, state, keep);
            if in_use.iter().any(|other| exclusive || other == "passthrough") {
                return Err(in_the_way(who, dev));
            }
            Ok(Source::of(Medium::Macvtap { lower: dev.to_owned(), mode: mode.to_owned() }))
        }
        "ethernet" => {
            let there = match &interface.target {
                Some(target) => find(host, target)?,
                None => None,
            };
            // A name of ours belongs to one of our ports, not to somebody else's tap.
            let foreign = there.filter(|link| !link.alias.starts_with(&host.mark()));
            Ok(Source::of(if foreign.is_some() { Medium::ForeignTap } else { Medium::LooseTap }))
        }
        "mcast" | "server" | "client" | "udp" => Ok(Source::of(Medium::Tunnel)),
        "user" => unsupported(
            "type 'user' is a network stack inside of the emulator, which the native driver has not; use type 'network'",
        ),
        "hostdev" => {
            unsupported("type 'hostdev' hands a PCI function to the guest, which this version can't")
        }
        "vhostuser" | "vdpa" | "internal" => {
            unsupported("its type needs a data path that the native driver has not")
        }
        kind => Err(NetworkError::Invalid {
            subject: who.to_owned(),
            reason: format!("'{kind}' is no type of interface"),
        }),
    }
}

fn of_network(
    host: &Host,
    who: &str,
    interface: &Interface,
    name: &str,
    state: &State,
    keep: Option<&PlannedPort>,
) -> Result<Source, NetworkError> {
    let mut active = state.configs();
    let config =
        active.find(|config| config.name == name).ok_or_else(|| NetworkError::NotActive(name.to_owned()))?;
    let group = portgroup(who, interface, config)?;
    let vlan =
        interface.vlan.as_ref().or(group.and_then(|group| group.vlan.as_ref())).or(config.vlan.as_ref());
    refuse_switch(who, effective_vlan(vlan), virtualport(interface, group, config).as_ref())?;
    let medium = match &config.forward {
        Some(forward) if !bridge::is_own(config) => match (forward.mode, &config.bridge.name) {
            (ForwardMode::Bridge, Some(bridge)) => {
                need_bridge(host, who, bridge)?;
                Medium::Tap { bridge: bridge.clone() }
            }
            (mode, _) => pool(host, who, config, forward, mode, state, keep)?,
        },
        _ => Medium::Tap { bridge: bridge::name(config)?.to_string() },
    };
    Ok(Source {
        network: Some(config.uuid),
        network_name: Some(config.name.clone()),
        portgroup: group.map(|group| group.name.clone()),
        group_bandwidth: group.map(|group| group.bandwidth).unwrap_or_default(),
        isolated: config.port_isolated,
        mtu: config.mtu,
        ..Source::of(medium)
    })
}

/// The port group that is named, else the default one.
fn portgroup<'a>(
    who: &str,
    interface: &Interface,
    config: &'a NetworkConfig,
) -> Result<Option<&'a PortGroup>, NetworkError> {
    let Some(name) = interface.source_attribute("portgroup") else {
        return Ok(config.portgroups.iter().find(|group| group.default));
    };
    let found = config.portgroups.iter().find(|group| group.name == name);
    found.map(Some).ok_or_else(|| NetworkError::Missing {
        subject: who.to_owned(),
        what: format!("port group '{name}' of network '{}'", config.name),
    })
}

/// Parameters of all levels; what an upper one says, a lower one can't change (guide 20.16.9.1).
fn virtualport(
    interface: &Interface,
    group: Option<&PortGroup>,
    config: &NetworkConfig,
) -> Option<VirtualPort> {
    let levels = [
        interface.virtualport.as_ref(),
        config.virtualport.as_ref(),
        group.and_then(|group| group.virtualport.as_ref()),
    ];
    levels.into_iter().flatten().cloned().reduce(|mut upper, lower| {
        upper.kind = upper.kind.or(lower.kind);
        let new = lower.parameters.into_iter();
        let new: Vec<_> =
            new.filter(|(name, _)| !upper.parameters.iter().any(|(has, _)| has == name)).collect();
        upper.parameters.extend(new);
        upper
    })
}

fn effective_vlan(vlan: Option<&Vlan>) -> Option<&Vlan> {
    vlan.filter(|vlan| !vlan.tags.is_empty())
}

/// The device of a pool that has the fewest guests.
fn pool(
    host: &Host,
    who: &str,
    config: &NetworkConfig,
    forward: &Forward,
    mode: ForwardMode,
    state: &State,
    keep: Option<&PlannedPort>,
) -> Result<Medium, NetworkError> {
    let mut devices: Vec<String> = forward.dev.iter().chain(&forward.interfaces).cloned().collect();
    devices.extend(forward.pf.iter().flat_map(|pf| virtual_functions(host, pf)));
    devices.dedup();
    if let (true, Some(pf)) = (devices.is_empty(), &forward.pf) {
        return Err(NetworkError::Missing {
            subject: who.to_owned(),
            what: format!("a virtual function of '{pf}'"),
        });
    }
    // A port that stays in its pool stays on its device.
    if let Some(port) = keep.filter(|port| port.network == Some(config.uuid))
        && let Medium::Macvtap { lower, .. } = &port.medium
        && devices.contains(lower)
    {
        return Ok(port.medium.clone());
    }
    let exclusive = mode == ForwardMode::Passthrough;
    let free = devices.iter().filter_map(|dev| {
        let users = use_of(dev, state, keep);
        let fits = !users.iter().any(|mode| exclusive || mode == "passthrough");
        fits.then_some((users.len(), dev))
    });
    let Some((_, lower)) = free.min_by_key(|(users, _)| *users) else {
        return Err(NetworkError::Conflict {
            subject: who.to_owned(),
            reason: format!("all devices of network '{}' are in use", config.name),
        });
    };
    need_link(host, who, lower)?;
    Ok(Medium::Macvtap { lower: lower.clone(), mode: mode.as_str().to_owned() })
}

/// Modes of the ports that share a device.
fn use_of(dev: &str, state: &State, keep: Option<&PlannedPort>) -> Vec<String> {
    let others = state.ports.values().filter(|port| keep.is_none_or(|keep| keep.link != port.link));
    let modes = others.filter_map(|port| match &port.medium {
        Medium::Macvtap { lower, mode } if lower == dev => Some(mode.clone()),
        _ => None,
    });
    modes.collect()
}

/// Network interfaces of a card's virtual functions.
fn virtual_functions(host: &Host, pf: &str) -> Vec<String> {
    let names = |path: std::path::PathBuf| {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    };
    let device = host.net_class.join(pf).join("device");
    let functions = names(device.clone()).filter(|name| name.starts_with("virtfn"));
    let mut found: Vec<String> =
        functions.flat_map(|function| names(device.join(function).join("net"))).collect();
    found.sort_unstable();
    found
}

fn need_bridge(host: &Host, who: &str, name: &str) -> Result<(), NetworkError> {
    match find(host, name)? {
        Some(link) if link.bridge.is_some() => Ok(()),
        Some(_) => {
            Err(NetworkError::Conflict { subject: who.to_owned(), reason: format!("'{name}' is no bridge") })
        }
        None => Err(NetworkError::Missing { subject: who.to_owned(), what: format!("bridge '{name}'") }),
    }
}

fn need_link(host: &Host, who: &str, name: &str) -> Result<(), NetworkError> {
    match find(host, name)? {
        Some(_) => Ok(()),
        None => Err(NetworkError::Missing {
            subject: who.to_owned(),
            what: format!("network interface '{name}'"),
        }),
    }
}

fn find(host: &Host, name: &str) -> Result<Option<reeve_sys::link::Link>, NetworkError> {
    Ok(host.links.find(&reeve_sys::link::LinkName::new(name)?)?)
}

fn in_the_way(who: &str, dev: &str) -> NetworkError {
    NetworkError::Conflict {
        subject: who.to_owned(),
        reason: format!("'{dev}' has a guest already, and mode 'passthrough' is for one alone"),
    }
}
