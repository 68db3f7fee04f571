//! `reeve policy simulate`: a week of thousands of domains, for a tuner or a guard to be judged by; or one migration, for a strategy.

mod strategy;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use reeve_model::Bytes;
use reeve_model::policy::Hook;
use reeve_policy::session::Session;
use reeve_policy::simulate::{DOMAINS_LIMIT, Plan, Week};
use serde::Serialize;
use serde_json::{Map, Value};

use super::decisions::named;
use super::plot;
use super::sessions::{self, Terms};
use crate::context::Context;
use crate::exit::Usage;
use crate::output::{Show, pairs};

/// Options of `reeve policy simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The week is made up, always the same for the same seed: domains of 1 to 16 GiB come by day and go after two days on average, and use
more by day than by night; the host has a little more memory than they use on average, so that it gets short by day. A tuner of
samepage merging is asked on every tick and what it answers is applied to a model of the kernel's scanner; a guard is asked about
every domain that comes, and what it denies does not come. A guard of migrations is asked as though they moved between two machines over
TLS: migrate-in about every domain that comes, migrate-out about whether it might go on from here. Time is that of the simulation: a
week takes seconds.

A strategy of migrations is judged by one migration, of which a file tells what is not as usual, in JSON; {} is all as usual:
  guest         memory-mib 4096, zero-percent 0; write-mib-per-second 200 anywhere in working-set-mib (all of it), or rounds-mib: what it
                was found to have written after each round, the last for all that follow
  link          mib-per-second 1100, stream-mib-per-second (as many), round-trip-us 200, compressed-percent 50,
                compress-mib-per-second (as many)
  limits        max-downtime-ms 300, bandwidth-mib 0, max-throttle 0, max-rounds 100, compress, post-copy, post-copy-after
  capabilities  compression, streams, post-copy: what this version offers
  journey       source, destination, same-machine, transport \"tls\", unchecked, persistent
  domain        its document, for precheck
What the policy answers is cut as a host cuts it, and where it gives no answer that counts the host goes on by itself.

Examples:
  reeve policy simulate ksm-tuner.wasm --plot week.svg
  reeve policy simulate admission.wasm --hook domain-define --config '{\"memory-overcommit\": 1.5}' --days 2
  reeve policy simulate migration-precheck.wasm --hook migrate-out --days 2
  reeve policy simulate migration-converge.wasm --scenario busy-database.json
  reeve policy simulate ksm-tuner.wasm --trace week.jsonl && reeve policy replay ksm-tuner.wasm week.jsonl")]
pub struct Simulate {
    /// A project, or a component
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    policy: PathBuf,
    /// ksm-tune, domain-define, domain-prepare, migrate-in, migrate-out or migration-strategy [default: the first of these that it answers]
    #[arg(long, value_parser = named::<Hook>)]
    hook: Option<Hook>,
    /// Days
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=60))]
    days: u32,
    /// Domains on an average day
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=i64::from(DOMAINS_LIMIT)))]
    domains: u32,
    /// Memory of the host, bytes [default: what the domains use on average, and 5 % more]
    #[arg(long, value_name = "BYTES")]
    memory: Option<u64>,
    /// CPUs of the host
    #[arg(long, default_value_t = 256)]
    cpus: u32,
    /// Seconds between two ticks
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86400))]
    interval: u32,
    /// Where the week comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The migration that a strategy is judged by: JSON with domain, disks, guest, link, limits, capabilities, journey [default: all as usual]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["days", "domains", "memory", "cpus", "interval", "seed", "plot"])]
    scenario: Option<PathBuf>,
    #[command(flatten)]
    terms: Terms,
    /// Draw memory over time as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Write every call as a session
    #[arg(long, value_name = "FILE.jsonl")]
    trace: Option<PathBuf>,
}

/// Hooks that can be simulated.
const HOOKS: [Hook; 6] = [
    Hook::KsmTune,
    Hook::DomainDefine,
    Hook::DomainPrepare,
    Hook::MigrateIn,
    Hook::MigrateOut,
    Hook::MigrationStrategy,
];

/// The same in words.
const THERE_ARE: &str =
    "there are ksm-tune, domain-define, domain-prepare, migrate-in, migrate-out and migration-strategy";

impl Simulate {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let component = Terms::default().open(&sessions::component(&self.policy)?)?;
        let manifest = component.manifest();
        // Nothing here can be harmed, so the policy gets what it asks for unless the operator says less.
        let grants = if self.terms.grants.is_empty() {
            let wants = manifest.wants.iter().map(|want| want.grant.clone());
            wants.filter(|grant| !grant.starts_with("fs:")).collect()
        } else {
            self.terms.grants.clone()
        };
        let answered = |hook: &Hook| manifest.hooks.is_empty() || manifest.hooks.contains(hook);
        let hook = match self.hook {
            Some(hook) if !HOOKS.contains(&hook) => {
                let message = format!("hook '{hook}' cannot be simulated");
                let hint = Some(THERE_ARE);
                return Err(Usage { message, hint }.into());
            }
            Some(hook) => hook,
            None => HOOKS.into_iter().find(answered).ok_or_else(|| Usage {
                message: format!("policy '{}' answers no hook that can be simulated", manifest.name),
                hint: Some(THERE_ARE),
            })?,
        };
        if hook == Hook::MigrationStrategy && self.plot.is_some() {
            let message = format!("hook '{hook}' is judged by one migration, of which nothing is drawn");
            let hint = Some("leave '--plot' out: the rounds are a table");
            return Err(Usage { message, hint }.into());
        }
        if hook != Hook::MigrationStrategy && self.scenario.is_some() {
            let message = format!("hook '{hook}' is judged by a week, which has no scenario");
            let hint = Some("'--hook migration-strategy' takes one");
            return Err(Usage { message, hint }.into());
        }
        let config = Value::Object(self.terms.config()?.unwrap_or_else(Map::new));
        let mut trace =
            self.trace.as_ref().map(std::fs::File::create).transpose().context("cannot write the trace")?;
        let mut written = Ok(());
        let keep = |session: &Session| {
            if let (Some(file), Ok(())) = (&mut trace, &written) {
                written = writeln!(file, "{}", session.line());
            }
        };
        if hook == Hook::MigrationStrategy {
            let scenario = strategy::scenario(self.scenario.as_deref())?;
            let simulated = component.simulate_migration(&scenario, config, &grants, keep).await?;
            written.context("cannot write the trace")?;
            return context.show(&strategy::Shown { policy: manifest.name.clone(), hook, simulated });
        }
        let plan = Plan {
            days: self.days,
            domains: self.domains,
            memory: self.memory.map(Bytes),
            cpus: self.cpus,
            interval: self.interval,
            seed: self.seed,
            hook,
            config,
            grants,
        };
        let week = component.simulate(&plan, keep).await?;
        written.context("cannot write the trace")?;
        if let Some(file) = &self.plot {
            let title = format!(
                "{} {}: {} domains, {} days",
                manifest.name, manifest.version, self.domains, self.days
            );
            std::fs::write(file, plot::draw(&title, &week))
                .with_context(|| format!("cannot write '{}'", file.display()))?;
        }
        context.show(&Simulated { policy: manifest.name.clone(), hook, week })
    }
}

#[derive(Serialize)]
struct Simulated {
    policy: String,
    hook: Hook,
    #[serde(flatten)]
    week: Week,
}

impl Show for Simulated {
    const ELEMENT: &'static str = "simulation";

    fn human(&self) -> String {
        let Week { memory, calls, outcomes, changes, arrivals, refused, most_active, .. } = &self.week;
        let outcomes: Vec<String> =
            outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let hours = |seconds: u64| format!("{:.1} h", seconds as f64 / 3600.0);
        let refusal = if self.hook == Hook::MigrateOut { "not let go" } else { "kept out" };
        pairs([
            ("Policy", self.policy.clone()),
            ("Hook", self.hook.to_string()),
            ("Calls", format!("{calls}: {}", outcomes.join(", "))),
            ("Changes", changes.to_string()),
            ("Domains arrived", format!("{arrivals}, {refused} {refusal}")),
            ("Domains at once", most_active.to_string()),
            ("Memory", Bytes(*memory).to_string()),
            ("Saved on average", Bytes(self.week.mean_saved).to_string()),
            ("Saved at most", Bytes(self.week.most_saved).to_string()),
            ("Memory short for", hours(self.week.short_seconds)),
            ("Without merging", hours(self.week.short_seconds_unmerged)),
            ("CPU for scanning", hours(self.week.scan_cpu_seconds as u64)),
            ("Fuel a call", (self.week.fuel / (*calls).max(1)).to_string()),
        ])
    }
}
