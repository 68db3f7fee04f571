//! `reeve domain state` (guide 14.5.9, `domstate`).

use clap::Args;
use reeve_model::{DomainState, StateReason};
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve domain state`.
#[derive(Debug, Args)]
#[command(after_help = "\
States: running, idle, paused, in shutdown, shut off, crashed, pmsuspended.

Example:
  reeve domain state web --reason      running (booted)")]
pub struct State {
    #[command(flatten)]
    target: Target,
    /// Say why it is in this state
    #[arg(long)]
    reason: bool,
}

impl State {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.domain_info(&self.target.domain).await?.summary;
        context.show(&Answer { state: row.state, reason: self.reason.then_some(row.reason) })
    }
}

#[derive(Serialize)]
struct Answer {
    state: DomainState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<StateReason>,
}

impl Show for Answer {
    const ELEMENT: &'static str = "domstate";

    fn human(&self) -> String {
        match self.reason {
            Some(reason) => format!("{} ({reason})", self.state),
            None => self.state.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn a_state_is_one_line() {
        let plain = Answer { state: DomainState::ShutOff, reason: None };
        let with_reason = Answer { state: DomainState::Crashed, reason: Some(StateReason::WorkerLost) };
        let all = [
            Format::Table.draw(&plain).unwrap(),
            Format::Table.draw(&with_reason).unwrap(),
            Format::Json.draw(&with_reason).unwrap(),
            Format::Xml.draw(&plain).unwrap(),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
