//! Pools, volumes and clones in a session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::question::fields;
use super::records::{record, words};
use crate::bindings::exports::reeve::hooks::{clone_name, storage_events, volume_create};
use crate::bindings::reeve::storage::{pools, volumes};
use crate::exports::{NewVolume, Question};

record!(Space = pools::Space { capacity: u64, allocation: u64, available: u64 });
record!(
    Volume = volumes::Volume {
        name: String,
        pool: String,
        key: String,
        path: String,
        format: String,
        capacity: u64,
        allocation: u64,
        backing: Option<String>,
        created: Option<u64>,
        complete: bool,
    }
);
words!(
    StorageChange = storage_events::StorageChange {
        Defined,
        Undefined,
        Built,
        Updated,
        Started,
        Stopped,
        Deleted,
        Refreshed,
        LowSpace,
        VolumeCreated,
        VolumeDeleted,
        VolumeResized,
        VolumeWiped,
        VolumeWritten,
    }
);
record!(
    StorageEvent =
        storage_events::StorageEvent { uuid: String, name: String, change: StorageChange, detail: String }
);
words!(Cloned = clone_name::Cloned { Domain, Volume });
record!(
    CloneRequest = clone_name::CloneRequest {
        kind: Cloned,
        source: String,
        pool: Option<String>,
        taken: Vec<String>,
    }
);

/// A pool, field by field as the contract has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Pool {
    uuid: String,
    name: String,
    kind: String,
    active: bool,
    persistent: bool,
    autostart: bool,
    path: Option<String>,
    space: Option<Space>,
    volumes: u32,
}

impl From<pools::Pool> for Pool {
    fn from(pool: pools::Pool) -> Self {
        let pools::Pool { uuid, name, kind, active, persistent, autostart, path, space, volumes } = pool;
        let space = space.map(Space::from);
        Self { uuid, name, kind, active, persistent, autostart, path, space, volumes }
    }
}

impl From<Pool> for pools::Pool {
    fn from(pool: Pool) -> Self {
        let Pool { uuid, name, kind, active, persistent, autostart, path, space, volumes } = pool;
        let space = space.map(pools::Space::from);
        Self { uuid, name, kind, active, persistent, autostart, path, space, volumes }
    }
}

/// What a guard wants changed, e.g. `{"name": "a"}`; what is not there stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct VolumeChanges {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capacity: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allocation: Option<u64>,
}

impl From<volume_create::VolumeChanges> for VolumeChanges {
    fn from(changes: volume_create::VolumeChanges) -> Self {
        let volume_create::VolumeChanges { name, capacity, allocation } = changes;
        Self { name, capacity, allocation }
    }
}

/// Question of `pool-start`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfPool {
    pool: Pool,
    #[serde(default)]
    xml: String,
}

/// Question of `volume-create`: the rest of the plan is in the document.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfNewVolume {
    pool: Pool,
    xml: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capacity: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Volume>,
}

/// Question of `volume-resize` and `volume-delete`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfVolume {
    pool: Pool,
    volume: Volume,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    capacity: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfEvent {
    event: StorageEvent,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct OfClone {
    clone: CloneRequest,
}

pub(super) fn write_pool(pool: &pools::Pool, xml: &str) -> serde_json::Result<Value> {
    serde_json::to_value(OfPool { pool: pool.clone().into(), xml: xml.to_owned() })
}

pub(super) fn write_new_volume(volume: &NewVolume) -> serde_json::Result<Value> {
    serde_json::to_value(OfNewVolume {
        pool: volume.pool.clone().into(),
        xml: reeve_xml::volume::format(&volume.config),
        capacity: volume.capacity,
        source: volume.source.clone().map(Into::into),
    })
}

pub(super) fn write_volume(
    pool: &pools::Pool,
    volume: &volumes::Volume,
    capacity: Option<u64>,
) -> serde_json::Result<Value> {
    serde_json::to_value(OfVolume { pool: pool.clone().into(), volume: volume.clone().into(), capacity })
}

pub(super) fn write_event(event: &storage_events::StorageEvent) -> serde_json::Result<Value> {
    serde_json::to_value(OfEvent { event: event.clone().into() })
}

pub(super) fn write_clone(request: &clone_name::CloneRequest) -> serde_json::Result<Value> {
    serde_json::to_value(OfClone { clone: request.clone().into() })
}

pub(super) fn read_pool(question: &Value) -> Result<Question, String> {
    let OfPool { pool, xml } = fields(question)?;
    Ok(Question::Pool { pool: pool.into(), xml })
}

pub(super) fn read_new_volume(question: &Value) -> Result<Question, String> {
    let OfNewVolume { pool, xml, capacity, source } = fields(question)?;
    let parsed = reeve_xml::volume::parse(&xml, &reeve_xml::ParseOptions::default());
    let config = parsed.map_err(|error| format!("the document is wrong: {error}"))?.document;
    let (pool, source) = (pool.into(), source.map(Into::into));
    Ok(Question::NewVolume(Box::new(NewVolume { pool, config: Arc::new(config), capacity, source })))
}

pub(super) fn read_volume(question: &Value, resizes: bool) -> Result<Question, String> {
    let OfVolume { pool, volume, capacity } = fields(question)?;
    if capacity.is_some() != resizes {
        return Err(
            "'capacity' is what a volume gets in volume-resize, and not there in volume-delete".to_owned()
        );
    }
    Ok(Question::Volume { pool: pool.into(), volume: volume.into(), capacity })
}

pub(super) fn read_event(question: &Value) -> Result<Question, String> {
    Ok(Question::StorageEvent(fields::<OfEvent>(question)?.event.into()))
}

pub(super) fn read_clone(question: &Value) -> Result<Question, String> {
    Ok(Question::Clone(fields::<OfClone>(question)?.clone.into()))
}
