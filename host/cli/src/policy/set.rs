//! `reeve policy set`.

use clap::Args;
use reeve_model::policy::{BreakerSettings, FailureMode, PolicySettings};

use super::Done;
use crate::context::Context;

/// Options of `reeve policy set`.
#[derive(Debug, Args)]
#[command(after_help = "\
What a failure of the policy means:
  closed    guards deny, proposals are refused, tuners change nothing
  open      guards allow, loudly
  previous  the last good version answers guards and proposals in its place; where there is none, closed

Examples:
  reeve policy set admission --on-failure previous
  reeve policy set naming --order 20 --breaker 3/10")]
pub struct Set {
    /// Name of the policy
    policy: String,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Settings {
    /// What a failure means: closed, open or previous
    #[arg(long, value_name = "MODE", value_parser = failure_mode)]
    on_failure: Option<FailureMode>,
    /// Position in its chains, lowest first
    #[arg(long, allow_negative_numbers = true)]
    order: Option<i32>,
    /// When the circuit breaker stops it, e.g. 5/60: after five failures within 60 seconds
    #[arg(long, value_name = "FAILURES/SECONDS")]
    breaker: Option<BreakerSettings>,
}

impl Set {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Settings { on_failure, order, breaker } = self.settings;
        let settings = PolicySettings { on_failure, order, breaker, ..PolicySettings::default() };
        let info = context.client.set_policy(&self.policy, &settings).await?;
        context.show(&Done { info, participle: "has its settings" })
    }
}

/// Reads what a failure means.
pub(crate) fn failure_mode(word: &str) -> Result<FailureMode, String> {
    FailureMode::parse(word).ok_or_else(|| "a failure means 'closed', 'open' or 'previous'".to_owned())
}
