//! The built policies: those that ship (scripts/) and those that misbehave (tests/policies).

use std::path::PathBuf;

use anyhow::Context as _;

use crate::command::binary;

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
