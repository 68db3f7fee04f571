//! `reeve policy rollback`.

use clap::Args;

use super::Done;
use crate::context::Context;

/// Options of `reeve policy rollback`.
#[derive(Debug, Args)]
#[command(after_help = "\
The last five versions of a policy are kept; 'reeve policy show' lists them. Mode, order and grants stay as they are. So does the
configuration, unless the earlier version does not accept it: then it gets the one it ran with.

Examples:
  reeve policy rollback admission
  reeve policy rollback admission --to 8c61f3c2f1")]
pub struct Rollback {
    /// Name of the policy
    policy: String,
    /// Version to go back to: its digest, the first digits of it, or its number [default: the newest good one]
    #[arg(long, value_name = "DIGEST")]
    to: Option<String>,
}

impl Rollback {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let info = context.client.roll_back_policy(&self.policy, self.to).await?;
        context.show(&Done { info, participle: "is back" })
    }
}
