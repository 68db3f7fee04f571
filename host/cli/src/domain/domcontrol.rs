//! `reeve domain domcontrol` (guide 14.5.20): whether the worker of a domain can be talked to.

use clap::Args;
use reeve_model::api::DomainControl;

use super::Target;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve domain domcontrol`.
#[derive(Debug, Args)]
#[command(after_help = "\
  ok               the daemon asked the worker, and it answered
  background job   a migration, save or dump is under way, for as long as is said
  occupied         a command is being carried out, for as long as is said, and others wait for it
  error            the worker did not answer

A domain that is off has no worker to ask, which ends the command with status 6.")]
pub struct Domcontrol {
    #[command(flatten)]
    target: Target,
}

impl Domcontrol {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let control = context.client.domain_control(&self.target.domain).await?;
        if let Some(detail) = &control.detail {
            context.note(detail);
        }
        context.show(&control)
    }
}

impl Show for DomainControl {
    const ELEMENT: &'static str = "control";

    fn human(&self) -> String {
        let state = self.state.as_str();
        match self.milliseconds {
            Some(ms) => format!("{state} ({}.{:03}s)", ms / 1000, ms % 1000),
            None => state.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use reeve_model::api::ControlState;

    use super::*;

    #[test]
    fn a_state_that_passes_has_its_time() {
        let control = |state, milliseconds| DomainControl { state, milliseconds, detail: None }.human();
        assert_eq!(control(ControlState::Ok, None), "ok");
        assert_eq!(control(ControlState::BackgroundJob, Some(61_007)), "background job (61.007s)");
        assert_eq!(control(ControlState::Occupied, Some(12)), "occupied (0.012s)");
    }
}
