//! The set of definitions: on disk and in the registry, changed together.
//!
//! Every change is one transaction of the store and then one of the registry, under one lock and on a thread that may block,
//! so it runs to its end even when the client that asked for it hangs up. A daemon that dies in between has done it: the next
//! one loads what is on disk.

use std::sync::{Mutex, MutexGuard, PoisonError};

use reeve_domain::{DomainError, Domains, Turn};
use reeve_model::domain::DomainConfig;
use reeve_model::{Actor, Error, ErrorCode};
use reeve_store::{DomainRow, Store};
use uuid::Uuid;

use crate::document;
use crate::error::explain;

/// All definitions of the host. Its methods block for the time of an `fsync`.
pub(crate) struct Definitions {
    domains: Domains,
    store: Store,
    /// Makes a check and the change it allows one.
    changing: Mutex<()>,
}

impl Definitions {
    pub fn new(domains: Domains, store: Store) -> Self {
        Self { domains, store, changing: Mutex::default() }
    }

    /// Adds or replaces a definition; `expected` is the digest of the document it replaces, none whatever there is.
    pub fn keep(&self, actor: &Actor, config: DomainConfig, expected: Option<&str>) -> Result<(), Error> {
        let _changing = self.lock();
        self.domains.check_identity(&config).map_err(explain)?;
        let old = self.domains.definition(config.uuid).ok().flatten();
        if let Some(expected) = expected
            && old.map(|old| document::digest(&document::format(&old))).as_deref() != Some(expected)
        {
            let message =
                format!("the definition of domain '{}' was changed by somebody else meanwhile", config.name);
            return Err(
                Error::new(ErrorCode::Busy, message).with_hint("begin the edit again from the new document")
            );
        }
        let autostart = self.domains.snapshot(config.uuid).is_ok_and(|found| found.summary.autostart);
        let xml = document::format(&config);
        self.store.put_domain(&DomainRow { uuid: config.uuid, name: config.name.clone(), xml, autostart })?;
        self.domains.define(actor, config).map_err(explain)
    }

    /// Keeps the definition of a domain under the name that `config` has.
    pub fn rename(&self, turn: &Turn, config: DomainConfig) -> Result<(), Error> {
        let _changing = self.lock();
        let missing = || explain(DomainError::NotFound(turn.name().to_owned()));
        let row = self.store.domain(turn.uuid())?.ok_or_else(missing)?;
        let xml = document::format(&config);
        self.store.put_domain(&DomainRow { name: config.name.clone(), xml, ..row.clone() })?;
        let renamed = self.domains.rename(turn, config).map_err(explain);
        if renamed.is_err() {
            self.store.put_domain(&row)?;
        }
        renamed
    }

    /// Removes a definition.
    pub fn remove(&self, actor: &Actor, uuid: Uuid) -> Result<(), Error> {
        let _changing = self.lock();
        let row = self.store.domain(uuid)?;
        self.store.remove_domain(uuid)?;
        let removed = self.domains.undefine(actor, uuid).map_err(explain);
        if let (Err(_), Some(row)) = (&removed, row) {
            self.store.put_domain(&row)?;
        }
        removed
    }

    /// Whether the daemon starts a domain by itself.
    pub fn set_autostart(&self, actor: &Actor, uuid: Uuid, autostart: bool) -> Result<(), Error> {
        let _changing = self.lock();
        if let Some(row) = self.store.domain(uuid)? {
            self.store.put_domain(&DomainRow { autostart, ..row })?;
        }
        self.domains.set_autostart(actor, uuid, autostart).map_err(explain)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
