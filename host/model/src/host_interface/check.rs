//! What holds for every document of a host interface, whatever the host.

use super::{HostInterfaceConfig, HostInterfaceKind};
use crate::MacAddress;
use crate::network::is_link_name;

/// A rule that a document breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct HostInterfaceViolation {
    /// Where, e.g. `bridge.interface[1]`.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

fn broken(path: &str, message: impl Into<String>) -> Result<(), HostInterfaceViolation> {
    Err(HostInterfaceViolation { path: path.to_owned(), message: message.into() })
}

/// Modes of a bond.
const BOND_MODES: [&str; 7] =
    ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];

impl HostInterfaceConfig {
    /// Checks it; the first rule it breaks.
    pub fn check(&self) -> Result<(), HostInterfaceViolation> {
        if !is_link_name(&self.name) {
            let message = format!(
                "'{}' can't be the name of an interface: 1 to 15 bytes without '/', ':' and blanks",
                self.name
            );
            return broken("name", message);
        }
        if let Some(mode) = &self.start_mode
            && !["onboot", "none", "hotplug"].contains(&mode.as_str())
        {
            return broken("start.mode", format!("'{mode}' is not one of onboot, none, hotplug"));
        }
        if self.mac.is_some_and(MacAddress::is_multicast) {
            return broken("mac", "an interface can't have a multicast address");
        }
        // Loopback has the largest.
        if self.mtu.is_some_and(|mtu| !(68..=65536).contains(&mtu)) {
            return broken("mtu", "the MTU is 68 to 65536");
        }
        self.check_kind()?;
        for (index, protocol) in self.protocols.iter().enumerate() {
            let path = format!("protocol[{index}]");
            if self.protocols.iter().take(index).any(|earlier| earlier.six == protocol.six) {
                return broken(&path, "a family has one <protocol>");
            }
            let foreign = protocol.addresses.iter().find(|network| network.address.is_ipv6() != protocol.six);
            if let Some(network) = foreign {
                return broken(&path, format!("{network} is of the other family"));
            }
            if let Some(gateway) = protocol.gateways.iter().find(|gateway| gateway.is_ipv6() != protocol.six)
            {
                return broken(&path, format!("gateway {gateway} is of the other family"));
            }
        }
        Ok(())
    }

    fn check_kind(&self) -> Result<(), HostInterfaceViolation> {
        match &self.kind {
            HostInterfaceKind::Ethernet => Ok(()),
            HostInterfaceKind::Bridge { delay, ports, .. } => {
                let seconds = delay.as_ref().map(|delay| delay.parse::<f64>());
                if let Some(seconds) = seconds
                    && !seconds.is_ok_and(|seconds| (0.0..=30.0).contains(&seconds))
                {
                    return broken("bridge.delay", "the forward delay is 0 to 30 seconds");
                }
                self.check_members("bridge", ports)
            }
            HostInterfaceKind::Bond { mode, members } => {
                if let Some(mode) = mode
                    && !BOND_MODES.contains(&mode.as_str())
                {
                    return broken("bond.mode", format!("'{mode}' is not one of {}", BOND_MODES.join(", ")));
                }
                if members.is_empty() {
                    return broken("bond", "a bond needs an <interface>");
                }
                self.check_members("bond", members)
            }
            HostInterfaceKind::Vlan { tag, lower } => {
                if !(1..=4094).contains(tag) {
                    return broken("vlan.tag", format!("tag {tag} is not 1 to 4094"));
                }
                if !is_link_name(lower) || *lower == self.name {
                    return broken("vlan.interface", format!("'{lower}' can't be the interface below"));
                }
                Ok(())
            }
        }
    }

    fn check_members(&self, part: &str, members: &[Self]) -> Result<(), HostInterfaceViolation> {
        for (index, member) in members.iter().enumerate() {
            let path = format!("{part}.interface[{index}]");
            if member.name == self.name {
                return broken(&path, format!("'{}' can't be part of itself", self.name));
            }
            if members.iter().take(index).any(|earlier| earlier.name == member.name) {
                return broken(&path, format!("'{}' is named twice", member.name));
            }
            member.check().map_err(|inner| HostInterfaceViolation {
                path: format!("{path}.{}", inner.path),
                message: inner.message,
            })?;
        }
        Ok(())
    }
}
