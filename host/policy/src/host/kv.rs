//! `reeve:kv/store`: values that outlive a call, each policy its own.

use reeve_model::{Error, ErrorCode, Verb};
use serde_json::Value;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::kv::store;
use crate::bindings::reeve::types::errors;
use crate::call::{Answered, CallState, contract_error};
use crate::session::{self, Taped};

const KEY_LIMIT: usize = 256;
const KEYS_LIMIT: u32 = 1000;

fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > KEY_LIMIT {
        let message = format!("a key takes 1 to {KEY_LIMIT} bytes, this one has {}", key.len());
        return Err(Error::new(ErrorCode::Invalid, message));
    }
    Ok(())
}

impl CallState {
    fn stored<T>(
        &mut self,
        function: &'static str,
        arguments: impl FnOnce() -> Vec<Value>,
        action: impl FnOnce(&Self) -> Result<T, Error>,
    ) -> Answered<T>
    where
        Result<T, errors::Error>: Taped,
    {
        if let Err(denied) = self.check(Verb::KvUse) {
            return Ok(Err(denied));
        }
        self.witness(function, arguments, |state| action(state).map_err(|error| contract_error(&error)))
    }

    fn set_within_quota(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        check_key(key)?;
        let quota = self.active.grants.kv_quota().unwrap_or(0);
        let values = &self.outside.values;
        let replaced = values.get(self.policy(), key)?.map_or(0, |old| key.len() + old.len()) as u64;
        let used = values.usage(self.policy())?.saturating_sub(replaced);
        if used.saturating_add((key.len() + value.len()) as u64) > quota {
            let message =
                format!("policy '{}' may keep {quota} bytes, '{key}' would be too much", self.policy());
            return Err(Error::new(ErrorCode::Denied, message));
        }
        values.set(self.policy(), key, value)
    }
}

impl store::Host for CallState {
    fn get(&mut self, key: String) -> Answered<Option<Vec<u8>>> {
        self.count()?;
        let arguments = || vec![Value::from(key.as_str())];
        self.stored("reeve:kv/store.get", arguments, |state| {
            check_key(&key)?;
            state.outside.values.get(state.policy(), &key)
        })
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Answered<()> {
        self.count()?;
        self.meter.kv((key.len() + value.len()) as u64, &self.active.program.limits)?;
        let arguments = || vec![Value::from(key.as_str()), session::bytes(&value)];
        self.stored("reeve:kv/store.set", arguments, |state| state.set_within_quota(&key, &value))
    }

    fn delete(&mut self, key: String) -> Answered<bool> {
        self.count()?;
        let arguments = || vec![Value::from(key.as_str())];
        self.stored("reeve:kv/store.delete", arguments, |state| {
            check_key(&key)?;
            state.outside.values.delete(state.policy(), &key)
        })
    }

    fn keys(&mut self, prefix: String) -> Answered<Vec<String>> {
        self.count()?;
        let arguments = || vec![Value::from(prefix.as_str())];
        self.stored("reeve:kv/store.keys", arguments, |state| {
            state.outside.values.keys(state.policy(), &prefix, KEYS_LIMIT)
        })
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
