//! The shipped policies, and one that misbehaves, in a real daemon: loaded as an operator loads them, seen by their effects.

mod admission;
mod contract;
mod grants;
mod hostile;
mod journal;
mod ksm_tuner;
mod life;
mod mac_allocator;
mod naming;
mod observe;
mod sessions;
mod sim;
mod tasks;
mod versions;

use std::path::Path;
use std::time::Duration;

use reeve_tests::{Daemon, Run};
use serde_json::Value;
use sim::Sim;

type Outcome = anyhow::Result<()>;

/// How long an effect that nobody waits for may take; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// `reeve policy load FILE` with grants, a configuration and more options.
fn load(
    daemon: &Daemon,
    component: &Path,
    grants: &[&str],
    config: &str,
    options: &[&str],
) -> anyhow::Result<Run> {
    let component = component.to_string_lossy();
    let mut arguments = vec!["policy", "load", &component, "--config", config];
    arguments.extend(grants.iter().flat_map(|grant| ["--grant", grant]));
    arguments.extend(options);
    daemon.reeve(&arguments)
}

/// Rows of the decision log, oldest first.
fn decisions(daemon: &Daemon, filter: &[&str]) -> anyhow::Result<Vec<Value>> {
    let arguments = [&["policy", "decisions", "-o", "json"], filter].concat();
    Ok(serde_json::from_str(&daemon.reeve(&arguments)?.ok())?)
}

fn start(daemon: &Daemon, name: &str) -> anyhow::Result<Run> {
    daemon.reeve(&["domain", "start", name])
}

fn destroy(daemon: &Daemon, name: &str) -> anyhow::Result<Run> {
    daemon.reeve(&["domain", "destroy", name])
}

fn xml(daemon: &Daemon, name: &str) -> anyhow::Result<String> {
    Ok(daemon.reeve(&["domain", "xml", name])?.ok())
}

fn state(daemon: &Daemon, name: &str) -> anyhow::Result<String> {
    Ok(daemon.reeve(&["domain", "state", name])?.ok().trim_end().to_owned())
}

/// What `reeve node info` says.
fn node(daemon: &Daemon) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&daemon.reeve(&["node", "info", "-o", "json"])?.ok())?)
}
