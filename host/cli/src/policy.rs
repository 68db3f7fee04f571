//! `reeve policy …`.

mod decisions;
mod grant;
mod list;
mod load;
mod mode;
mod show;

use clap::Subcommand;
use reeve_model::policy::PolicyInfo;
use serde::Serialize;

use crate::context::Context;
use crate::output::{Format, Show};

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// List the loaded policies in chain order
    #[command(visible_alias = "ls")]
    List,
    /// Show what is known of a policy
    Show(show::ShowPolicy),
    /// Load a component, or a new version of a loaded policy
    Load(load::Load),
    /// Take a policy out
    Unload(Name),
    /// Switch between monitor and enforce
    Mode(mode::Mode),
    /// Give grants to a policy
    Grant(grant::Grant),
    /// Take grants back from a policy
    Revoke(grant::Revoke),
    /// Let a policy run again that the circuit breaker stopped
    Resume(Name),
    /// Show what policies decided
    Decisions(decisions::Decisions),
}

/// A policy on the command line.
#[derive(Debug, clap::Args)]
pub struct Name {
    /// Name of the policy
    policy: String,
}

impl PolicyCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::List => list::run(context).await,
            Self::Show(command) => command.run(context).await,
            Self::Load(command) => command.run(context).await,
            Self::Unload(name) => {
                context.client.unload_policy(&name.policy).await?;
                match context.format {
                    Format::Table => context.print(&format!("Policy '{}' unloaded", name.policy)),
                    Format::Json | Format::Xml => Ok(()),
                }
            }
            Self::Mode(command) => command.run(context).await,
            Self::Grant(command) => command.run(context).await,
            Self::Revoke(command) => command.run(context).await,
            Self::Resume(name) => {
                let info = context.client.resume_policy(&name.policy).await?;
                context.show(&Done { info, participle: "resumed" })
            }
            Self::Decisions(command) => command.run(context).await,
        }
    }
}

/// The end of a verb: the policy for programs, a sentence for people.
#[derive(Serialize)]
#[serde(transparent)]
struct Done {
    info: PolicyInfo,
    #[serde(skip)]
    participle: &'static str,
}

impl Show for Done {
    const ELEMENT: &'static str = "policy";

    fn human(&self) -> String {
        let PolicyInfo { name, version, .. } = &self.info;
        format!("Policy '{name}' {version} {}", self.participle)
    }
}

/// A word of a policy's vocabulary as it is on the wire.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned));
    word.unwrap_or_default()
}

#[cfg(test)]
mod samples {
    use reeve_model::policy::{FailureMode, Hook, PolicyCounters, PolicyInfo, PolicyMode, WantedGrant};

    /// A policy as the daemon shows it.
    pub(crate) fn admission() -> PolicyInfo {
        PolicyInfo {
            name: "admission".into(),
            version: "1.2.0".into(),
            description: "Limits on overcommit of vCPUs and memory".into(),
            digest: "8c61f3c2f1".repeat(6) + "abcd",
            hooks: vec![Hook::DomainDefine, Hook::DomainPrepare],
            mode: PolicyMode::Enforce,
            on_failure: FailureMode::Closed,
            parked: false,
            order: 10,
            wanted: vec![
                WantedGrant { grant: "domain:read".into(), reason: "sum up what is promised already".into() },
                WantedGrant { grant: "node:read".into(), reason: "know what there is".into() },
            ],
            granted: vec!["domain:read".into()],
            config: serde_json::json!({"vcpus-per-cpu": 10}),
            counters: PolicyCounters { calls: 41, denials: 3, rewrites: 0, failures: 1 },
        }
    }
}
