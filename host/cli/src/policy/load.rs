//! `reeve policy load`.

use std::path::PathBuf;

use clap::Args;
use reeve_client::PolicyUpload;
use reeve_model::policy::{BreakerSettings, FailureMode};

use super::binding::{Binding, note_wanted};
use super::{Done, set, task};
use crate::context::{Context, read_bytes};

/// Options of `reeve policy load`.
#[derive(Debug, Args)]
#[command(after_help = "\
A policy of the same name is replaced: what is not said here (mode, order, grants, configuration) stays as it was. A component
that does not compile, or imports what it was not granted, is refused, and the old version keeps running.

Examples:
  reeve policy load admission.wasm --grant domain:read --grant node:read
  reeve policy load naming.wasm --mode monitor --order 20
  reeve policy load admission.wasm --config '{\"vcpus-per-cpu\": 4}'
  reeve policy load admission.wasm --config @admission.json")]
pub struct Load {
    /// A component, - for standard input
    file: PathBuf,
    #[command(flatten)]
    binding: Binding,
    /// What a failure means: closed, open or previous
    #[arg(long, value_name = "MODE", value_parser = set::failure_mode)]
    on_failure: Option<FailureMode>,
    /// When the circuit breaker stops it, e.g. 5/60: after five failures within 60 seconds
    #[arg(long, value_name = "FAILURES/SECONDS")]
    breaker: Option<BreakerSettings>,
    /// When its task runs by itself
    #[command(flatten)]
    triggers: task::Triggers,
}

impl Load {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let upload = PolicyUpload {
            component: read_bytes(&self.file)?,
            config: self.binding.config()?,
            name: self.binding.name,
            mode: self.binding.mode,
            grants: self.binding.grants,
            order: self.binding.order,
            on_failure: self.on_failure,
            breaker: self.breaker,
            triggers: self.triggers.asked(),
        };
        let info = context.client.load_policy(upload).await?;
        note_wanted(context, &info);
        context.show(&Done { info, participle: "loaded" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use crate::policy::samples;

    #[test]
    fn a_load_is_confirmed() {
        let done = Done { info: samples::admission(), participle: "loaded" };
        let all = [Format::Table, Format::Json].map(|format| format.draw(&done).unwrap());
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
