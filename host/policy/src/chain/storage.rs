//! Guards of storage: pools that start, volumes that are made, resized and deleted. Only the document of a new volume is rewritten.

use std::sync::Arc;

use reeve_actions::policy_port::{Denial, StorageGuard, StorageQuestion};
use reeve_model::policy::{Hook, PathChange};
use reeve_model::storage::VolumeConfig;
use reeve_model::{Bytes, Verb};

use super::{About, Chain, Document, Step, missing};
use crate::asked::Occasion;
use crate::bindings::exports::reeve::hooks::volume_create::{VolumeChanges, VolumePlan};
use crate::exports::{NewVolume, Question};
use crate::failure::{Failure, shorten};
use crate::grants::Grants;
use crate::host::pools::contract_pool;
use crate::host::volumes::contract_volume;
use crate::shared::Shared;

const MESSAGE_LIMIT: usize = 1024;

/// Asks the chain of a guard of storage; the document of a new volume where somebody rewrote it.
pub(crate) async fn guard(
    shared: &Shared,
    request: StorageGuard,
) -> Result<Option<Arc<VolumeConfig>>, Denial> {
    let StorageGuard { actor, pool, question } = request;
    let of_pool = |volume: &str| format!("{}/{volume}", pool.name);
    let (hook, subject) = match &question {
        StorageQuestion::Start { .. } => (Hook::PoolStart, pool.name.clone()),
        StorageQuestion::Create { config, .. } => (Hook::VolumeCreate, of_pool(&config.name)),
        StorageQuestion::Resize { volume, .. } => (Hook::VolumeResize, of_pool(&volume.summary.name)),
        StorageQuestion::Delete { volume } => (Hook::VolumeDelete, of_pool(&volume.summary.name)),
    };
    if let Some(denial) = missing(shared, hook) {
        return Err(denial);
    }
    let bindings = shared.registry.answering(hook);
    if bindings.is_empty() {
        return Ok(None);
    }
    let pool = contract_pool(&pool);
    let (about, mut document) = match question {
        StorageQuestion::Start { xml } => (Question::Pool { pool, xml }, None),
        StorageQuestion::Create { config, capacity, source } => {
            let source = source.as_ref().map(contract_volume);
            let capacity = capacity.map(|capacity| capacity.0);
            let volume = NewVolume { pool, config: Arc::clone(&config), capacity, source };
            (Question::NewVolume(Box::new(volume)), Some(Document::Volume(config)))
        }
        StorageQuestion::Resize { volume, capacity } => {
            let volume = contract_volume(&volume);
            (Question::Volume { pool, volume, capacity: Some(capacity.0) }, None)
        }
        StorageQuestion::Delete { volume } => {
            (Question::Volume { pool, volume: contract_volume(&volume), capacity: None }, None)
        }
    };
    let occasion = Occasion::new(shared, hook, actor, subject);
    let chain = Chain { shared, occasion, about: About::Storage(Box::new(about)) };
    let mut rewritten = None;
    for (binding, active) in bindings {
        match chain.ask(&binding, &active, document.as_ref()).await {
            Step::Allow => {}
            Step::Deny(reason) => return Err(Denial { policy: active.name.clone(), reason }),
            Step::Rewrite(Document::Volume(config), _) => {
                document = Some(Document::Volume(Arc::clone(&config)));
                rewritten = Some(config);
            }
            Step::Rewrite(Document::Domain(_), _) => {}
        }
    }
    Ok(rewritten)
}

/// What a guard is told of a volume that is about to be made.
pub(crate) fn plan(volume: &NewVolume) -> VolumePlan {
    let config = &volume.config;
    VolumePlan {
        name: config.name.clone(),
        capacity: config.capacity.map(|capacity| capacity.0).or(volume.capacity),
        allocation: config.allocation.map(|allocation| allocation.0),
        format: config.target.format.clone(),
        backing: config.backing.as_ref().map(|backing| backing.path.clone()),
        source: volume.source.clone(),
        xml: reeve_xml::volume::format(config),
    }
}

/// The document after a rewrite, and what that changed; every field that changed must be granted, and the result be a document that an
/// operator could have written.
pub(crate) fn rewrite(
    config: &VolumeConfig,
    changes: VolumeChanges,
    grants: &Grants,
) -> Result<(VolumeConfig, Vec<PathChange>), Failure> {
    let mut rewritten = config.clone();
    let mut changed = Vec::new();
    let mut note = |path: &str, before: Option<String>, after: Option<String>| {
        if before != after {
            changed.push(PathChange { path: path.to_owned(), before, after });
        }
    };
    let text = |name: &str| serde_json::to_string(name).ok();
    let size = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0.to_string());
    if let Some(name) = changes.name {
        note("name", text(&config.name), text(&name));
        rewritten.name = name;
    }
    if let Some(capacity) = changes.capacity {
        rewritten.capacity = Some(Bytes(capacity));
        note("capacity", size(config.capacity), size(rewritten.capacity));
    }
    if let Some(allocation) = changes.allocation {
        rewritten.allocation = Some(Bytes(allocation));
        note("allocation", size(config.allocation), size(rewritten.allocation));
    }
    if let Some(change) = changed.iter().find(|change| !grants.permits(Verb::VolumeRewrite, &change.path)) {
        let path = &change.path;
        let why = format!("it rewrites '{path}', which its grants of 'volume:rewrite' do not cover");
        return Err(Failure::Refused(why));
    }
    rewritten.check().map_err(|broken| {
        let broken = shorten(&broken.to_string(), MESSAGE_LIMIT);
        Failure::Refused(format!("its rewrite makes no volume: {broken}"))
    })?;
    Ok((rewritten, changed))
}

#[cfg(test)]
mod tests {
    use reeve_model::policy::WantedGrant;

    use super::*;

    #[test]
    fn a_rewrite_changes_what_is_granted_and_no_more() {
        let wants = [WantedGrant { grant: "volume:rewrite path=name".into(), reason: String::new() }];
        let grants = Grants::new(&wants, &["volume:rewrite".to_owned()]).unwrap();
        let config = VolumeConfig::new("a", Bytes(7));
        let none = VolumeChanges { name: None, capacity: None, allocation: None };
        let named = |name: &str| VolumeChanges { name: Some(name.to_owned()), ..none.clone() };
        let (rewritten, changes) = rewrite(&config, named("b"), &grants).unwrap();
        assert_eq!((rewritten.name.as_str(), changes.len()), ("b", 1));
        assert_eq!(changes[0].before.as_deref(), Some("\"a\""));
        assert!(rewrite(&config, named("a"), &grants).unwrap().1.is_empty());
        let refused = |changes| rewrite(&config, changes, &grants).unwrap_err().to_string();
        assert!(refused(named("../b")).contains("makes no volume"));
        let larger = VolumeChanges { capacity: Some(8), ..none.clone() };
        assert!(refused(larger).contains("it rewrites 'capacity', which its grants"));
        let same = VolumeChanges { capacity: Some(7), ..none };
        assert!(rewrite(&config, same, &grants).unwrap().1.is_empty());
    }
}
