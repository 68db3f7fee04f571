//! Verbs on packet filters (guide 18.12.11.3), and the rules that they become.

mod define;
mod learning;
mod rules;

use std::sync::Arc;

use reeve_model::filter::{FilterConfig, FilterSummary};
use reeve_model::{Actor, Error, ErrorCode, Verb};

use crate::{Actions, document};

pub(crate) use learning::{News, StoreLeases};
pub(crate) use rules::{ATTEMPTS, Wanted, restless};

impl Actions {
    /// All packet filters that `actor` may see, by name.
    pub fn filters(&self, actor: &Actor) -> Result<Vec<FilterSummary>, Error> {
        if !matches!(actor, Actor::Policy { .. }) {
            self.authorize(actor, Verb::FilterRead, "")?;
        }
        let filters: Vec<Arc<FilterConfig>> = self.networking.records().filters.values().cloned().collect();
        let seen =
            filters.iter().filter(|filter| self.authorize(actor, Verb::FilterRead, &filter.name).is_ok());
        Ok(seen.map(|filter| self.filter_summary(filter)).collect())
    }

    /// The document of a packet filter.
    pub fn filter_xml(&self, actor: &Actor, key: &str) -> Result<String, Error> {
        self.filter(actor, Verb::FilterRead, key).map(|filter| document::format_filter(&filter))
    }

    /// The filter with this name or UUID, if `actor` may use `verb` on it.
    fn filter(&self, actor: &Actor, verb: Verb, key: &str) -> Result<Arc<FilterConfig>, Error> {
        let found = self.networking.records().filter(key).cloned();
        let Some(filter) = found else {
            self.authorize(actor, verb, key)?;
            let message = format!("packet filter '{key}' does not exist");
            let hint = "'reeve nwfilter list' shows all packet filters";
            return Err(Error::new(ErrorCode::NotFound, message).with_hint(hint));
        };
        self.authorize(actor, verb, &filter.name)?;
        Ok(filter)
    }

    pub(crate) fn filter_summary(&self, filter: &FilterConfig) -> FilterSummary {
        let bindings = self.networking.bindings.dependents(&filter.name).len();
        FilterSummary {
            uuid: filter.uuid,
            name: filter.name.clone(),
            chain: filter.chain.clone(),
            bindings: u32::try_from(bindings).unwrap_or(u32::MAX),
        }
    }
}
