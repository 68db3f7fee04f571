//! `reeve:storage/volumes`: the volumes of running pools, to read and, where a hook may change something, to change.

use std::sync::Arc;

use reeve_actions::policy_port::VolumeView;
use reeve_model::{Bytes, Error, ErrorCode, Verb};
use serde_json::Value;
use tracing::Instrument as _;
use wasmtime::component::{HasSelf, Linker};

use super::pools::unknown;
use crate::bindings::reeve::storage::volumes;
use crate::bindings::reeve::types::errors;
use crate::call::{Answered, CallState, contract_error};
use crate::outside::Outside;
use crate::services::VolumeAction;
use crate::session::bytes;

/// The most bytes of one write.
const PIECE: usize = 1 << 20;

/// The contract's form of a volume.
pub(crate) fn contract_volume(view: &VolumeView) -> volumes::Volume {
    let VolumeView { summary, created, complete } = view;
    volumes::Volume {
        name: summary.name.clone(),
        pool: summary.pool.clone(),
        key: summary.key.clone(),
        path: summary.path.clone(),
        format: summary.format.clone(),
        capacity: summary.capacity.0,
        allocation: summary.allocation.0,
        backing: summary.backing.clone(),
        created: *created,
        complete: *complete,
    }
}

impl CallState {
    /// A pool outside of the grant is as one that does not exist.
    fn in_reach(&self, verb: Verb, pool: &str) -> Result<(), errors::Error> {
        if self.permits(verb, pool) { Ok(()) } else { Err(contract_error(&unknown(pool))) }
    }

    /// Runs a verb on the daemon's runtime, so that it ends as it should when the policy is cut off meanwhile.
    async fn change_volume(
        &mut self,
        (function, verb): (&'static str, Verb),
        pool: String,
        arguments: Vec<Value>,
        action: VolumeAction,
    ) -> Answered<Option<volumes::Volume>> {
        self.count()?;
        let actor = match self.actor(verb, &pool) {
            Ok(actor) => actor,
            Err(denied) => return Ok(Err(denied)),
        };
        let Outside { services, daemon, .. } = self.outside.clone();
        let named = Value::from(pool.clone());
        let change = async move { services.change_volume(actor, &pool, action).await };
        let live = async move {
            match daemon.spawn(change.in_current_span()).await {
                Ok(Ok(changed)) => Ok(changed.as_ref().map(contract_volume)),
                Ok(Err(error)) => Err(contract_error(&error)),
                Err(_) => Err(contract_error(&Error::new(
                    ErrorCode::Internal,
                    format!("'{verb}' ended without an answer"),
                ))),
            }
        };
        let arguments = || std::iter::once(named).chain(arguments).collect();
        self.witness_async(function, arguments, live).await
    }
}

/// The volume that a change made.
fn made(changed: Result<Option<volumes::Volume>, errors::Error>) -> Result<volumes::Volume, errors::Error> {
    let nothing = || Error::new(ErrorCode::Internal, "the volume can't be looked at any more");
    changed.and_then(|volume| volume.ok_or_else(|| contract_error(&nothing())))
}

impl volumes::Host for CallState {
    async fn list(&mut self, pool: String) -> Answered<Vec<volumes::Volume>> {
        self.count()?;
        let (services, readable) =
            (Arc::clone(&self.outside.services), self.in_reach(Verb::VolumeRead, &pool));
        let asked = pool.clone();
        let arguments = || vec![Value::from(pool)];
        self.witness_async("reeve:storage/volumes.list", arguments, async move {
            readable?;
            let all = services.volumes(&asked).await.map_err(|error| contract_error(&error))?;
            Ok(all.iter().map(contract_volume).collect::<Vec<_>>())
        })
        .await
    }

    async fn get(&mut self, pool: String, name: String) -> Answered<volumes::Volume> {
        self.count()?;
        let (services, readable) =
            (Arc::clone(&self.outside.services), self.in_reach(Verb::VolumeRead, &pool));
        let (home, asked) = (pool.clone(), name.clone());
        let arguments = || vec![Value::from(pool), Value::from(name)];
        self.witness_async("reeve:storage/volumes.get", arguments, async move {
            readable?;
            let found = services.volume(&home, &asked).await;
            found.map(|view| contract_volume(&view)).map_err(|error| contract_error(&error))
        })
        .await
    }

    async fn create(&mut self, pool: String, volume: volumes::NewVolume) -> Answered<volumes::Volume> {
        let volumes::NewVolume { name, capacity, allocation, format } = volume;
        let arguments = vec![
            Value::from(name.clone()),
            Value::from(capacity),
            Value::from(allocation),
            Value::from(format.clone()),
        ];
        let (capacity, allocation) = (Bytes(capacity), allocation.map(Bytes));
        let action = VolumeAction::Create { name, capacity, allocation, format };
        let function = ("reeve:storage/volumes.create", Verb::VolumeCreate);
        Ok(made(self.change_volume(function, pool, arguments, action).await?))
    }

    async fn copy(&mut self, pool: String, source: String, name: String) -> Answered<volumes::Volume> {
        if let Err(denied) = self.in_reach(Verb::VolumeDownload, &pool) {
            self.count()?;
            return Ok(Err(denied));
        }
        let arguments = vec![Value::from(source.clone()), Value::from(name.clone())];
        let action = VolumeAction::Copy { source, name };
        let function = ("reeve:storage/volumes.copy", Verb::VolumeCreate);
        Ok(made(self.change_volume(function, pool, arguments, action).await?))
    }

    async fn resize(
        &mut self,
        pool: String,
        name: String,
        capacity: u64,
        shrink: bool,
    ) -> Answered<volumes::Volume> {
        let arguments = vec![Value::from(name.clone()), Value::from(capacity), Value::from(shrink)];
        let action = VolumeAction::Resize { name, capacity: Bytes(capacity), shrink };
        let function = ("reeve:storage/volumes.resize", Verb::VolumeChange);
        Ok(made(self.change_volume(function, pool, arguments, action).await?))
    }

    async fn delete(&mut self, pool: String, name: String) -> Answered<()> {
        let (arguments, action) = (vec![Value::from(name.clone())], VolumeAction::Delete { name });
        let function = ("reeve:storage/volumes.delete", Verb::VolumeDelete);
        Ok(self.change_volume(function, pool, arguments, action).await?.map(drop))
    }

    async fn read(&mut self, pool: String, name: String, offset: u64, length: u32) -> Answered<Vec<u8>> {
        self.count()?;
        let (services, readable) =
            (Arc::clone(&self.outside.services), self.in_reach(Verb::VolumeDownload, &pool));
        let (home, asked) = (pool.clone(), name.clone());
        let arguments =
            || vec![Value::from(pool), Value::from(name), Value::from(offset), Value::from(length)];
        self.witness_async("reeve:storage/volumes.read", arguments, async move {
            readable?;
            let read = services.read_volume(&home, &asked, offset, u64::from(length)).await;
            read.map_err(|error| contract_error(&error))
        })
        .await
    }

    async fn write(&mut self, pool: String, name: String, offset: u64, data: Vec<u8>) -> Answered<()> {
        if data.len() > PIECE {
            self.count()?;
            let message = format!("{} bytes are too many for one write, {PIECE} are the most", data.len());
            return Ok(Err(contract_error(&Error::new(ErrorCode::Invalid, message))));
        }
        let arguments = vec![Value::from(name.clone()), Value::from(offset), bytes(&data)];
        let action = VolumeAction::Write { name, offset, data };
        let function = ("reeve:storage/volumes.write", Verb::VolumeChange);
        Ok(self.change_volume(function, pool, arguments, action).await?.map(drop))
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    volumes::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
