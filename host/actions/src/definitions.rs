//! The set of definitions: on disk and in the registry, changed together.
//!
//! Every change is one transaction of the store and then one of the registry, under one lock and on a thread that may block,
//! so it runs to its end even when the client that asked for it hangs up. A daemon that dies in between has done it: the next
//! one loads what is on disk.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reeve_domain::{DomainError, Domains, Turn};
use reeve_model::domain::DomainConfig;
use reeve_model::{Actor, Error, ErrorCode};
use reeve_store::{DomainRow, Store};
use uuid::Uuid;

use crate::document;
use crate::error::explain;

/// A definition that this version can't read.
#[derive(Debug, Clone)]
pub(crate) struct Unread {
    /// What is on disk.
    pub row: DomainRow,
    /// Why it can't.
    pub reason: String,
}

/// All definitions of the host. Its methods block for the time of an `fsync`.
pub(crate) struct Definitions {
    domains: Domains,
    store: Store,
    /// Makes a check and the change it allows one.
    changing: Mutex<()>,
    /// Those that are on disk alone.
    unread: Mutex<BTreeMap<Uuid, Unread>>,
}

impl Definitions {
    pub fn new(domains: Domains, store: Store) -> Self {
        Self { domains, store, changing: Mutex::default(), unread: Mutex::default() }
    }

    /// Adds or replaces a definition; `expected` is the digest of the document it replaces, none whatever there is.
    pub fn keep(&self, actor: &Actor, config: DomainConfig, expected: Option<&str>) -> Result<(), Error> {
        let _changing = self.lock();
        self.put(actor, config, expected)
    }

    /// Changes a definition, where there is one, as it is now: nothing that somebody else wrote meanwhile is lost.
    pub fn amend(
        &self,
        actor: &Actor,
        uuid: Uuid,
        change: impl FnOnce(&mut DomainConfig),
    ) -> Result<(), Error> {
        let _changing = self.lock();
        let Some(old) = self.domains.definition(uuid).map_err(explain)? else { return Ok(()) };
        let mut config = old.as_ref().clone();
        change(&mut config);
        match config == *old {
            true => Ok(()),
            false => self.put(actor, config, None),
        }
    }

    fn put(&self, actor: &Actor, config: DomainConfig, expected: Option<&str>) -> Result<(), Error> {
        self.check_identity(&config)?;
        let unread = self.unread_of(config.uuid);
        let old = self.domains.definition(config.uuid).ok().flatten();
        let old = old.map(|old| document::format(&old)).or_else(|| Some(unread.as_ref()?.row.xml.clone()));
        if let Some(expected) = expected
            && old.map(|old| document::digest(&old)).as_deref() != Some(expected)
        {
            return Err(changed(&config.name).with_hint("begin the edit again from the new document"));
        }
        let autostart = self.domains.snapshot(config.uuid).is_ok_and(|found| found.summary.autostart);
        let autostart = autostart || unread.is_some_and(|unread| unread.row.autostart);
        let (uuid, xml) = (config.uuid, document::format(&config));
        self.store.put_domain(&DomainRow { uuid, name: config.name.clone(), xml, autostart })?;
        lock(&self.unread).remove(&uuid);
        self.domains.define(actor, config).map_err(explain)?;
        if autostart {
            self.domains.set_autostart(actor, uuid, true).map_err(explain)?;
        }
        Ok(())
    }

    /// Notes one that could not be loaded.
    pub fn note_unread(&self, row: DomainRow, reason: String) {
        lock(&self.unread).insert(row.uuid, Unread { row, reason });
    }

    /// All that could not be loaded.
    pub fn unread(&self) -> Vec<Unread> {
        lock(&self.unread).values().cloned().collect()
    }

    /// The one with this name or UUID that could not be loaded.
    pub fn find_unread(&self, key: &str) -> Option<Unread> {
        let uuid = Uuid::try_parse(key).ok();
        let is_it = |unread: &&Unread| unread.row.name == key || Some(unread.row.uuid) == uuid;
        lock(&self.unread).values().find(is_it).cloned()
    }

    /// Whether the one of a domain could not be loaded.
    pub fn is_unread(&self, uuid: Uuid) -> bool {
        lock(&self.unread).contains_key(&uuid)
    }

    fn unread_of(&self, uuid: Uuid) -> Option<Unread> {
        lock(&self.unread).get(&uuid).cloned()
    }

    /// Neither name nor UUID are of another domain, be it loaded or on disk alone.
    pub fn check_identity(&self, config: &DomainConfig) -> Result<(), Error> {
        self.domains.check_identity(config).map_err(explain)?;
        self.check_unread(config)
    }

    /// Neither name nor UUID are of another one that could not be loaded.
    fn check_unread(&self, config: &DomainConfig) -> Result<(), Error> {
        for Unread { row: DomainRow { uuid, name, .. }, .. } in self.unread() {
            let taken = match (name == config.name, uuid == config.uuid) {
                (true, false) => DomainError::NameTaken { name, uuid },
                (false, true) => DomainError::UuidTaken { uuid, name },
                _ => continue,
            };
            return Err(explain(taken));
        }
        Ok(())
    }

    /// Removes one that could not be loaded. What somebody has mended meanwhile stays.
    pub fn remove_unread(&self, uuid: Uuid) -> Result<(), Error> {
        let _changing = self.lock();
        if self.unread_of(uuid).is_none() {
            return Err(changed(&uuid.to_string()).with_hint("look at it, and try again"));
        }
        self.store.remove_domain(uuid)?;
        lock(&self.unread).remove(&uuid);
        Ok(())
    }

    /// Keeps the definition of a domain, which was `before`, under the name that `config` has.
    pub fn rename(&self, turn: &Turn, before: &DomainConfig, config: DomainConfig) -> Result<(), Error> {
        let _changing = self.lock();
        // An edit needs no turn.
        let now = self.domains.definition(turn.uuid()).ok().flatten();
        if now.is_none_or(|now| *now != *before) {
            return Err(changed(turn.name()).with_hint("try again"));
        }
        let missing = || explain(DomainError::NotFound(turn.name().to_owned()));
        let row = self.store.domain(turn.uuid())?.ok_or_else(missing)?;
        self.check_unread(&config)?;
        let xml = document::format(&config);
        self.store.put_domain(&DomainRow { name: config.name.clone(), xml, ..row.clone() })?;
        let renamed = self.domains.rename(turn, config).map_err(explain);
        if renamed.is_err() {
            self.store.put_domain(&row)?;
        }
        renamed
    }

    /// Removes a definition, be it loaded or on disk alone.
    pub fn remove(&self, actor: &Actor, uuid: Uuid) -> Result<(), Error> {
        let _changing = self.lock();
        if self.is_unread(uuid) {
            self.store.remove_domain(uuid)?;
            lock(&self.unread).remove(&uuid);
            return Ok(());
        }
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
        lock(&self.changing)
    }
}

fn changed(domain: &str) -> Error {
    let message = format!("the definition of domain '{domain}' was changed by somebody else meanwhile");
    Error::new(ErrorCode::Busy, message)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
