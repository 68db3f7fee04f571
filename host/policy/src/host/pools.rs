//! `reeve:storage/pools`: the storage pools of this host, to read.

use std::sync::Arc;

use reeve_model::storage::PoolSummary;
use reeve_model::{Error, ErrorCode, Verb};
use serde_json::Value;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::storage::pools;
use crate::call::{Answered, CallState, contract_error};

/// The contract's form of a pool.
pub(crate) fn contract_pool(summary: &PoolSummary) -> pools::Pool {
    pools::Pool {
        uuid: summary.uuid.to_string(),
        name: summary.name.clone(),
        kind: summary.kind.as_str().to_owned(),
        active: summary.active,
        persistent: summary.persistent,
        autostart: summary.autostart,
        path: summary.path.clone(),
        space: summary.space.map(|space| pools::Space {
            capacity: space.capacity.0,
            allocation: space.allocation.0,
            available: space.available.0,
        }),
        volumes: summary.volumes,
    }
}

pub(super) fn unknown(name: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("storage pool '{name}' does not exist"))
}

impl pools::Host for CallState {
    async fn list(&mut self) -> Answered<Vec<pools::Pool>> {
        self.count()?;
        let (services, active) = (Arc::clone(&self.outside.services), Arc::clone(&self.active));
        self.witness_async("reeve:storage/pools.list", Vec::new, async move {
            let mut all = services.pools().await;
            all.retain(|summary| active.grants.permits(Verb::PoolRead, &summary.name));
            Ok(all.iter().map(contract_pool).collect::<Vec<_>>())
        })
        .await
    }

    async fn get(&mut self, name: String) -> Answered<pools::Pool> {
        self.count()?;
        // A name outside of the grant is as one that does not exist.
        let (services, readable) = (Arc::clone(&self.outside.services), self.permits(Verb::PoolRead, &name));
        let asked = name.clone();
        let arguments = || vec![Value::from(name)];
        self.witness_async("reeve:storage/pools.get", arguments, async move {
            let all = if readable { services.pools().await } else { Vec::new() };
            let found = all.iter().find(|summary| summary.name == asked);
            found.map(contract_pool).ok_or_else(|| contract_error(&unknown(&asked)))
        })
        .await
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    pools::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
