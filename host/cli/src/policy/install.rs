//! `reeve policy install`.

use clap::Args;
use reeve_model::install::{InstallPolicy, Installed};
use reeve_model::policy::PolicyMode;

use super::{config, mode};
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
    /// Name to load it under [default: the one in its manifest]
    #[arg(long)]
    name: Option<String>,
    /// Whether its answers count
    #[arg(long, value_parser = mode::parse)]
    mode: Option<PolicyMode>,
    /// Position in its chains, lowest first
    #[arg(long, allow_negative_numbers = true)]
    order: Option<i32>,
    /// A grant to give, e.g. node.ksm:write; may be repeated
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// Configuration for it: JSON text, or @FILE
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
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
            name: self.name,
            mode: self.mode,
            order: self.order,
            grants: self.grants,
            config: self.config.as_deref().map(config::parse).transpose()?,
            allow_unsigned: self.allow_unsigned,
            allow_downgrade: self.allow_downgrade,
        };
        let installed = context.client.install_policy(&request).await?;
        let info = &installed.policy;
        for wanted in info.wanted.iter().filter(|wanted| !info.granted.contains(&wanted.grant)) {
            context
                .note(&format!("note: '{}' would also use {}: {}", info.name, wanted.grant, wanted.reason));
        }
        if installed.key.is_none() {
            context.note(&format!("note: '{}' was installed without a signature", info.name));
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
