//! MAC addresses for interfaces that have none (guide 8.8): a policy proposes, the host checks; without a policy the host
//! takes a random address under 00:16:3e.

use std::collections::BTreeSet;

use reeve_model::domain::DomainConfig;
use reeve_model::{Actor, Error, ErrorCode};
use uuid::Uuid;

use crate::Actions;
use crate::policy_port::MacRequest;

/// How often a random address may be taken already before something else is wrong.
const ATTEMPTS: usize = 64;

impl Actions {
    /// Gives every interface without a MAC address one that no domain of this host has.
    pub(crate) async fn allocate_macs(&self, actor: &Actor, config: &mut DomainConfig) -> Result<(), Error> {
        let missing: Vec<usize> = (config.devices.interfaces.iter().enumerate())
            .filter_map(|(position, nic)| nic.mac.is_none().then_some(position))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut taken = self.taken_macs();
        taken.extend(config.devices.interfaces.iter().filter_map(|nic| nic.mac.clone()));
        for interface in missing {
            let request = MacRequest {
                actor: actor.clone(),
                config: config.clone(),
                interface,
                taken: taken.iter().cloned().collect(),
            };
            let mac = match self.policy.propose_mac(request).await? {
                Some(proposed) => {
                    accept(&proposed, &taken).map_err(|fault| refused(config, &proposed, fault))?
                }
                None => random(&taken).ok_or_else(|| exhausted(config))?,
            };
            taken.insert(mac.clone());
            config.devices.interfaces[interface].mac = Some(mac);
        }
        Ok(())
    }

    /// The addresses of all domains, lower case.
    fn taken_macs(&self) -> BTreeSet<String> {
        let mut taken = BTreeSet::new();
        for snapshot in self.domains.snapshots() {
            let definition = self.domains.definition(snapshot.summary.uuid).ok().flatten();
            for config in [Some(&snapshot.config), definition.as_deref()].into_iter().flatten() {
                taken.extend(
                    config
                        .devices
                        .interfaces
                        .iter()
                        .filter_map(|nic| nic.mac.as_deref().map(str::to_lowercase)),
                );
            }
        }
        taken
    }
}

/// The proposal in lower case; what is wrong with it otherwise.
fn accept(proposed: &str, taken: &BTreeSet<String>) -> Result<String, &'static str> {
    let mac = proposed.to_lowercase();
    let octets: Vec<u8> = mac
        .split(':')
        .map(|octet| if octet.len() == 2 { u8::from_str_radix(octet, 16).ok() } else { None })
        .collect::<Option<_>>()
        .ok_or("is not six octets in hex with colons")?;
    match octets.as_slice() {
        [0, 0, 0, 0, 0, 0] => Err("is all zero"),
        [first, _, _, _, _, _] if first & 1 == 1 => Err("is a group address"),
        [_, _, _, _, _, _] if taken.contains(&mac) => Err("is in use on this host"),
        [_, _, _, _, _, _] => Ok(mac),
        _ => Err("is not six octets in hex with colons"),
    }
}

fn random(taken: &BTreeSet<String>) -> Option<String> {
    (0..ATTEMPTS).find_map(|_| {
        let random = *Uuid::new_v4().as_bytes();
        let mac = format!("00:16:3e:{:02x}:{:02x}:{:02x}", random[0] & 0x7f, random[1], random[2]);
        (!taken.contains(&mac)).then_some(mac)
    })
}

fn refused(config: &DomainConfig, proposed: &str, fault: &str) -> Error {
    let message =
        format!("the MAC address '{proposed}' that policy proposes for domain '{}' {fault}", config.name);
    Error::new(ErrorCode::Invalid, message)
        .with_hint("write <mac address='…'/> into the interface, or correct the policy; 'reeve policy decisions' shows it")
}

fn exhausted(config: &DomainConfig) -> Error {
    let message = format!("no free MAC address was found for domain '{}'", config.name);
    Error::new(ErrorCode::Internal, message).with_hint("write <mac address='…'/> into the interface")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_are_checked() {
        let taken = BTreeSet::from(["00:16:3e:00:00:01".to_owned()]);
        assert_eq!(accept("00:16:3E:00:00:02", &taken).as_deref(), Ok("00:16:3e:00:00:02"));
        for wrong in ["", "0:16:3e:0:0:2", "00:16:3e:00:00", "00:16:3e:00:00:02:03", "gg:16:3e:00:00:02"] {
            assert_eq!(accept(wrong, &taken), Err("is not six octets in hex with colons"), "{wrong}");
        }
        assert_eq!(accept("00:00:00:00:00:00", &taken), Err("is all zero"));
        assert_eq!(accept("01:16:3e:00:00:02", &taken), Err("is a group address"));
        assert_eq!(accept("00:16:3E:00:00:01", &taken), Err("is in use on this host"));
    }

    #[test]
    fn random_addresses_are_xens_and_unicast() {
        let mac = random(&BTreeSet::new()).unwrap();
        assert!(mac.starts_with("00:16:3e:"));
        assert_eq!(accept(&mac, &BTreeSet::new()), Ok(mac.clone()));
    }
}
