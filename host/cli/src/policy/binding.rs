//! How a policy is bound, wherever its component comes from: options that `load` and `install` share.

use clap::Args;
use reeve_model::policy::{PolicyInfo, PolicyMode};
use serde_json::Value;

use super::{config, mode};
use crate::context::Context;

/// What is not said keeps its present value, or the default for a new policy.
#[derive(Debug, Args)]
pub struct Binding {
    /// Name to load it under [default: the one in its manifest]
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Whether its answers count
    #[arg(long, value_parser = mode::parse)]
    pub(super) mode: Option<PolicyMode>,
    /// Position in its chains, lowest first
    #[arg(long, allow_negative_numbers = true)]
    pub(super) order: Option<i32>,
    /// A grant to give, e.g. node.ksm:write; may be repeated
    #[arg(long = "grant", value_name = "GRANT")]
    pub(super) grants: Vec<String>,
    /// Configuration for it: JSON text, or @FILE
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
}

impl Binding {
    /// The configuration, read.
    pub(super) fn config(&self) -> anyhow::Result<Option<Value>> {
        self.config.as_deref().map(config::parse).transpose()
    }
}

/// Tells what the policy asks for and was not given.
pub(super) fn note_wanted(context: &Context, info: &PolicyInfo) {
    for wanted in info.wanted.iter().filter(|wanted| !info.granted.contains(&wanted.grant)) {
        context.note(&format!("note: '{}' would also use {}: {}", info.name, wanted.grant, wanted.reason));
    }
}
