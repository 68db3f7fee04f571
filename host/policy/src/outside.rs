//! What lies outside a call: the host's services, the values a policy keeps, and the runtime that verbs run on. A daemon has the
//! real ones; offline they are small stand-ins, and a replayed call never gets to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reeve_model::Error;
use reeve_store::Store;
use tokio::runtime::Handle;

use crate::logs::PolicyLogs;
use crate::services::Services;

/// The outside of one call.
#[derive(Clone)]
pub(crate) struct Outside {
    pub(crate) services: Arc<dyn Services>,
    pub(crate) values: Values,
    /// The daemon's runtime, for verbs: they must end even when the policy that asked is cut off.
    pub(crate) daemon: Handle,
    /// Where lines of policies are kept; none offline.
    pub(crate) logs: Option<Arc<PolicyLogs>>,
    /// Milliseconds since the Unix epoch, where time does not pass by itself: in a simulation.
    pub(crate) time: Option<u64>,
}

/// Values that outlive a call, each policy its own.
#[derive(Clone)]
pub(crate) enum Values {
    /// In the daemon's database.
    Kept(Store),
    /// In memory, for one policy: offline.
    InMemory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>),
}

impl Values {
    /// The value of a key.
    pub(crate) fn get(&self, policy: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Kept(store) => Ok(store.kv_get(policy, key)?),
            Self::InMemory(values) => Ok(lock(values).get(key).cloned()),
        }
    }

    /// Sets a value.
    pub(crate) fn set(&self, policy: &str, key: &str, value: &[u8]) -> Result<(), Error> {
        match self {
            Self::Kept(store) => Ok(store.kv_set(policy, key, value)?),
            Self::InMemory(values) => {
                lock(values).insert(key.to_owned(), value.to_owned());
                Ok(())
            }
        }
    }

    /// Removes a key; true when it was there.
    pub(crate) fn delete(&self, policy: &str, key: &str) -> Result<bool, Error> {
        match self {
            Self::Kept(store) => Ok(store.kv_delete(policy, key)?),
            Self::InMemory(values) => Ok(lock(values).remove(key).is_some()),
        }
    }

    /// Keys that begin with `prefix`, in byte order, at most `limit`.
    pub(crate) fn keys(&self, policy: &str, prefix: &str, limit: u32) -> Result<Vec<String>, Error> {
        match self {
            Self::Kept(store) => Ok(store.kv_keys(policy, prefix, limit)?),
            Self::InMemory(values) => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let values = lock(values);
                Ok(values.keys().filter(|key| key.starts_with(prefix)).take(limit).cloned().collect())
            }
        }
    }

    /// Bytes of all keys and values.
    pub(crate) fn usage(&self, policy: &str) -> Result<u64, Error> {
        match self {
            Self::Kept(store) => Ok(store.kv_usage(policy)?),
            Self::InMemory(values) => {
                Ok(lock(values).iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
            }
        }
    }
}

fn lock<T>(values: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    values.lock().unwrap_or_else(PoisonError::into_inner)
}
