//! Which interface has which rules, and how they come into force.
//!
//! Every change is one transaction of the kernel: packets see the old rules or the new ones. It writes the chains of the ports it is
//! about under new names, turns the entries of the shared maps to them, and deletes the old chains; other ports are not touched. When
//! nft refuses, nothing has changed, here or there.
//!
//! A binding knows its link by name only, so it can be in force before the link is there.

mod script;
mod state;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_model::{Error, ErrorCode};
use reeve_sys::link::LinkName;
use reeve_sys::nft::{Nft, NftError, NftFamily};

use crate::check::ValidRuleset;
use crate::compile::{BRIDGE_TABLE, CompileError, host_sets};
use state::State;

/// The rules of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its link on the host, there already or not.
    pub link: LinkName,
    /// The bridge that the link is a port of. Without it connections from the host and from routed networks are not counted.
    pub bridge: Option<LinkName>,
    /// Addresses of the guest that are known; what comes from the host or is routed is counted for these.
    pub addresses: Vec<IpAddr>,
    /// Names of all filters that the rules were made from.
    pub filters: BTreeSet<String>,
    /// The rules.
    pub rules: Arc<ValidRuleset>,
}

/// Rules could not be put into force or taken away; those before are in place.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A ruleset can't be compiled here.
    #[error("the packet filter of network interface '{link}' can't be had: {source}")]
    Compile {
        /// The link.
        link: LinkName,
        /// Why not.
        source: CompileError,
    },
    /// The name of a link has characters that nft reads otherwise.
    #[error(
        "network interface '{0}' can't have a packet filter: its name has other characters than letters, digits, '-', '_' and '.'"
    )]
    Link(LinkName),
    /// There are too many bindings.
    #[error("network interface '{link}' can't have a packet filter: {} have one already", u16::MAX)]
    Full {
        /// The link of the first that has no room.
        link: LinkName,
    },
    /// nft refused.
    #[error(transparent)]
    Nft(#[from] NftError),
}

impl From<BindError> for Error {
    fn from(error: BindError) -> Self {
        let code = match error {
            BindError::Compile { .. } | BindError::Link(_) => ErrorCode::Unsupported,
            BindError::Full { .. } => ErrorCode::Busy,
            BindError::Nft(_) => ErrorCode::Internal,
        };
        Self::caused(code, &error)
    }
}

/// All interfaces that have rules. Calls block until the kernel has them.
pub struct Bindings {
    nft: Arc<dyn Nft>,
    state: Mutex<State>,
}

impl Bindings {
    /// None yet. What an earlier daemon left is replaced whole by the first change or by [`Bindings::adopt`].
    pub fn new(nft: Arc<dyn Nft>) -> Self {
        Self { nft, state: Mutex::default() }
    }

    /// Puts the rules of an interface into force, in the place of those it has.
    pub fn bind(&self, binding: Binding) -> Result<(), BindError> {
        self.apply_many(vec![binding])
    }

    /// Puts the rules of many interfaces into force, all of them or none.
    pub fn apply_many(&self, bindings: Vec<Binding>) -> Result<(), BindError> {
        let mut state = self.state();
        let wanted = state.with(bindings)?;
        self.change(&mut state, wanted)
    }

    /// Takes the rules of interfaces away; those that have none are passed over.
    pub fn unbind(&self, links: &[LinkName]) -> Result<(), BindError> {
        let mut state = self.state();
        if !links.iter().any(|link| state.has(link)) {
            return Ok(());
        }
        let wanted = state.without(links);
        self.change(&mut state, wanted)
    }

    /// Makes these the only bindings, whatever is in the kernel: after a start of the daemon, or when others flushed the tables. Sets that
    /// the administrator made stay.
    pub fn adopt(&self, bindings: Vec<Binding>) -> Result<(), BindError> {
        let mut state = self.state();
        let wanted = state.without_all().with(bindings)?;
        self.replace(&mut state, wanted)
    }

    /// True while the kernel has rules of ours, from this daemon or an earlier one.
    pub fn has_tables(&self) -> Result<bool, BindError> {
        Ok(self.nft.list_table(NftFamily::Bridge, BRIDGE_TABLE)?.is_some())
    }

    /// The binding of an interface.
    pub fn get(&self, link: &LinkName) -> Option<Binding> {
        self.state().get(link)
    }

    /// Every interface that has rules, by name.
    pub fn links(&self) -> Vec<LinkName> {
        self.state().links(|_| true)
    }

    /// Interfaces whose rules were made from a filter, directly or through references.
    pub fn dependents(&self, filter: &str) -> Vec<LinkName> {
        self.state().links(|binding| binding.filters.contains(filter))
    }

    fn change(&self, state: &mut State, mut wanted: State) -> Result<(), BindError> {
        if !state.is_based() {
            return self.replace(state, wanted);
        }
        self.look(&mut wanted)?;
        let script = wanted.compile_from(state)?;
        match self.nft.apply(&script) {
            Ok(()) => {
                *state = wanted;
                Ok(())
            }
            // Somebody flushed all tables: everything that was in force is put back with the change.
            Err(NftError::Refused { .. })
                if self.nft.list_table(NftFamily::Bridge, BRIDGE_TABLE)?.is_none() =>
            {
                self.replace(state, wanted)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes both tables anew in one transaction.
    fn replace(&self, state: &mut State, mut wanted: State) -> Result<(), BindError> {
        if !state.is_based() {
            wanted.set_reject(self.can_reject()?);
        }
        self.look(&mut wanted)?;
        let listing = self.nft.list_table(NftFamily::Bridge, BRIDGE_TABLE)?;
        let script = wanted.compile_whole(listing.as_deref())?;
        self.nft.apply(&script)?;
        *state = wanted;
        Ok(())
    }

    /// Reads the administrator's sets where rules ask them.
    fn look(&self, wanted: &mut State) -> Result<(), BindError> {
        if wanted.asks_host_sets() {
            let listing = self.nft.list_table(NftFamily::Bridge, BRIDGE_TABLE)?;
            wanted.set_host_sets(host_sets(&listing.unwrap_or_default()));
        }
        Ok(())
    }

    /// Asks the kernel whether a bridge can reject.
    fn can_reject(&self) -> Result<bool, NftError> {
        match self.nft.apply(script::PROBE_REJECT) {
            Ok(()) => Ok(true),
            Err(NftError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A state is changed as a whole, after the kernel took it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
