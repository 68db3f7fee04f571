//! Links in memory, which fail when a test wants them to.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use super::{
    Address, Bridge, Change, Counters, Forward, KernelError, Link, LinkError, LinkName, Links, Mac,
    Neighbour, NewLink, OperState, Port, PortOptions, Route,
};

/// MTU of links that were given none.
const MTU: u32 = 1500;

/// Stands in for the kernel's links in tests of what uses them. It keeps links, addresses, routes and forwards with the kernel's rules of
/// what must be there before, not its routing: an address makes no route, a link set down keeps its own.
#[derive(Debug, Default)]
pub struct FakeLinks {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    links: BTreeMap<LinkName, Link>,
    routes: Vec<Route>,
    forwards: Vec<Forward>,
    counters: BTreeMap<LinkName, Counters>,
    made: u32,
    done: Vec<String>,
    fail_in: Option<usize>,
}

impl FakeLinks {
    /// Nothing but hardware of the given names, up, with carrier.
    pub fn with_hardware(names: &[&LinkName]) -> Self {
        let fake = Self::default();
        let mut state = fake.state();
        for name in names {
            let mut link = state.new_link(name, None);
            (link.up, link.carrier, link.state) = (true, true, OperState::Up);
            state.links.insert((*name).clone(), link);
        }
        drop(state);
        fake
    }

    /// Refuses the `nth` change from now on with EIO, once; the first is 1. Reading never fails.
    pub fn fail_at(&self, nth: usize) {
        self.state().fail_in = Some(nth);
    }

    /// The changes that were asked for, the refused ones too, e.g. "virbr0: made", "virbr0: set up".
    pub fn done(&self) -> Vec<String> {
        self.state().done.clone()
    }

    /// Sets what [`Links::counters`] says of a link.
    pub fn count(&self, name: &LinkName, counters: Counters) {
        self.state().counters.insert(name.clone(), counters);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent between any two statements that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a change and refuses it if it is its turn.
    fn begin(&self, name: &LinkName, step: String) -> Result<MutexGuard<'_, State>, LinkError> {
        let mut state = self.state();
        state.done.push(format!("{name}: {step}"));
        if state.is_its_turn() { Err(refused(name, step, Errno::IO)) } else { Ok(state) }
    }

    fn begin_route(&self, route: &Route, step: &'static str) -> Result<MutexGuard<'_, State>, LinkError> {
        let mut state = self.state();
        state.done.push(format!("route {route}: {step}"));
        if state.is_its_turn() { Err(refused_route(route, step, Errno::IO)) } else { Ok(state) }
    }
}

impl Links for FakeLinks {
    fn list(&self) -> Result<Vec<Link>, LinkError> {
        let mut links: Vec<Link> = self.state().links.values().cloned().collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    fn find(&self, name: &LinkName) -> Result<Option<Link>, LinkError> {
        Ok(self.state().links.get(name).cloned())
    }

    fn counters(&self, name: &LinkName) -> Result<Counters, LinkError> {
        let mut state = self.state();
        state.link(name)?;
        Ok(state.counters.get(name).copied().unwrap_or_default())
    }

    fn create(&self, name: &LinkName, new: &NewLink) -> Result<(), LinkError> {
        let mut state = self.begin(name, "made".to_owned())?;
        state.must_be_free(name)?;
        let mut link = state.new_link(name, Some(new));
        match new {
            NewLink::Veth { peer } => {
                state.must_be_free(peer)?;
                let mut other = state.new_link(peer, Some(new));
                (link.lower, other.lower) = (Some(peer.clone()), Some(name.clone()));
                state.links.insert(peer.clone(), other);
            }
            NewLink::Macvtap(macvtap) => {
                state.link(&macvtap.lower)?;
                (link.lower, link.macvtap) = (Some(macvtap.lower.clone()), Some(macvtap.mode));
            }
            NewLink::Bridge(bridge) => {
                let defaults = Bridge {
                    mac: link.mac,
                    stp: Some(false),
                    forward_delay_ms: Some(15_000),
                    ageing_s: Some(300),
                    nf_call_iptables: Some(false),
                    nf_call_ip6tables: Some(false),
                    vlan_filtering: Some(false),
                };
                link.bridge = Some(changed(&defaults, bridge));
            }
            NewLink::Tap(_) | NewLink::Dummy | NewLink::Ifb => {}
        }
        state.links.insert(name.clone(), link);
        Ok(())
    }

    fn delete(&self, name: &LinkName) -> Result<(), LinkError> {
        let mut state = self.begin(name, "deleted".to_owned())?;
        let link = state.link(name)?.clone();
        let peer = (link.kind.as_deref() == Some("veth")).then_some(link.lower).flatten();
        for gone in [Some(name.clone()), peer].into_iter().flatten() {
            state.forget(&gone);
        }
        Ok(())
    }

    fn change(&self, name: &LinkName, change: &Change) -> Result<(), LinkError> {
        let mut state = self.begin(name, change.step())?;
        let refuse = |errno| Err(refused(name, change.step(), errno));
        state.link(name)?;
        match change {
            Change::Name(new) => {
                state.must_be_free(new)?;
                return state.rename(name, new);
            }
            Change::Master(Some(bridge)) if state.link(bridge)?.bridge.is_none() => {
                return refuse(Errno::OPNOTSUPP);
            }
            _ => {}
        }
        let link = state.link(name)?;
        match change {
            Change::Up => (link.up, link.carrier, link.state) = (true, true, OperState::Up),
            Change::Down => (link.up, link.carrier, link.state) = (false, false, OperState::Down),
            Change::Mtu(mtu) => link.mtu = *mtu,
            Change::Mac(mac) => link.mac = Some(*mac),
            Change::Alias(alias) => link.alias.clone_from(alias),
            Change::QueueLength(length) => link.queue_length = *length,
            Change::Master(master) => {
                link.master.clone_from(master);
                let port =
                    Port { isolated: false, hairpin: false, learning: true, unicast_flood: true, cost: 100 };
                link.port = master.is_some().then_some(port);
            }
            Change::Port(options) => match &mut link.port {
                Some(port) => apply(port, options),
                None => return refuse(Errno::OPNOTSUPP),
            },
            Change::Bridge(options) => match &mut link.bridge {
                Some(bridge) => *bridge = changed(bridge, &Bridge { mac: None, ..options.clone() }),
                None => return refuse(Errno::OPNOTSUPP),
            },
            Change::Name(_) => {}
        }
        Ok(())
    }

    fn move_to(&self, name: &LinkName, _namespace: BorrowedFd<'_>) -> Result<(), LinkError> {
        let mut state = self.begin(name, "moved to another namespace".to_owned())?;
        state.link(name)?;
        state.forget(name);
        Ok(())
    }

    fn add_address(&self, name: &LinkName, address: &Address) -> Result<(), LinkError> {
        let step = format!("given address {}/{}", address.ip, address.prefix);
        let mut state = self.begin(name, step.clone())?;
        let addresses = &mut state.link(name)?.addresses;
        if addresses.iter().any(|has| (has.ip, has.prefix) == (address.ip, address.prefix)) {
            return Err(refused(name, step, Errno::EXIST));
        }
        addresses.push(*address);
        Ok(())
    }

    fn remove_address(&self, name: &LinkName, ip: IpAddr, prefix: u8) -> Result<(), LinkError> {
        let step = format!("freed of address {ip}/{prefix}");
        let mut state = self.begin(name, step.clone())?;
        let addresses = &mut state.link(name)?.addresses;
        let found = addresses.iter().position(|has| (has.ip, has.prefix) == (ip, prefix));
        addresses.remove(found.ok_or_else(|| refused(name, step, Errno::ADDRNOTAVAIL))?);
        Ok(())
    }

    fn routes(&self) -> Result<Vec<Route>, LinkError> {
        Ok(self.state().routes.clone())
    }

    fn add_route(&self, route: &Route) -> Result<(), LinkError> {
        let mut state = self.begin_route(route, "added")?;
        if let Some(link) = &route.link {
            state.link(link)?;
        }
        if state.routes.contains(route) {
            return Err(refused_route(route, "added", Errno::EXIST));
        }
        state.routes.push(route.clone());
        Ok(())
    }

    fn remove_route(&self, route: &Route) -> Result<(), LinkError> {
        let mut state = self.begin_route(route, "removed")?;
        let found = state.routes.iter().position(|has| has == route);
        state.routes.remove(found.ok_or_else(|| refused_route(route, "removed", Errno::SRCH))?);
        Ok(())
    }

    fn forwards(&self, bridge: &LinkName) -> Result<Vec<Forward>, LinkError> {
        let mut state = self.state();
        state.link(bridge)?;
        let of_bridge =
            |port: &LinkName| state.links.get(port).is_some_and(|port| port.master.as_ref() == Some(bridge));
        Ok(state.forwards.iter().filter(|forward| of_bridge(&forward.port)).cloned().collect())
    }

    fn add_forward(&self, port: &LinkName, mac: Mac) -> Result<(), LinkError> {
        let step = format!("made the port for {mac}");
        let mut state = self.begin(port, step.clone())?;
        if state.link(port)?.master.is_none() {
            return Err(refused(port, step, Errno::INVAL));
        }
        let forward = Forward { mac, port: port.clone() };
        if state.forwards.contains(&forward) {
            return Err(refused(port, step, Errno::EXIST));
        }
        state.forwards.push(forward);
        Ok(())
    }

    fn remove_forward(&self, port: &LinkName, mac: Mac) -> Result<(), LinkError> {
        let step = format!("freed of {mac}");
        let mut state = self.begin(port, step.clone())?;
        let forward = Forward { mac, port: port.clone() };
        let found = state.forwards.iter().position(|has| *has == forward);
        state.forwards.remove(found.ok_or_else(|| refused(port, step, Errno::NOENT))?);
        Ok(())
    }

    fn neighbours(&self) -> Result<Vec<Neighbour>, LinkError> {
        // Nothing is ever sent.
        Ok(Vec::new())
    }
}

impl State {
    fn is_its_turn(&mut self) -> bool {
        self.fail_in = self.fail_in.map(|left| left.saturating_sub(1));
        self.fail_in.take_if(|left| *left == 0).is_some()
    }

    fn link(&mut self, name: &LinkName) -> Result<&mut Link, LinkError> {
        self.links.get_mut(name).ok_or_else(|| LinkError::Missing { name: name.clone() })
    }

    fn must_be_free(&self, name: &LinkName) -> Result<(), LinkError> {
        if self.links.contains_key(name) { Err(LinkError::Exists { name: name.clone() }) } else { Ok(()) }
    }

    fn new_link(&mut self, name: &LinkName, new: Option<&NewLink>) -> Link {
        self.made += 1;
        let [_, a, b, c] = self.made.to_be_bytes();
        let (kind, mac) = match new {
            None => (None, None),
            Some(NewLink::Bridge(bridge)) => (Some("bridge"), bridge.mac),
            Some(NewLink::Tap(tap)) => (Some("tun"), tap.mac),
            Some(NewLink::Macvtap(macvtap)) => (Some("macvtap"), macvtap.mac),
            Some(NewLink::Veth { .. }) => (Some("veth"), None),
            Some(NewLink::Dummy) => (Some("dummy"), None),
            Some(NewLink::Ifb) => (Some("ifb"), None),
        };
        Link {
            name: name.clone(),
            index: self.made,
            kind: kind.map(str::to_owned),
            mac: mac.or(Some(Mac([0x02, 0xfa, 0xce, a, b, c]))),
            mtu: MTU,
            up: false,
            carrier: false,
            state: OperState::Down,
            master: None,
            lower: None,
            alias: String::new(),
            queue_length: 1000,
            addresses: Vec::new(),
            bridge: None,
            port: None,
            macvtap: None,
        }
    }

    /// Removes a link with what hangs on it.
    fn forget(&mut self, name: &LinkName) {
        self.links.remove(name);
        self.links.retain(|_, link| link.macvtap.is_none() || link.lower.as_ref() != Some(name));
        for link in self.links.values_mut().filter(|link| link.master.as_ref() == Some(name)) {
            (link.master, link.port) = (None, None);
        }
        self.routes.retain(|route| route.link.as_ref() != Some(name));
        self.forwards.retain(|forward| forward.port != *name);
        self.counters.remove(name);
    }

    fn rename(&mut self, old: &LinkName, new: &LinkName) -> Result<(), LinkError> {
        let mut link = self.link(old)?.clone();
        link.name = new.clone();
        self.links.remove(old);
        self.links.insert(new.clone(), link);
        let named = self.links.values_mut().flat_map(|link| [&mut link.master, &mut link.lower]);
        let routed = self.routes.iter_mut().map(|route| &mut route.link);
        for name in named.chain(routed).flatten().filter(|name| *name == old) {
            *name = new.clone();
        }
        for forward in self.forwards.iter_mut().filter(|forward| forward.port == *old) {
            forward.port = new.clone();
        }
        Ok(())
    }
}

fn refused(name: &LinkName, step: String, errno: Errno) -> LinkError {
    LinkError::Refused { name: name.clone(), step, source: KernelError::from(errno) }
}

fn refused_route(route: &Route, step: &'static str, errno: Errno) -> LinkError {
    LinkError::Route { route: route.to_string(), step, source: KernelError::from(errno) }
}

fn changed(old: &Bridge, new: &Bridge) -> Bridge {
    Bridge {
        mac: new.mac.or(old.mac),
        stp: new.stp.or(old.stp),
        forward_delay_ms: new.forward_delay_ms.or(old.forward_delay_ms),
        ageing_s: new.ageing_s.or(old.ageing_s),
        nf_call_iptables: new.nf_call_iptables.or(old.nf_call_iptables),
        nf_call_ip6tables: new.nf_call_ip6tables.or(old.nf_call_ip6tables),
        vlan_filtering: new.vlan_filtering.or(old.vlan_filtering),
    }
}

fn apply(port: &mut Port, options: &PortOptions) {
    *port = Port {
        isolated: options.isolated.unwrap_or(port.isolated),
        hairpin: options.hairpin.unwrap_or(port.hairpin),
        learning: options.learning.unwrap_or(port.learning),
        unicast_flood: options.unicast_flood.unwrap_or(port.unicast_flood),
        cost: options.cost.unwrap_or(port.cost),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> LinkName {
        LinkName::new(text).unwrap()
    }

    fn with_bridge() -> FakeLinks {
        let links = FakeLinks::with_hardware(&[&name("eth0")]);
        links.create(&name("br"), &NewLink::Bridge(Bridge::default())).unwrap();
        links.create(&name("vnet0"), &NewLink::Tap(Default::default())).unwrap();
        links.change(&name("vnet0"), &Change::Master(Some(name("br")))).unwrap();
        links
    }

    #[test]
    fn the_nth_change_fails_once_and_changes_nothing() {
        let links = with_bridge();
        links.fail_at(2);
        links.change(&name("br"), &Change::Up).unwrap();
        let error = links.change(&name("br"), &Change::Mtu(9000)).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'br' can't be given an MTU of 9000");
        assert!(matches!(error, LinkError::Refused { source, .. } if source.is(Errno::IO)));
        assert_eq!(links.find(&name("br")).unwrap().unwrap().mtu, MTU);
        links.change(&name("br"), &Change::Mtu(9000)).unwrap();
        assert_eq!(links.find(&name("br")).unwrap().unwrap().mtu, 9000);
        let last = links.done().split_off(3);
        assert_eq!(last, ["br: set up", "br: given an MTU of 9000", "br: given an MTU of 9000"]);
    }

    #[test]
    fn what_hangs_on_a_link_goes_with_it() {
        let links = with_bridge();
        let mac = Mac([2, 0, 0, 0, 0, 9]);
        links.add_forward(&name("vnet0"), mac).unwrap();
        assert_eq!(links.forwards(&name("br")).unwrap().len(), 1);
        let network = IpAddr::from([10, 0, 0, 0]);
        let route =
            Route { destination: network, prefix: 8, gateway: None, link: Some(name("br")), metric: None };
        links.add_route(&route).unwrap();
        links.delete(&name("br")).unwrap();
        assert!(links.routes().unwrap().is_empty());
        let port = links.find(&name("vnet0")).unwrap().unwrap();
        assert_eq!((port.master, port.port), (None, None));
        links.create(&name("one"), &NewLink::Veth { peer: name("other") }).unwrap();
        links.delete(&name("other")).unwrap();
        let left: Vec<_> = links.list().unwrap().into_iter().map(|link| link.name).collect();
        assert_eq!(left, [name("eth0"), name("vnet0")]);
    }

    #[test]
    fn names_follow_a_rename_and_the_kernels_rules_hold() {
        let links = with_bridge();
        links.change(&name("br"), &Change::Name(name("virbr0"))).unwrap();
        assert_eq!(links.find(&name("vnet0")).unwrap().unwrap().master, Some(name("virbr0")));
        assert!(matches!(links.delete(&name("br")), Err(LinkError::Missing { .. })));
        let taken = links.create(&name("eth0"), &NewLink::Ifb);
        assert!(matches!(taken, Err(LinkError::Exists { .. })));
        assert!(links.change(&name("vnet0"), &Change::Master(Some(name("eth0")))).is_err());
        assert!(links.change(&name("eth0"), &Change::Port(PortOptions::MANAGED)).is_err());
        let address = Address::new(IpAddr::from([10, 0, 0, 1]), 24);
        links.add_address(&name("eth0"), &address).unwrap();
        assert!(links.add_address(&name("eth0"), &address).is_err());
        links.remove_address(&name("eth0"), address.ip, 24).unwrap();
        assert!(links.remove_address(&name("eth0"), address.ip, 24).is_err());
    }
}
