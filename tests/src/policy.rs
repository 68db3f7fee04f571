//! The built policies: those that ship (scripts/) and those that misbehave (tests/policies).

use std::path::PathBuf;

use anyhow::Context as _;

use crate::command::binary;

/// What the test policy `witness` imports.
pub const WITNESS_GRANTS: [&str; 16] = [
    "domain:read",
    "domain:start",
    "domain:shutdown",
    "domain:destroy",
    "domain:suspend",
    "domain:configure",
    "node:read",
    "kv:use",
    "network:read",
    "pool:read",
    "volume:read",
    "volume:create",
    "volume:change",
    "volume:delete",
    "volume:download",
    "volume:rewrite",
];

/// The component of a shipped policy, e.g. `naming`.
pub fn policy(name: &str) -> anyhow::Result<PathBuf> {
    built("policies", name)
}

/// The component of a policy that only tests load, e.g. `hostile`.
pub fn test_policy(name: &str) -> anyhow::Result<PathBuf> {
    built("test-policies", name)
}

fn built(directory: &str, name: &str) -> anyhow::Result<PathBuf> {
    let binary = binary()?;
    let target = binary.ancestors().nth(2).context("the binary is in target/PROFILE/")?;
    let component = target.join(directory).join(format!("{name}.wasm"));
    component
        .metadata()
        .with_context(|| format!("{} is missing; 'cargo xtask policies' builds it", component.display()))?;
    Ok(component)
}
