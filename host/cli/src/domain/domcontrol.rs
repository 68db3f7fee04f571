//! `reeve domain domcontrol` (guide 14.5.20): whether the worker of a domain can be talked to.

use clap::Args;
use reeve_client::ClientError;
use reeve_model::ErrorCode;
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve domain domcontrol`.
#[derive(Debug, Args)]
#[command(after_help = "\
  ok       the daemon asked the worker, and it answered
  job      so it did, and a migration is under way, for as long as is said
  error    it did not answer

A domain that is off has no worker to ask, which ends the command with status 6.")]
pub struct Domcontrol {
    #[command(flatten)]
    target: Target,
}

impl Domcontrol {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        let answer = match context.client.domain_stats(domain).await {
            Ok(_) => match context.client.domain_job(domain).await {
                Ok(job) if job.active => Control { state: "job", milliseconds: Some(job.elapsed_ms) },
                _ => Control { state: "ok", milliseconds: None },
            },
            Err(ClientError::Refused(error))
                if matches!(
                    error.code,
                    ErrorCode::Internal | ErrorCode::Deadline | ErrorCode::Unsupported
                ) =>
            {
                context.note(&error.message);
                Control { state: "error", milliseconds: None }
            }
            Err(error) => return Err(error.into()),
        };
        context.show(&answer)
    }
}

#[derive(Serialize)]
struct Control {
    state: &'static str,
    /// Since when; not of the states that just are.
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<u64>,
}

impl Show for Control {
    const ELEMENT: &'static str = "control";

    fn human(&self) -> String {
        match self.milliseconds {
            Some(ms) => format!("{} ({}.{:03}s)", self.state, ms / 1000, ms % 1000),
            None => self.state.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_passes_has_its_time() {
        assert_eq!(Control { state: "ok", milliseconds: None }.human(), "ok");
        assert_eq!(Control { state: "job", milliseconds: Some(61_007) }.human(), "job (61.007s)");
    }
}
