//! The way of a host from a filter to rules: resolve the tree, ask the shipped policy `packet-filter`, check what it proposes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use reeve_actions::policy_port::{FilterRequest, PolicyPort};
use reeve_filter::{Binding, Interface, Limits, Resolved, check, resolve};
use reeve_model::filter::{FilterConfig, FilterReference, FilterSubject, Ruleset};
use reeve_model::{Actor, MacAddress};
use reeve_sys::link::LinkName;
use serde_json::json;
use uuid::Uuid;

use super::traffic::BRIDGE;
use crate::areas::host::{Host, component};

/// The filter of every interface here.
const FILTER: &str = "clean-traffic";
/// A guest with one interface.
pub struct Tenant {
    /// Its place among the others.
    pub number: u32,
    /// Its link on the host.
    pub link: String,
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its address.
    pub ip: Ipv4Addr,
}

impl Tenant {
    /// The guest number `number`, below 65,000.
    pub fn new(number: u32) -> Self {
        let [_, _, high, low] = number.to_be_bytes();
        Self {
            number,
            link: format!("vnet{number}"),
            mac: MacAddress([0x52, 0x54, 0, 1, high, low]),
            ip: Ipv4Addr::new(10, 1, high, low),
        }
    }
}

/// An engine with the policy, and the filters.
pub struct Maker {
    host: Host,
    filters: Mutex<BTreeMap<String, Arc<FilterConfig>>>,
}

impl Maker {
    /// With the filters that ship.
    pub async fn start() -> Result<Self> {
        let host = Host::start().await?;
        let policy = component("policies/packet-filter.wasm")?;
        host.load("packet-filter", &policy, &[], json!({})).await?;
        let maker = Self { host, filters: Mutex::default() };
        for (_, document) in reeve_filter::shipped::shipped() {
            maker.define(document)?;
        }
        Ok(maker)
    }

    /// Takes in a filter, in the place of one with its name.
    pub fn define(&self, document: &str) -> Result<()> {
        let filter = reeve_xml::filter::parse(document, &reeve_xml::ParseOptions::default())?.document;
        self.filters().insert(filter.name.clone(), Arc::new(filter));
        Ok(())
    }

    /// The filter of an interface with all it refers to.
    pub fn tree(&self, tenant: &Tenant) -> Result<Resolved> {
        let reference = FilterReference { filter: FILTER.to_owned(), parameters: Vec::new() };
        let interface = Interface { mac: tenant.mac, addresses: vec![IpAddr::V4(tenant.ip)] };
        let filters = self.filters();
        Ok(resolve(&reference, &interface, &|name: &str| filters.get(name).cloned())?)
    }

    /// What the policy makes of it.
    pub async fn propose(&self, tenant: &Tenant, resolved: Resolved) -> Result<Ruleset> {
        let subject = FilterSubject {
            domain: Uuid::from_u128(u128::from(tenant.number)),
            domain_name: format!("guest-{}", tenant.number),
            link: tenant.link.clone(),
            mac: tenant.mac,
            addresses: vec![IpAddr::V4(tenant.ip)],
        };
        let request =
            FilterRequest { actor: Actor::Daemon, subject: Arc::new(subject), tree: Arc::new(resolved.tree) };
        self.host.engine.propose_filter(request).await?.context("the policy 'packet-filter' must answer")
    }

    /// What an interface is bound to.
    pub async fn binding(&self, tenant: &Tenant) -> Result<Binding> {
        let resolved = self.tree(tenant)?;
        let filters = resolved.names.clone();
        let rules = self.propose(tenant, resolved).await?;
        Ok(Binding {
            link: LinkName::new(tenant.link.as_str())?,
            bridge: Some(LinkName::new(BRIDGE)?),
            addresses: vec![IpAddr::V4(tenant.ip)],
            filters,
            rules: Arc::new(check(rules, &Limits::default())?),
        })
    }

    fn filters(&self) -> MutexGuard<'_, BTreeMap<String, Arc<FilterConfig>>> {
        self.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
