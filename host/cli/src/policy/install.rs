//! `reeve policy install`.

use clap::Args;
use reeve_model::install::{InstallPolicy, Installed};

use super::binding::{Binding, note_wanted};
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve policy install`.
#[derive(Debug, Args)]
#[command(after_help = "\
The daemon pulls the artifact with its own credentials, verifies it against 'policies.trust' of its configuration, pins it by
digest and loads it as 'reeve policy load' does: what is not said here stays as it was, and what is refused keeps the old version
running. At every start it is verified again.

Examples:
  reeve policy install registry.example.org/policies/naming:0.1.0 --grant 'domain:rewrite path=devices.*'
  reeve policy install registry.example.org/policies/naming@sha256:8c61... --mode monitor")]
pub struct Install {
    /// REGISTRY/REPOSITORY:TAG, or REGISTRY/REPOSITORY@sha256:HEX
    #[arg(value_name = "REF")]
    reference: String,
    #[command(flatten)]
    binding: Binding,
    /// Take it without a signature, where no rule of trust names its repository
    #[arg(long)]
    allow_unsigned: bool,
    /// Take it although its version is older than that of the one in place
    #[arg(long)]
    allow_downgrade: bool,
}

impl Install {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let request = InstallPolicy {
            reference: self.reference,
            config: self.binding.config()?,
            name: self.binding.name,
            mode: self.binding.mode,
            order: self.binding.order,
            grants: self.binding.grants,
            allow_unsigned: self.allow_unsigned,
            allow_downgrade: self.allow_downgrade,
        };
        let installed = context.client.install_policy(&request).await?;
        note_wanted(context, &installed.policy);
        if installed.key.is_none() {
            context.note(&format!("note: '{}' was installed without a signature", installed.policy.name));
        }
        context.show(&installed)
    }
}

impl Show for Installed {
    const ELEMENT: &'static str = "installed";

    fn human(&self) -> String {
        let signed = self.key.as_ref().map(|key| format!("\nKey {key}")).unwrap_or_default();
        format!(
            "Policy '{}' {} installed from {}\nDigest {}{signed}",
            self.policy.name, self.policy.version, self.reference, self.digest
        )
    }
}
