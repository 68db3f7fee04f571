//! A policy engine with a store of its own.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use reeve_actions::policy_port::{LoadRequest, PolicyAdmin};
use reeve_events::Bus;
use reeve_policy::{PolicyConfig, PolicyEngine};
use reeve_store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The engine; its store goes when this goes.
pub struct Host {
    /// The engine.
    pub engine: Arc<PolicyEngine>,
    _directory: TempDir,
}

impl Host {
    /// An engine without policies.
    pub async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = Store::open(directory.path())?;
        let engine = PolicyEngine::start(PolicyConfig::default(), store, Bus::new(64)).await?;
        Ok(Self { engine, _directory: directory })
    }

    /// Loads the shipped policy `naming`, to watch names that begin with `web-` or `db-`.
    pub async fn load_naming(&self, name: &str) -> Result<()> {
        let grants =
            ["disks*", "memballoon*", "rngs*"].map(|path| format!("domain:rewrite path=devices.{path}"));
        self.load(name, "policies/naming.wasm", grants.to_vec(), json!({"prefixes": ["web-", "db-"]})).await
    }

    /// Loads the hostile test policy with an order for it.
    pub async fn load_hostile(&self, name: &str, order: Value) -> Result<()> {
        // What it imports must be granted, or it is not even linked.
        let grants =
            ["domain:read", "domain:start", "domain:rewrite path=devices.disks", "kv:use max-bytes=64KiB"];
        self.load(name, "test-policies/hostile.wasm", grants.map(str::to_owned).to_vec(), order).await
    }

    async fn load(&self, name: &str, file: &str, grants: Vec<String>, config: Value) -> Result<()> {
        let path = target_directory()?.join(file);
        let component = std::fs::read(&path)
            .with_context(|| format!("{} is missing; 'cargo xtask policies' builds it", path.display()))?;
        let request = LoadRequest {
            component,
            name: Some(name.to_owned()),
            grants,
            config: Some(config),
            ..LoadRequest::default()
        };
        self.engine.load(request).await?;
        Ok(())
    }
}

/// `target/`, two levels above this program (`target/release/reeve-bench`).
fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).context("the bench must be run from target/<profile>/")?;
    Ok(target.to_owned())
}
