//! A policy engine with a store and an event bus of its own, and the question that areas ask it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use reeve_actions::policy_port::{GuardRequest, GuardVerdict, LoadRequest, PolicyAdmin, PolicyPort};
use reeve_events::Bus;
use reeve_model::domain::DomainConfig;
use reeve_model::policy::Hook;
use reeve_model::{Actor, DomainState};
use reeve_policy::{Machine, PolicyConfig, PolicyEngine};
use reeve_store::Store;
use serde_json::Value;
use tempfile::TempDir;

use crate::samples::Samples;

/// Grants of the shipped policy `naming`.
pub const NAMING_GRANTS: [&str; 1] = ["domain:rewrite path=devices"];

/// Grants of the hostile test policy: what it imports must be granted, or it is not even linked.
pub const HOSTILE_GRANTS: [&str; 5] =
    ["domain:read", "domain:start", "domain:rewrite path=devices.disks", "kv:use", "node.ksm:write"];

/// The engine; its store goes when this goes.
pub struct Host {
    /// The engine.
    pub engine: Arc<PolicyEngine>,
    /// Its events.
    pub bus: Bus,
    _directory: TempDir,
}

impl Host {
    /// An engine without policies that answers what it is asked.
    pub async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = Store::open(directory.path())?;
        let bus = Bus::new(4096);
        let engine = PolicyEngine::start(PolicyConfig::default(), store, bus.clone()).await?;
        Ok(Self { engine, bus, _directory: directory })
    }

    /// The same, and it follows its events.
    pub async fn attached() -> Result<Self> {
        let host = Self::start().await?;
        host.engine.attach(Arc::new(Machine::default()));
        Ok(host)
    }

    /// Loads a component under a name.
    pub async fn load(&self, name: &str, component: &[u8], grants: &[&str], config: Value) -> Result<()> {
        let request = LoadRequest {
            component: component.to_vec(),
            name: Some(name.to_owned()),
            grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
            config: Some(config),
            ..LoadRequest::default()
        };
        self.engine.load(request).await?;
        Ok(())
    }
}

/// A component that `cargo xtask policies` built: `policies/naming.wasm`, `test-policies/hostile.wasm`.
pub fn component(file: &str) -> Result<Vec<u8>> {
    let program = std::env::current_exe()?;
    let target: PathBuf =
        program.ancestors().nth(2).context("the bench must be run from target/<profile>/")?.to_owned();
    let path = target.join(file);
    std::fs::read(&path)
        .with_context(|| format!("{} is missing; 'cargo xtask policies' builds it", path.display()))
}

/// A question to a guard about `config`.
pub fn request(config: &Arc<DomainConfig>, hook: Hook) -> GuardRequest {
    GuardRequest {
        hook,
        actor: Actor::Daemon,
        state: DomainState::ShutOff,
        config: Arc::clone(config),
        device: None,
        forced: false,
    }
}

/// Asks about `config` so many times and keeps how long each took; every answer must be an allow.
pub async fn guard_times(
    engine: &PolicyEngine,
    config: &Arc<DomainConfig>,
    runs: usize,
    times: &mut Samples,
) -> Result<()> {
    for _ in 0..runs {
        let request = request(config, Hook::DomainDefine);
        let before = Instant::now();
        let verdict = engine.guard(request).await;
        times.add(before.elapsed());
        ensure!(matches!(verdict, GuardVerdict::Allow { .. }), "the policy must allow: {verdict:?}");
    }
    Ok(())
}
