//! Packet filters are defined, replaced and removed. A filter that is replaced changes the rules of every running interface that refers
//! to it, in one transaction; where one of them can't have the new rules, nothing changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use reeve_model::event::{EventKind, FilterChange};
use reeve_model::filter::{DefinedFilter, FilterConfig, FilterEntry};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::FilterRow;

use super::rules::{self, ATTEMPTS, Wanted};
use crate::{Actions, document};

impl Actions {
    /// Adds a packet filter, or replaces the one with its name.
    pub async fn define_filter(
        &self,
        actor: &Actor,
        xml: &str,
        strict: bool,
    ) -> Result<DefinedFilter, Error> {
        let (mut config, mut warnings) = document::parse_filter(xml, strict)?;
        self.authorize(actor, Verb::FilterDefine, &config.filter.name)?;
        let _changing = self.networking.changing.lock().await;
        let filters = self.networking.records().filters.clone();
        if let Some(old) = filters.get(&config.filter.name) {
            // A document without an identity is that of the filter with its name.
            if !config.has_uuid {
                config.filter.uuid = old.uuid;
            }
            if old.uuid != config.filter.uuid {
                let (name, uuid) = (&old.name, old.uuid);
                let message = format!("a packet filter named '{name}' exists already, with UUID {uuid}");
                let hint = format!("write <uuid>{uuid}</uuid> to change that filter");
                return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint));
            }
        }
        let taken = filters.values().find(|other| other.uuid == config.filter.uuid);
        if let Some(other) = taken.filter(|other| other.name != config.filter.name) {
            let message = format!("UUID {} belongs to packet filter '{}'", other.uuid, other.name);
            return Err(
                Error::new(ErrorCode::AlreadyExists, message).with_hint("take <uuid> out to have one made")
            );
        }
        let filter = Arc::new(config.filter);
        let invalid = |why: String| {
            Error::new(ErrorCode::Invalid, format!("packet filter '{}' is not valid: {why}", filter.name))
        };
        filter.check().map_err(|broken| invalid(broken.to_string()))?;
        let mut wanted = filters;
        wanted.insert(filter.name.clone(), Arc::clone(&filter));
        let lookup = |name: &str| wanted.get(name).cloned();
        reeve_filter::check_definition(&filter, &lookup).map_err(|looped| invalid(looped.to_string()))?;
        warnings.extend(missing(&filter, &wanted));
        self.replace_filters(actor, &filter, wanted).await?;
        self.tell_filter(actor, &filter, FilterChange::Defined);
        Ok(DefinedFilter { filter: self.filter_summary(&filter), warnings })
    }

    /// Removes a packet filter that no interface and no other filter refers to.
    pub async fn undefine_filter(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        let _changing = self.networking.changing.lock().await;
        let filter = self.filter(actor, Verb::FilterUndefine, key)?;
        let name = filter.name.clone();
        let in_use = |by: String, hint: &str| {
            let message = format!("packet filter '{name}' is in use by {by}");
            Err(Error::new(ErrorCode::WrongState, message).with_hint(hint))
        };
        let links = self.networking.bindings.dependents(&name);
        if let Some(link) = links.first() {
            return in_use(
                format!("interface '{link}'"),
                "stop its domain, or give the interface another filter",
            );
        }
        let referring = {
            let records = self.networking.records();
            let other = records.filters.values().find(|other| refers_to(other, &name));
            other.map(|other| other.name.clone())
        };
        if let Some(other) = referring {
            return in_use(format!("packet filter '{other}'"), "take the reference out of it first");
        }
        let uuid = filter.uuid;
        self.store(move |store| store.remove_filter(uuid)).await?;
        {
            let mut records = self.networking.records();
            records.filters.remove(&name);
            records.filters_changed += 1;
        }
        self.tell_filter(actor, &filter, FilterChange::Undefined);
        Ok(())
    }

    /// Puts the rules that `wanted` gives into force on every interface that refers to `filter`, and keeps the filter.
    async fn replace_filters(
        &self,
        actor: &Actor,
        filter: &Arc<FilterConfig>,
        wanted: BTreeMap<String, Arc<FilterConfig>>,
    ) -> Result<(), Error> {
        let mut bound = self.wanted_of(actor, &filter.name, &wanted).await?;
        let row =
            FilterRow { uuid: filter.uuid, name: filter.name.clone(), xml: document::format_filter(filter) };
        let old = self.networking.records().filters.get(&filter.name).cloned();
        self.store(move |store| store.put_filter(&row)).await?;
        let mut applied = self.apply(&bound, None).await;
        for _ in 1..ATTEMPTS {
            if !matches!(applied, Ok(false)) {
                break;
            }
            // A guest has other addresses now.
            applied = match self.wanted_of(actor, &filter.name, &wanted).await {
                Ok(again) => {
                    bound = again;
                    self.apply(&bound, None).await
                }
                Err(error) => Err(error),
            };
        }
        let applied = applied.and_then(|done| done.then_some(()).ok_or_else(rules::restless));
        if let Err(error) = applied {
            let uuid = filter.uuid;
            self.store(move |store| match old {
                Some(old) => {
                    let xml = document::format_filter(&old);
                    store.put_filter(&FilterRow { uuid, name: old.name.clone(), xml })
                }
                None => store.remove_filter(uuid).map(drop),
            })
            .await?;
            return Err(error);
        }
        {
            let mut records = self.networking.records();
            records.filters.insert(filter.name.clone(), Arc::clone(filter));
            records.filters_changed += 1;
        }
        self.finish_filter(actor, filter, &bound).await;
        Ok(())
    }

    /// What is left to do for interfaces when a filter is defined: nothing of it takes the definition back.
    async fn finish_filter(&self, actor: &Actor, filter: &FilterConfig, bound: &[Wanted]) {
        let watched = self.watch_all(bound).await;
        // Plugged meanwhile, by the old definition.
        let others = self.ports_of_filter(&filter.name).into_iter().map(|plugged| plugged.key());
        let others: Vec<_> = others.filter(|key| bound.iter().all(|one| one.key != *key)).collect();
        let renewed = self.renew_rules(actor, &others).await;
        if let Err(error) = watched.and(renewed) {
            tracing::error!(filter = filter.name, %error, "an interface is not yet as its redefined filter wants it");
        }
    }

    /// What interfaces that refer to a filter are to have by the filters of `wanted`.
    async fn wanted_of(
        &self,
        actor: &Actor,
        name: &str,
        wanted: &BTreeMap<String, Arc<FilterConfig>>,
    ) -> Result<Vec<Wanted>, Error> {
        let touched = self.ports_of_filter(name);
        let mut all = Vec::with_capacity(touched.len());
        for plugged in &touched {
            all.extend(self.wanted(actor, plugged, wanted, false).await?);
        }
        Ok(all)
    }

    pub(crate) fn tell_filter(&self, actor: &Actor, filter: &FilterConfig, change: FilterChange) {
        let (uuid, name) = (filter.uuid, filter.name.clone());
        self.bus.publish(actor.clone(), EventKind::Filter { uuid, name, change });
    }
}

/// A warning for every filter that is referred to and not there yet.
fn missing(filter: &FilterConfig, all: &BTreeMap<String, Arc<FilterConfig>>) -> Vec<String> {
    references(filter)
        .filter(|name| !all.contains_key(*name))
        .map(|name| format!("it refers to packet filter '{name}', which does not exist yet"))
        .collect()
}

fn refers_to(filter: &FilterConfig, name: &str) -> bool {
    references(filter).any(|other| other == name)
}

fn references(filter: &FilterConfig) -> impl Iterator<Item = &str> {
    filter.entries.iter().filter_map(|entry| match entry {
        FilterEntry::Reference(reference) => Some(reference.filter.as_str()),
        FilterEntry::Rule(_) => None,
    })
}
