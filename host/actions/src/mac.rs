//! MAC addresses for interfaces that have none (guide 8.8): a policy proposes, the host checks; without a policy the host
//! takes a random address under 00:16:3e.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use reeve_model::domain::DomainConfig;
use reeve_model::{Actor, Error, ErrorCode};
use uuid::Uuid;

use crate::Actions;
use crate::policy_port::MacRequest;

/// How often somebody else may be quicker before the host gives up.
const ATTEMPTS: usize = 64;

/// Addresses that were given out and are not seen in any domain yet.
pub(crate) type Pending = Arc<Mutex<BTreeSet<String>>>;

/// Keeps the given addresses from being given to anybody else until it is dropped: hold it until the domain is visible. An operation that
/// goes on when nobody waits for it has it with it.
pub(crate) struct Reservation {
    pending: Pending,
    macs: Vec<String>,
}

impl Reservation {
    /// False when the address is being given to another domain.
    fn add(&mut self, mac: &str) -> bool {
        let new = self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(mac.to_owned());
        if new {
            self.macs.push(mac.to_owned());
        }
        new
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        for mac in &self.macs {
            pending.remove(mac);
        }
    }
}

impl Actions {
    /// Gives every interface without a MAC address one that no domain of this host has.
    pub(crate) async fn allocate_macs(
        &self,
        actor: &Actor,
        config: &mut DomainConfig,
    ) -> Result<Reservation, Error> {
        let mut reservation = Reservation { pending: Arc::clone(&self.pending_macs), macs: Vec::new() };
        let missing: Vec<usize> = (config.devices.interfaces.iter().enumerate())
            .filter_map(|(position, nic)| nic.mac.is_none().then_some(position))
            .collect();
        if missing.is_empty() {
            return Ok(reservation);
        }
        let mut taken = self.taken_macs();
        taken.extend(
            config.devices.interfaces.iter().filter_map(|nic| nic.mac.as_deref().map(str::to_lowercase)),
        );
        for interface in missing {
            let mac = self.allocate_mac(actor, config, interface, &mut taken, &mut reservation).await?;
            config.devices.interfaces[interface].mac = Some(mac);
        }
        Ok(reservation)
    }

    async fn allocate_mac(
        &self,
        actor: &Actor,
        config: &DomainConfig,
        interface: usize,
        taken: &mut BTreeSet<String>,
        reservation: &mut Reservation,
    ) -> Result<String, Error> {
        for _ in 0..ATTEMPTS {
            let request = MacRequest {
                actor: actor.clone(),
                config: config.clone(),
                interface,
                taken: taken.iter().cloned().collect(),
            };
            let mac = match self.policy.propose_mac(request).await? {
                Some(proposed) => {
                    accept(&proposed, taken).map_err(|fault| refused(config, &proposed, fault))?
                }
                None => random(),
            };
            if taken.insert(mac.clone()) && reservation.add(&mac) {
                return Ok(mac);
            }
        }
        let message = format!("no free MAC address was found for domain '{}'", config.name);
        Err(Error::new(ErrorCode::Internal, message).with_hint("write <mac address='…'/> into the interface"))
    }

    /// The addresses of all domains, lower case. Of a definition that can't be read everything counts that looks like one.
    fn taken_macs(&self) -> BTreeSet<String> {
        let mut taken = BTreeSet::new();
        for snapshot in self.domains.snapshots() {
            let definition = self.domains.definition(snapshot.summary.uuid).ok().flatten();
            let configs = [Some(&snapshot.config), definition.as_deref()];
            let interfaces = configs.into_iter().flatten().flat_map(|config| &config.devices.interfaces);
            taken.extend(interfaces.filter_map(|nic| nic.mac.as_deref().map(str::to_lowercase)));
        }
        for unread in self.definitions.unread() {
            taken.extend(addresses_in(&unread.row.xml));
        }
        taken
    }
}

/// All that looks like an address in a text, lower case.
fn addresses_in(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| c != ':' && !c.is_ascii_hexdigit())
        .filter(|word| octets(word).is_some_and(|octets| octets.len() == 6))
        .map(str::to_lowercase)
}

/// Numbers of two digits in hex with colons between.
fn octets(text: &str) -> Option<Vec<u8>> {
    let octet = |octet: &str| if octet.len() == 2 { u8::from_str_radix(octet, 16).ok() } else { None };
    text.split(':').map(octet).collect()
}

/// The proposal in lower case; what is wrong with it otherwise.
fn accept(proposed: &str, taken: &BTreeSet<String>) -> Result<String, &'static str> {
    let mac = proposed.to_lowercase();
    match octets(&mac).as_deref() {
        Some([0, 0, 0, 0, 0, 0]) => Err("is all zero"),
        Some([first, _, _, _, _, _]) if first & 1 == 1 => Err("is a group address"),
        Some([_, _, _, _, _, _]) if taken.contains(&mac) => Err("is in use on this host"),
        Some([_, _, _, _, _, _]) => Ok(mac),
        _ => Err("is not six octets in hex with colons"),
    }
}

fn random() -> String {
    let random = *Uuid::new_v4().as_bytes();
    format!("00:16:3e:{:02x}:{:02x}:{:02x}", random[0] & 0x7f, random[1], random[2])
}

fn refused(config: &DomainConfig, proposed: &str, fault: &str) -> Error {
    let message =
        format!("the MAC address '{proposed}' that policy proposes for domain '{}' {fault}", config.name);
    Error::new(ErrorCode::Invalid, message)
        .with_hint("write <mac address='…'/> into the interface, or correct the policy; 'reeve policy decisions' shows it")
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
    fn addresses_are_found_in_any_text() {
        let text = "<domain><mac address='52:54:00:AB:cd:01'/>00:16:3e:00:00:02 <uuid>1:2</uuid>\n<mac address=\"52:54:00\"/>";
        let found: Vec<_> = addresses_in(text).collect();
        assert_eq!(found, ["52:54:00:ab:cd:01", "00:16:3e:00:00:02"]);
    }

    #[test]
    fn random_addresses_are_xens_and_unicast() {
        let mac = random();
        assert!(mac.starts_with("00:16:3e:"));
        assert_eq!(accept(&mac, &BTreeSet::new()), Ok(mac.clone()));
    }

    #[test]
    fn an_address_on_its_way_is_not_given_twice() {
        let pending = Pending::default();
        let mut first = Reservation { pending: Arc::clone(&pending), macs: Vec::new() };
        let mut second = Reservation { pending: Arc::clone(&pending), macs: Vec::new() };
        assert!(first.add("00:16:3e:00:00:01"));
        assert!(!second.add("00:16:3e:00:00:01"));
        drop(first);
        assert!(second.add("00:16:3e:00:00:01"));
    }
}
