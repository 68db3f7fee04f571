//! An audit: a guard is asked about every domain there is, and nothing comes of it. The policy reads the host as always; what it
//! writes to its key-value store is forgotten, and no decision is logged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reeve_model::policy::{BreakerSettings, FailureMode, Hook, PolicyMode};
use reeve_model::record::{AuditRequest, Audited};
use reeve_model::{Actor, Error, ErrorCode};
use tokio::sync::Semaphore;

use crate::asked::Occasion;
use crate::binding::Active;
use crate::exports::{Answer, Question};
use crate::grants::Grants;
use crate::host::domain_config::DomainView;
use crate::install::{Origin, config_text};
use crate::instance::{self, Ask, Stage};
use crate::loader::{self, LoadError, Program};
use crate::outside::{Outside, Values};
use crate::policy_engine::PolicyEngine;
use crate::replay::judge;
use crate::shared::Shared;
use crate::tape::Tape;

/// Guards that can be asked about a domain at any time, the usual one first.
const GUARDS: [Hook; 4] = [Hook::DomainDefine, Hook::DomainPrepare, Hook::DomainStart, Hook::DomainStop];

/// Keys of a policy's store that an audit sees.
const KEYS_LIMIT: u32 = 1000;

/// Asks about all domains, one after the other.
pub(crate) async fn audit(engine: &PolicyEngine, request: AuditRequest) -> Result<Vec<Audited>, Error> {
    let shared = &engine.shared;
    let wanted = request.hook;
    let active = match &request.policy {
        Some(name) => shared.registry.get(name)?.active(),
        None => unloaded(shared, request).await?,
    };
    let hook = guard(&active, wanted)?;
    let outside = Outside { values: values(shared, &active.name)?, ..shared.outside() };
    let turns = Semaphore::new(1);
    let mut rows = Vec::new();
    for summary in outside.services.domains().await {
        // It may have gone since the list was made.
        let Ok(found) = outside.services.domain(&summary.name).await else { continue };
        let state = found.summary.state;
        let config = Arc::new(found.config);
        let occasion = Occasion::new(shared, hook, Actor::Daemon, summary.name.clone());
        let question = || Question::Guard {
            domain: DomainView { config: Arc::clone(&config), state },
            device: None,
            forced: false,
        };
        let context = occasion.context(&active);
        let ask = Ask { hook, depth: 0, nested: false, context, question: question() };
        let limit = active.program.limits.deadline_for(hook);
        let stage = Stage { runtime: &shared.runtime, outside: outside.clone(), tape: Tape::Off, limit };
        let mut report = instance::run_on(stage, &active, &turns, ask).await;
        let answer = std::mem::replace(&mut report.answer, Ok(Answer::Told));
        let verdict = judge(hook, &active, &question(), answer);
        rows.push(Audited {
            domain: summary.name,
            state,
            hook,
            outcome: verdict.outcome,
            reason: verdict.reason,
            changes: verdict.changes,
        });
    }
    Ok(rows)
}

/// The guard to ask.
fn guard(active: &Active, wanted: Option<Hook>) -> Result<Hook, Error> {
    let name = &active.name;
    let found = match wanted {
        Some(hook) if !GUARDS.contains(&hook) => {
            let message = format!("hook '{hook}' cannot be asked about a domain as it is");
            let hint = "an audit takes domain-define, domain-prepare, domain-start or domain-stop";
            return Err(Error::new(ErrorCode::Invalid, message).with_hint(hint));
        }
        Some(hook) => Some(hook).filter(|hook| active.answers(*hook)),
        None => GUARDS.into_iter().find(|hook| active.answers(*hook)),
    };
    found.ok_or_else(|| {
        let what =
            wanted.map_or_else(|| "no guard of domains".to_owned(), |hook| format!("no hook '{hook}'"));
        Error::new(ErrorCode::Invalid, format!("policy '{name}' answers {what}"))
    })
}

/// A component as it would be if it were loaded.
async fn unloaded(shared: &Arc<Shared>, request: AuditRequest) -> Result<Arc<Active>, Error> {
    let AuditRequest { component: bytes, grants, config, .. } = request;
    let manifest = loader::manifest(&bytes)?;
    let name = manifest.name.clone();
    let grants = Grants::new(&manifest.wants, &grants)
        .map_err(|source| LoadError::Grant { policy: name.clone(), source })?;
    let (config, config_text) = config_text(&name, config.unwrap_or_default())?;
    let (compiler, policy, linked) = (Arc::clone(shared), name.clone(), grants.clone());
    let program = tokio::task::spawn_blocking(move || {
        let runtime = &compiler.runtime;
        let digest = loader::digest(&bytes);
        let component = runtime.compiler.component(&runtime.engine, &policy, &bytes, &digest)?;
        Program::link(runtime, &policy, manifest, digest, component, &linked)
    });
    let program = program.await.map_err(|error| {
        Error::new(ErrorCode::Internal, format!("policy '{name}' could not be compiled: {error}"))
    })??;
    let active = Arc::new(Active {
        name: name.clone(),
        program,
        grants,
        mode: PolicyMode::Monitor,
        on_failure: FailureMode::Closed,
        order: 0,
        enabled: true,
        breaker: BreakerSettings::default(),
        config,
        config_text,
        origin: Origin::Directory,
    });
    instance::smoke_run(&shared.runtime, shared.outside(), Arc::clone(&active))
        .await
        .map_err(|failure| LoadError::Smoke { policy: name, failure })?;
    Ok(active)
}

/// A copy of what the policy keeps.
fn values(shared: &Shared, policy: &str) -> Result<Values, Error> {
    let mut copy = BTreeMap::new();
    for key in shared.store.kv_keys(policy, "", KEYS_LIMIT)? {
        if let Some(value) = shared.store.kv_get(policy, &key)? {
            copy.insert(key, value);
        }
    }
    Ok(Values::InMemory(Arc::new(Mutex::new(copy))))
}
