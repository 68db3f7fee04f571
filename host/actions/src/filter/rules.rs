//! From the filter of an interface to rules in the kernel: resolve the tree, ask the filter policy, check what it proposes, apply.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use reeve_filter::{Binding, Interface, Limits, Resolved, ValidRuleset, Watch};
use reeve_model::filter::{FilterConfig, FilterReference, FilterSubject};
use reeve_model::policy::Hook;
use reeve_model::{Actor, Error, ErrorCode};
use reeve_sys::link::LinkName;

use crate::Actions;
use crate::networking::{Plugged, PortKey};
use crate::policy_port::FilterRequest;

/// How often filters and addresses may change while rules are made.
pub(crate) const ATTEMPTS: usize = 5;

type Filters = BTreeMap<String, Arc<FilterConfig>>;

/// What an interface with a filter is to have.
pub(crate) struct Wanted {
    /// The port and what was known of it.
    pub(crate) key: PortKey,
    pub(crate) revision: u64,
    /// Its rules.
    pub(crate) binding: Binding,
    /// How its address is found out, where the filter asks for one that nobody wrote down.
    pub(crate) watch: Option<Watch>,
}

/// A filter of an interface that can be asked a policy about.
struct Case<'a> {
    plugged: &'a Plugged,
    reference: &'a FilterReference,
    link: LinkName,
    bridge: LinkName,
    addresses: Vec<IpAddr>,
    resolved: Resolved,
    watch: Option<Watch>,
}

impl Case<'_> {
    fn refused(&self, code: ErrorCode, why: impl ToString) -> Error {
        refused(self.plugged, self.reference, code, why)
    }
}

fn refused(plugged: &Plugged, reference: &FilterReference, code: ErrorCode, why: impl ToString) -> Error {
    let (link, domain, filter) = (&plugged.port.link, &plugged.port.domain_name, &reference.filter);
    let why = why.to_string();
    Error::new(
        code,
        format!("interface '{link}' of domain '{domain}' can't be filtered by '{filter}': {why}"),
    )
}

impl Actions {
    /// What an interface is to have by the filters of `filters`; nothing for one without a filter.
    ///
    /// Where its address is still to be found out nothing passes but what finds it, and no policy is asked; unless it is plugged right
    /// now: what the policy would refuse is refused at once.
    pub(crate) async fn wanted(
        &self,
        actor: &Actor,
        plugged: &Plugged,
        filters: &Filters,
        is_new: bool,
    ) -> Result<Option<Wanted>, Error> {
        let Some(case) = self.case(plugged, filters)? else { return Ok(None) };
        let unknown = case.watch.as_ref().filter(|_| case.resolved.learning.is_some());
        let rules = match unknown {
            Some(watch) => {
                if is_new {
                    self.proposed(actor, &case).await?;
                }
                provisional(watch).map_err(|error| case.refused(ErrorCode::Internal, error))?
            }
            None => self.proposed(actor, &case).await?,
        };
        let Case { link, bridge, addresses, resolved, watch, .. } = case;
        let binding = Binding {
            link,
            bridge: Some(bridge),
            addresses,
            filters: resolved.names,
            rules: Arc::new(rules),
        };
        Ok(Some(Wanted { key: plugged.key(), revision: plugged.revision, binding, watch }))
    }

    /// How the address of an interface is to be found out; none where it is written down or not asked for.
    pub(crate) fn watch_of(&self, plugged: &Plugged, filters: &Filters) -> Result<Option<Watch>, Error> {
        Ok(self.case(plugged, filters)?.and_then(|case| case.watch))
    }

    fn case<'a>(&self, plugged: &'a Plugged, filters: &Filters) -> Result<Option<Case<'a>>, Error> {
        let Some(reference) = &plugged.port.filter else { return Ok(None) };
        let port = &plugged.port;
        let refused = |code, why: String| refused(plugged, reference, code, why);
        let link = LinkName::new(port.link.as_str())
            .map_err(|bad| refused(ErrorCode::Unsupported, bad.to_string()))?;
        let Some(bridge) = port.bridge().and_then(|bridge| LinkName::new(bridge).ok()) else {
            let why = "only interfaces that are ports of a bridge can have a packet filter".to_owned();
            return Err(refused(ErrorCode::Unsupported, why));
        };
        let resolve = |addresses: Vec<IpAddr>| {
            let interface = Interface { mac: port.mac, addresses };
            let lookup = |name: &str| filters.get(name).cloned();
            reeve_filter::resolve(reference, &interface, &lookup)
                .map_err(|error| refused(ErrorCode::Invalid, error.to_string()))
        };
        // Whether an address is asked for does not depend on whether it is known by now.
        let open = resolve(Vec::new())?;
        let watch = open.learning.map(|mode| Watch {
            link: link.clone(),
            mac: port.mac,
            mode,
            servers: open.dhcp_servers.clone(),
        });
        let known = self.networking.records().known(plugged, watch.as_ref());
        let resolved = if known.is_empty() { open } else { resolve(known.clone())? };
        let addresses = own_addresses(&resolved.tree, &known);
        Ok(Some(Case { plugged, reference, link, bridge, addresses, resolved, watch }))
    }

    /// The rules that the filter policy proposes, checked.
    async fn proposed(&self, actor: &Actor, case: &Case<'_>) -> Result<ValidRuleset, Error> {
        let port = &case.plugged.port;
        let subject = Arc::new(FilterSubject {
            domain: port.domain,
            domain_name: port.domain_name.clone(),
            link: port.link.clone(),
            mac: port.mac,
            addresses: case.addresses.clone(),
        });
        let tree = Arc::new(case.resolved.tree.clone());
        let request = FilterRequest { actor: actor.clone(), subject, tree };
        let Some(rules) = self.policy.propose_filter(request).await? else {
            let why = format!("no policy answers the hook '{}'", Hook::FilterGenerate);
            let hint = "load the policy 'packet-filter', which ships with Reeve";
            return Err(case.refused(ErrorCode::Unsupported, why).with_hint(hint));
        };
        reeve_filter::check(rules, &Limits::default()).map_err(|error| case.refused(ErrorCode::Denied, error))
    }

    /// Puts rules into force in one transaction. False, and nothing is changed, where they were made from what is not so any more: a port
    /// is gone or has other addresses, or filters changed since they were at `filters`.
    pub(crate) async fn apply(&self, wanted: &[Wanted], filters: Option<u64>) -> Result<bool, Error> {
        if wanted.is_empty() {
            return Ok(true);
        }
        let made: Vec<(PortKey, u64, Binding)> =
            wanted.iter().map(|one| (one.key, one.revision, one.binding.clone())).collect();
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || {
            let _changing = networking.rules();
            let stale = {
                let records = networking.records();
                let other = |(key, revision, _): &(PortKey, u64, Binding)| {
                    records.ports.get(key).is_none_or(|plugged| plugged.revision != *revision)
                };
                filters.is_some_and(|seen| seen != records.filters_changed) || made.iter().any(other)
            };
            if stale {
                return Ok(false);
            }
            networking.bindings.apply_many(made.into_iter().map(|(.., binding)| binding).collect())?;
            Ok(true)
        })
        .await
    }

    /// Makes the rules of ports anew, from what is defined and known now, and puts them into force together.
    pub(crate) async fn renew_rules(&self, actor: &Actor, keys: &[PortKey]) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let (filters, changed, plugged) = {
                let records = self.networking.records();
                let plugged: Vec<Plugged> =
                    keys.iter().filter_map(|key| records.ports.get(key).cloned()).collect();
                (records.filters.clone(), records.filters_changed, plugged)
            };
            let mut wanted = Vec::with_capacity(plugged.len());
            for one in &plugged {
                wanted.extend(self.wanted(actor, one, &filters, false).await?);
            }
            if self.apply(&wanted, Some(changed)).await? {
                return self.watch_all(&wanted).await;
            }
        }
        Err(restless())
    }

    /// Ports whose rules were made from a filter.
    pub(crate) fn ports_of_filter(&self, filter: &str) -> Vec<Plugged> {
        let links = self.networking.bindings.dependents(filter);
        let records = self.networking.records();
        let touched = |plugged: &&Plugged| links.iter().any(|link| link.as_str() == plugged.port.link);
        records.ports.values().filter(touched).cloned().collect()
    }
}

/// Whoever wants rules comes too late each time.
pub(crate) fn restless() -> Error {
    let message = "packet filters or addresses of guests change all the time";
    Error::new(ErrorCode::Busy, message).with_hint("try again")
}

/// Rules that let nothing pass but what finds out the address.
pub(crate) fn provisional(watch: &Watch) -> Result<ValidRuleset, reeve_filter::RulesetError> {
    reeve_filter::check(reeve_filter::provisional(watch.mac, &watch.servers), &Limits::default())
}

/// Addresses of the guest: those that the document gives to the variable `IP`, else those that are known.
fn own_addresses(tree: &reeve_model::filter::FilterTree, known: &[IpAddr]) -> Vec<IpAddr> {
    let given = tree.filters.first().and_then(|root| root.variables.get("IP"));
    let given: Vec<IpAddr> = given.into_iter().flatten().filter_map(|address| address.parse().ok()).collect();
    if given.is_empty() { known.to_vec() } else { given }
}
