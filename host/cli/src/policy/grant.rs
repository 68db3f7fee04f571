//! `reeve policy grant` and `revoke`.

use clap::Args;

use super::Done;
use crate::context::Context;

/// Options of `reeve policy grant`.
#[derive(Debug, Args)]
#[command(after_help = "\
A grant names a verb and, where it makes sense, subjects. 'reeve policy show' lists what a policy asks for and why.

Examples:
  reeve policy grant ksm-tuner node.ksm:write
  reeve policy grant admission 'domain:read name=web-*'")]
pub struct Grant {
    /// Name of the policy
    policy: String,
    /// Grants to give
    #[arg(required = true)]
    grants: Vec<String>,
}

impl Grant {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let info = context.client.grant_policy(&self.policy, self.grants).await?;
        context.show(&Done { info, participle: "has its grants" })
    }
}

/// Options of `reeve policy revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Name of the policy
    policy: String,
    /// Grants to take back, as 'reeve policy show' writes them
    #[arg(required = true)]
    grants: Vec<String>,
}

impl Revoke {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let info = context.client.revoke_policy(&self.policy, self.grants).await?;
        context.show(&Done { info, participle: "no longer has these grants" })
    }
}
