//! From the filter of an interface to rules in the kernel: resolve the tree, ask the filter policy, check what it proposes, apply.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use reeve_filter::{Binding, Limits};
use reeve_model::filter::{FilterConfig, FilterSubject};
use reeve_model::policy::Hook;
use reeve_model::{Actor, Error, ErrorCode, MacAddress};
use reeve_sys::link::LinkName;
use uuid::Uuid;

use crate::Actions;
use crate::networking::Plugged;
use crate::policy_port::FilterRequest;

/// How often filters may change while rules are made.
const ATTEMPTS: usize = 3;

type Filters = BTreeMap<String, Arc<FilterConfig>>;

impl Actions {
    /// What an interface with a filter is bound to, by the filters of `filters`; nothing for one without.
    pub(crate) async fn binding(
        &self,
        actor: &Actor,
        plugged: &Plugged,
        filters: &Filters,
    ) -> Result<Option<Binding>, Error> {
        let Some(reference) = &plugged.port.filter else { return Ok(None) };
        let port = &plugged.port;
        let refused = |code, why: String| {
            let (link, domain) = (&port.link, &port.domain_name);
            Error::new(
                code,
                format!(
                    "interface '{link}' of domain '{domain}' can't be filtered by '{}': {why}",
                    reference.filter
                ),
            )
        };
        let link = LinkName::new(port.link.as_str())
            .map_err(|bad| refused(ErrorCode::Unsupported, bad.to_string()))?;
        let bridge = port.bridge().and_then(|bridge| LinkName::new(bridge).ok());
        if bridge.is_none() {
            let why = "only interfaces that are ports of a bridge can have a packet filter".to_owned();
            return Err(refused(ErrorCode::Unsupported, why));
        }
        let interface = reeve_filter::Interface { mac: port.mac, addresses: plugged.addresses.clone() };
        let lookup = |name: &str| filters.get(name).cloned();
        let resolved = reeve_filter::resolve(reference, &interface, &lookup)
            .map_err(|error| refused(ErrorCode::Invalid, error.to_string()))?;
        let addresses = own_addresses(&resolved.tree, &plugged.addresses);
        let subject = Arc::new(FilterSubject {
            domain: port.domain,
            domain_name: port.domain_name.clone(),
            link: port.link.clone(),
            mac: port.mac,
            addresses: addresses.clone(),
        });
        let tree = Arc::new(resolved.tree);
        let request = FilterRequest { actor: actor.clone(), subject, tree };
        let Some(rules) = self.policy.propose_filter(request).await? else {
            let why = format!("no policy answers the hook '{}'", Hook::FilterGenerate);
            let hint = "load the policy 'packet-filter', which ships with Reeve";
            return Err(refused(ErrorCode::Unsupported, why).with_hint(hint));
        };
        let rules = reeve_filter::check(rules, &Limits::default())
            .map_err(|error| refused(ErrorCode::Denied, error.to_string()))?;
        Ok(Some(Binding { link, bridge, addresses, filters: resolved.names, rules: Arc::new(rules) }))
    }

    /// Puts rules into force in one transaction.
    pub(crate) async fn apply(&self, bindings: Vec<Binding>) -> Result<(), Error> {
        if bindings.is_empty() {
            return Ok(());
        }
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || Ok(networking.bindings.apply_many(bindings)?)).await
    }

    /// Makes the rules of ports anew, from what is defined and known now, and puts them into force together.
    pub(crate) async fn renew_rules(&self, actor: &Actor, keys: &[(Uuid, MacAddress)]) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let (filters, changed, plugged) = {
                let records = self.networking.records();
                let plugged: Vec<Plugged> =
                    keys.iter().filter_map(|key| records.ports.get(key).cloned()).collect();
                (records.filters.clone(), records.filters_changed, plugged)
            };
            let mut bindings = Vec::with_capacity(plugged.len());
            for one in &plugged {
                bindings.extend(self.binding(actor, one, &filters).await?);
            }
            self.apply(bindings).await?;
            if self.networking.records().filters_changed == changed {
                return Ok(());
            }
        }
        Err(Error::new(ErrorCode::Busy, "packet filters are being redefined all the time"))
    }

    /// Ports whose rules were made from a filter.
    pub(crate) fn ports_of_filter(&self, filter: &str) -> Vec<Plugged> {
        let links = self.networking.bindings.dependents(filter);
        let records = self.networking.records();
        let touched = |plugged: &&Plugged| links.iter().any(|link| link.as_str() == plugged.port.link);
        records.ports.values().filter(touched).cloned().collect()
    }
}

/// Addresses of the guest: those that the document gives to the variable `IP`, else those that were learned.
fn own_addresses(tree: &reeve_model::filter::FilterTree, learned: &[IpAddr]) -> Vec<IpAddr> {
    let given = tree.filters.first().and_then(|root| root.variables.get("IP"));
    let given: Vec<IpAddr> = given.into_iter().flatten().filter_map(|address| address.parse().ok()).collect();
    if given.is_empty() { learned.to_vec() } else { given }
}
