//! What is in force, and what a change makes of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use reeve_model::filter::Flow;
use reeve_sys::link::LinkName;

use super::script::{Element, Map, Script};
use super::{BindError, Binding};
use crate::compile::{Compiled, HostSets, Kernel, Owner, compile, marks, word};

/// All bindings as they are, or as they are to be. Cheap to copy: what a port has does not change but is replaced.
#[derive(Debug, Clone, Default)]
pub struct State {
    ports: BTreeMap<LinkName, Port>,
    kernel: Kernel,
    based: bool,
}

#[derive(Debug, Clone)]
struct Port {
    id: u16,
    generation: u64,
    binding: Arc<Binding>,
    /// None while it is only wanted.
    placed: Option<Arc<Placed>>,
}

/// What of the kernel's tables is a port's.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) chains: Vec<String>,
    pub(super) sets: Vec<String>,
    pub(super) maps: Vec<String>,
    /// Name and rules of the chains that count. They stay while their rules do, or connections would be forgotten.
    pub(super) counting: BTreeMap<Flow, (String, String)>,
    pub(super) elements: Vec<Element>,
}

impl State {
    pub(super) fn is_based(&self) -> bool {
        self.based
    }

    pub(super) fn set_reject(&mut self, reject: bool) {
        self.kernel.reject = reject;
    }

    pub(super) fn set_host_sets(&mut self, sets: HostSets) {
        self.kernel.host_sets = sets;
    }

    pub(super) fn asks_host_sets(&self) -> bool {
        self.ports.values().any(|port| port.binding.rules.host_sets().next().is_some())
    }

    pub(super) fn has(&self, link: &LinkName) -> bool {
        self.ports.contains_key(link)
    }

    pub(super) fn get(&self, link: &LinkName) -> Option<Binding> {
        self.ports.get(link).map(|port| Binding::clone(&port.binding))
    }

    pub(super) fn links(&self, wanted: impl Fn(&Binding) -> bool) -> Vec<LinkName> {
        self.ports.iter().filter(|(_, port)| wanted(&port.binding)).map(|(link, _)| link.clone()).collect()
    }

    /// The state with more or other bindings.
    pub(super) fn with(&self, bindings: Vec<Binding>) -> Result<Self, BindError> {
        let mut wanted = self.clone();
        let mut taken: BTreeSet<u16> = wanted.ports.values().map(|port| port.id).collect();
        let mut free = 1..=u16::MAX;
        for binding in bindings {
            let link = binding.link.clone();
            if !is_plain(&link) || binding.bridge.as_ref().is_some_and(|bridge| !is_plain(bridge)) {
                return Err(BindError::Link(link));
            }
            let (id, generation) = match wanted.ports.get(&link) {
                Some(port) => (port.id, port.generation + 1),
                None => {
                    let id = free.find(|id| taken.insert(*id));
                    (id.ok_or_else(|| BindError::Full { link: link.clone() })?, 1)
                }
            };
            wanted.ports.insert(link, Port { id, generation, binding: Arc::new(binding), placed: None });
        }
        Ok(wanted)
    }

    /// The state with fewer bindings.
    pub(super) fn without(&self, links: &[LinkName]) -> Self {
        let mut wanted = self.clone();
        wanted.ports.retain(|link, _| !links.contains(link));
        wanted
    }

    /// The state without any.
    pub(super) fn without_all(&self) -> Self {
        Self { ports: BTreeMap::new(), ..self.clone() }
    }

    /// Compiles what is new and says how to get there from what is in force.
    pub(super) fn compile_from(&mut self, old: &Self) -> Result<String, BindError> {
        let mut script = Script::default();
        self.place(old, &mut script)?;
        for (link, port) in &old.ports {
            let Some(before) = &port.placed else { continue };
            let now = self.ports.get(link).and_then(|port| port.placed.as_ref());
            if !now.is_some_and(|now| Arc::ptr_eq(now, before)) {
                script.remove(before, now.map(Arc::as_ref));
            }
        }
        Ok(script.finish())
    }

    /// Compiles everything and says how to get there from a table as nft lists it.
    pub(super) fn compile_whole(&mut self, listing: Option<&str>) -> Result<String, BindError> {
        for port in self.ports.values_mut() {
            port.placed = None;
        }
        let mut script = Script::whole(listing);
        self.place(&Self::default(), &mut script)?;
        self.based = true;
        Ok(script.finish())
    }

    fn place(&mut self, old: &Self, script: &mut Script) -> Result<(), BindError> {
        // Two guests on one bridge may claim one address; connections to it are counted for the first of them.
        let elements = self.ports.values().filter_map(|port| port.placed.as_ref()).flat_map(|p| &p.elements);
        let mut counted: HashSet<String> = elements
            .filter(|element| element.map.is_of_addresses())
            .map(|element| element.key.clone())
            .collect();
        for (link, port) in &mut self.ports {
            if port.placed.is_some() {
                continue;
            }
            let owner = Owner { port: port.id, generation: port.generation };
            let compiled = compile(&port.binding.rules, owner, &self.kernel)
                .map_err(|source| BindError::Compile { link: link.clone(), source })?;
            let before = old.ports.get(link).and_then(|port| port.placed.as_deref());
            let placed = placed(&port.binding, owner, compiled, before, script, &mut counted);
            script.add(&placed, before);
            port.placed = Some(Arc::new(placed));
        }
        Ok(())
    }
}

/// Names that mean nothing else to nft inside of quotes.
fn is_plain(link: &LinkName) -> bool {
    link.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn placed(
    binding: &Binding,
    owner: Owner,
    compiled: Compiled,
    before: Option<&Placed>,
    script: &mut Script,
    counted: &mut HashSet<String>,
) -> Placed {
    let link = format!("\"{}\"", binding.link);
    let mut elements = Vec::new();
    let mut element = |map, key: String, value: String| elements.push(Element { map, key, value });
    for ((layer, flow), chain) in &compiled.entries {
        element(Map::Dispatch(*layer, *flow), link.clone(), format!("goto {chain}"));
    }
    let mut counting = BTreeMap::new();
    for (flow, rules) in compiled.counting {
        let kept = before.and_then(|before| before.counting.get(&flow)).filter(|(_, old)| *old == rules);
        let name = match kept {
            Some((name, _)) => name.clone(),
            None => {
                let name = format!("p{}-{}-{}", owner.port, owner.generation, word(flow));
                script.counting(&name, flow, &rules);
                name
            }
        };
        let mark = format!("{:#010x}", marks::PORT | u32::from(owner.port));
        element(Map::Port(flow), link.clone(), mark.clone());
        element(Map::Count(flow), mark, format!("jump {name}"));
        let bridge = binding.bridge.as_ref().filter(|_| flow == Flow::In);
        for (bridge, address) in
            bridge.into_iter().flat_map(|bridge| binding.addresses.iter().map(move |a| (bridge, a)))
        {
            let map = if address.is_ipv4() { Map::CountIpv4 } else { Map::CountIpv6 };
            let key = format!("\"{bridge}\" . {}", canonical(*address));
            let ours = before.is_some_and(|before| before.elements.iter().any(|one| one.key == key));
            if counted.insert(key.clone()) || ours {
                element(map, key, format!("jump {name}"));
            }
        }
        counting.insert(flow, (name, rules));
    }
    script.chains(&compiled.bridge);
    let Compiled { chains, sets, maps, .. } = compiled;
    Placed { chains, sets, maps, counting, elements }
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
