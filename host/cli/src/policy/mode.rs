//! `reeve policy mode`.

use clap::Args;
use reeve_model::policy::PolicyMode;

use super::Done;
use crate::context::Context;

/// Options of `reeve policy mode`.
#[derive(Debug, Args)]
#[command(after_help = "\
  monitor   it is asked and logged, and its answer changes nothing
  enforce   its answer counts

Example:
  reeve policy mode admission monitor")]
pub struct Mode {
    /// Name of the policy
    policy: String,
    /// monitor or enforce
    #[arg(value_parser = parse)]
    mode: PolicyMode,
}

impl Mode {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let info = context.client.set_policy_mode(&self.policy, self.mode).await?;
        let participle = match self.mode {
            PolicyMode::Monitor => "only monitors now",
            PolicyMode::Enforce => "enforces now",
        };
        context.show(&Done { info, participle })
    }
}

/// Reads a mode.
pub(crate) fn parse(word: &str) -> Result<PolicyMode, String> {
    match word {
        "monitor" => Ok(PolicyMode::Monitor),
        "enforce" => Ok(PolicyMode::Enforce),
        _ => Err("a mode is 'monitor' or 'enforce'".to_owned()),
    }
}
