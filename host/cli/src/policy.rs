//! `reeve policy …`.

mod annotate;
mod audit;
mod bench;
mod binding;
mod build;
mod config;
mod decisions;
mod diff;
mod enable;
mod grant;
mod inspect;
mod install;
mod junit;
mod keygen;
mod list;
mod load;
mod logs;
mod mode;
mod new;
mod plot;
mod pull;
mod push;
mod record;
mod registry;
mod replay;
mod rollback;
mod run;
mod sessions;
mod set;
mod show;
mod sign;
mod simulate;
mod task;
mod test;
mod top;
mod verify;

use clap::Subcommand;
use reeve_model::policy::PolicyInfo;
use serde::Serialize;

use crate::context::Context;
use crate::output::Show;

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
    /// Install a policy from a registry, or a new version of an installed one
    Install(install::Install),
    /// Take a policy out
    Unload(Name),
    /// Switch between monitor and enforce
    Mode(mode::Mode),
    /// Ask a disabled policy again
    Enable(Name),
    /// Keep a policy, but do not ask it any more
    Disable(Name),
    /// Show or replace the configuration of a policy
    Config(config::Config),
    /// Change what a failure means, the order or the circuit breaker
    Set(set::Set),
    /// Put an earlier version of a policy back
    Rollback(rollback::Rollback),
    /// Give grants to a policy
    Grant(grant::Grant),
    /// Take grants back from a policy
    Revoke(grant::Revoke),
    /// Let a policy run again that the circuit breaker stopped
    Resume(Name),
    /// Write the project of a new policy
    New(new::New),
    /// Build the component of a project
    Build(build::Build),
    /// Put a manifest into a component
    Annotate(annotate::Annotate),
    /// Show what a component is, wants and would get
    Inspect(inspect::Inspect),
    /// Show what policies decided
    Decisions(decisions::Decisions),
    /// Ask one hook of a component, without a daemon
    Run(run::Run),
    /// Run recorded sessions against a component, as tests
    Test(test::Test),
    /// Record the next calls of a policy as sessions
    Record(record::Record),
    /// Play sessions back, bit for bit
    Replay(replay::Replay),
    /// Show what another version would have decided
    Diff(diff::Diff),
    /// Ask a guard about the domains that exist, without changing anything
    Audit(audit::Audit),
    /// Measure what a decision costs
    Bench(bench::Bench),
    /// Judge a tuner or a guard by a simulated week of thousands of domains, or a strategy by a simulated migration
    Simulate(simulate::Simulate),
    /// Push a policy to a registry
    Push(push::Push),
    /// Pull a policy from a registry into a file
    Pull(pull::Pull),
    /// Sign an artifact or a file
    Sign(sign::Sign),
    /// Verify the signature of an artifact or a file
    Verify(verify::Verify),
    /// Make a pair of keys to sign with
    Keygen(keygen::Keygen),
    /// Run policies by hand that have a task, and see when they run by themselves
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Say when a task runs by itself
    Schedule(task::Schedule),
    /// Show the log lines of a policy
    Logs(logs::Logs),
    /// See how busy policies are
    Top(top::Top),
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
                context.say(&format!("Policy '{}' unloaded", name.policy))
            }
            Self::Mode(command) => command.run(context).await,
            Self::Enable(name) => enable::run(context, &name.policy, true).await,
            Self::Disable(name) => enable::run(context, &name.policy, false).await,
            Self::Config(command) => command.run(context).await,
            Self::Set(command) => command.run(context).await,
            Self::Rollback(command) => command.run(context).await,
            Self::Grant(command) => command.run(context).await,
            Self::Revoke(command) => command.run(context).await,
            Self::Resume(name) => {
                let info = context.client.resume_policy(&name.policy).await?;
                context.show(&Done { info, participle: "resumed" })
            }
            Self::New(command) => command.run(context).await,
            Self::Build(command) => command.run(context).await,
            Self::Annotate(command) => command.run(context).await,
            Self::Inspect(command) => command.run(context).await,
            Self::Decisions(command) => command.run(context).await,
            Self::Run(command) => command.run(context).await,
            Self::Test(command) => command.run(context).await,
            Self::Record(command) => command.run(context).await,
            Self::Replay(command) => command.run(context).await,
            Self::Diff(command) => command.run(context).await,
            Self::Audit(command) => command.run(context).await,
            Self::Bench(command) => command.run(context).await,
            Self::Simulate(command) => command.run(context).await,
            Self::Install(command) => command.run(context).await,
            Self::Push(command) => command.run(context).await,
            Self::Pull(command) => command.run(context).await,
            Self::Sign(command) => command.run(context).await,
            Self::Verify(command) => command.run(context).await,
            Self::Keygen(command) => command.run(context),
            Self::Task(command) => command.run(context).await,
            Self::Schedule(command) => command.run(context).await,
            Self::Logs(command) => command.run(context).await,
            Self::Top(command) => command.run(context).await,
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
    use reeve_model::policy::{
        BreakerSettings, FailureMode, Hook, PolicyCounters, PolicyInfo, PolicyMode, PolicyVersion,
        WantedGrant,
    };
    use time::macros::datetime;

    fn version(digest: &str, version: &str, good: bool) -> PolicyVersion {
        PolicyVersion {
            digest: digest.repeat(6) + "abcd",
            version: version.to_owned(),
            installed: datetime!(2026-03-01 09:30 UTC),
            config: serde_json::json!({}),
            good,
        }
    }

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
            enabled: true,
            parked: false,
            parked_since: None,
            breaker: BreakerSettings::default(),
            previous: None,
            versions: vec![version("8c61f3c2f1", "1.2.0", true), version("77ab01c9d2", "1.1.0", false)],
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
